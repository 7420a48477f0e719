"""A slide with the methods of OpenSlide, for code that is written for it.

Extra ``slides`` (Pillow). The names are those of ``openslide.OpenSlide``, so that generators
of Deep Zoom and pipelines of pathology take it as it is. New code uses `lazydicom.open_slide`.
"""

import os
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, Unpack

import numpy as np

from lazydicom._array.array import DicomArray
from lazydicom._header import tags
from lazydicom._header.columns.sequences import sequence_values
from lazydicom._open.image import open_image
from lazydicom._open.instance import OpenKeywords
from lazydicom._open.slide import SlideImage, open_slide
from lazydicom._views.icc import icc_profile
from lazydicom._views.stored_mask import stored_mask
from lazydicom.errors import InvalidDicomError, LazyDicomError, UnsupportedError

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageCms import ImageCmsProfile

_NAMES: Final[Mapping[str, SlideImage]] = {
    "label": "label",
    "macro": "overview",
    "thumbnail": "thumbnail",
}
"""What OpenSlide calls the images beside the volume."""
_ROUNDING: Final = 1e-6
"""Of a pixel: positions are computed from downsamples."""


class OpenSlide:
    """A whole slide as ``openslide.OpenSlide`` gives it.

    Parameters
    ----------
    filename : str, os.PathLike
        A folder, any fsspec URL, or one local file: then the other files of its series
        that stand beside it are the same slide.
    storage_options : mapping, optional
        Arguments of the fsspec filesystem.
    **options
        All options of `open_slide`.

    Examples
    --------
    >>> slide = OpenSlide("slides/1")  # doctest: +SKIP
    >>> slide.read_region((0, 0), 0, (512, 512))  # doctest: +SKIP
    """

    def __init__(
        self,
        filename: str | os.PathLike[str],
        storage_options: Mapping[str, Any] | None = None,
        **options: Unpack[OpenKeywords],
    ) -> None:
        self._open: Any = (filename, storage_options, options)
        series = None
        if os.path.isfile(filename):  # noqa: PTH113 (of a URL nothing is asked)
            series = _series_of(filename)
            filename = os.path.dirname(os.fspath(filename)) or "."  # noqa: PTH120
        self._open = (filename, storage_options, {**options, "series": series})
        self.levels: list[DicomArray] = self._images("volume")
        if self.levels[0].dims != ("y", "x", "sample"):
            message = "OpenSlide has one plane of colours: use lazydicom.open_slide"
            raise UnsupportedError(message, url=self.levels[0].images[0].url)

    def __repr__(self) -> str:
        """Return the finest level."""
        return f"<OpenSlide {self.levels[0]!r}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Do nothing: no file is held open."""

    @classmethod
    def detect_format(cls, filename: str | os.PathLike[str]) -> str | None:
        """Return ``"dicom"`` for a file of a slide, ``None`` for any other."""
        try:
            open_slide(filename)
        except LazyDicomError:
            return None
        return "dicom"

    @property
    def level_count(self) -> int:
        """Number of levels."""
        return len(self.levels)

    @property
    def level_dimensions(self) -> tuple[tuple[int, int], ...]:
        """Width and height of each level."""
        return tuple((level.shape[1], level.shape[0]) for level in self.levels)

    @property
    def dimensions(self) -> tuple[int, int]:
        """Width and height of the finest level."""
        return self.level_dimensions[0]

    @property
    def level_downsamples(self) -> tuple[float, ...]:
        """Pixels of the finest level side by side in one of each level."""
        return tuple(float(level.attrs["downsample"]) for level in self.levels)

    @property
    def properties(self) -> Mapping[str, str]:
        """Technical properties by the names of OpenSlide; nothing of a patient."""
        named = {
            "openslide.vendor": "dicom",
            "openslide.level-count": str(self.level_count),
        }
        spacing = self.levels[0].attrs.get("spacing")
        if spacing is not None:
            named["openslide.mpp-x"] = repr(float(spacing[2]) * 1000)
            named["openslide.mpp-y"] = repr(float(spacing[1]) * 1000)
        power = _objective_power(self.levels[0])
        if power is not None:
            named["openslide.objective-power"] = power
        profile = icc_profile(self.levels[0])
        if profile is not None:
            named["openslide.icc-size"] = str(len(profile))
        for number, level in enumerate(self.levels):
            rows, columns = level.chunk_frames(1)[:2]
            known = {
                "width": level.shape[1],
                "height": level.shape[0],
                "tile-width": columns,
                "tile-height": rows,
                "downsample": repr(self.level_downsamples[number]),
            }
            for name, value in known.items():
                named[f"openslide.level[{number}].{name}"] = str(value)
        return named

    @property
    def associated_images(self) -> "Mapping[str, Image]":
        """Label, macro and thumbnail, read when they are asked for by name."""
        return _AssociatedImages(self)

    def get_best_level_for_downsample(self, downsample: float) -> int:
        """Return the coarsest level that is as fine as `downsample` asks for."""
        fine = [k for k, own in enumerate(self.level_downsamples) if own <= downsample]
        return max(fine, default=0)

    def read_region(
        self, location: tuple[int, int], level: int, size: tuple[int, int]
    ) -> "Image":
        """Read a region as RGBA; what is not stored, or outside, is transparent.

        Parameters
        ----------
        location : (x, y)
            Upper left corner, in pixels of the finest level.
        level : int
            Which level is read.
        size : (width, height)
            In pixels of this level.

        Raises
        ------
        ValueError
            If there is no such level, or a size is negative.
        """
        if not 0 <= level < self.level_count:
            raise ValueError(f"Expected a level below {self.level_count}, got {level}")
        if min(size) < 0:
            raise ValueError(f"Expected a size that is not negative, got {size}")
        array, downsample = self.levels[level], self.level_downsamples[level]
        left, top = (int(one // 1) for one in _scaled(location, downsample))
        pixels = np.zeros((size[1], size[0], 4), np.uint8)
        rows, columns = (
            slice(max(first, 0), max(min(first + length, whole), 0))
            for first, length, whole in zip(
                (top, left), size[::-1], array.shape, strict=False
            )
        )
        if rows.start < rows.stop and columns.start < columns.stop:
            there = pixels[
                rows.start - top : rows.stop - top,
                columns.start - left : columns.stop - left,
            ]
            stored = stored_mask(array, (rows, columns))
            there[..., :3] = array[rows, columns]
            there[..., 3] = 255
            there[~stored] = 0
        return _picture(pixels, self._profile)

    def get_thumbnail(self, size: tuple[int, int]) -> "Image":
        """Return the whole slide as RGB, at most as large as `size`."""
        from PIL import Image

        width, height = self.dimensions
        level = self.get_best_level_for_downsample(
            max(width / size[0], height / size[1])
        )
        region = self.read_region((0, 0), level, self.level_dimensions[level])
        thumbnail = Image.new("RGB", region.size, "#ffffff")
        thumbnail.paste(region, None, region)
        thumbnail.thumbnail(size, Image.Resampling.LANCZOS)
        return thumbnail

    @property
    def color_profile(self) -> "ImageCmsProfile | None":
        """The ICC profile of the slide, ``None`` where it has none."""
        import io

        from PIL import ImageCms

        profile = self._profile
        return (
            None if profile is None else ImageCms.ImageCmsProfile(io.BytesIO(profile))
        )

    @property
    def _profile(self) -> bytes | None:
        return icc_profile(self.levels[0])

    def _images(self, image: SlideImage) -> list[DicomArray]:
        filename, storage_options, options = self._open
        return open_slide(filename, storage_options, image=image, **options)


class _AssociatedImages(Mapping[str, Any]):
    """The images beside the volume, by the names of OpenSlide."""

    def __init__(self, slide: OpenSlide) -> None:
        self._slide = slide

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401 (a picture of Pillow)
        if name not in _NAMES:
            raise KeyError(name)
        try:
            array = self._slide._images(_NAMES[name])[0]  # noqa: SLF001 (its own part)
        except InvalidDicomError as error:
            raise KeyError(name) from error
        pixels = np.full((*array.shape[:2], 4), 255, np.uint8)
        values = array[...]
        pixels[..., :3] = values if values.ndim == 3 else values[..., None]
        return _picture(pixels, icc_profile(array))

    def __iter__(self) -> Iterator[str]:
        for name, image in _NAMES.items():
            try:
                self._slide._images(image)  # noqa: SLF001 (its own part)
            except InvalidDicomError:
                continue
            yield name

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _series_of(filename: str | os.PathLike[str]) -> str:
    """Return the Series Instance UID of a file."""
    header = open_image(filename).images[0].header
    values = header.elements.get(tags.SERIES_INSTANCE_UID, "UI")
    return str(values[0]) if values else ""


def _objective_power(level: DicomArray) -> str | None:
    wanted = [(tags.OBJECTIVE_LENS_POWER,)]
    header = level.images[0].header
    items = sequence_values(header, tags.OPTICAL_PATH_SEQUENCE, wanted, most=1)
    text = bytes(items[0][0]).decode("ascii", "replace").strip(" \0") if items else ""
    return text or None


def _scaled(location: tuple[int, int], downsample: float) -> tuple[float, ...]:
    return tuple(one / downsample + _ROUNDING for one in location)


def _picture(pixels: Any, profile: bytes | None) -> "Image":  # noqa: ANN401 (an array)
    try:
        from PIL import Image
    except ImportError as error:
        message = "Pictures need Pillow: pip install lazydicom[slides]"
        raise ImportError(message) from error
    picture = Image.fromarray(pixels, "RGBA")
    if profile is not None:
        picture.info["icc_profile"] = profile
    return picture
