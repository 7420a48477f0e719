"""Opening a whole slide: instances of tiles become levels of one image, no tile is read."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final, Literal, TypeAlias, Unpack

from lazydicom._arrange.slides.facts import SlideFacts, kind_of, read_facts
from lazydicom._arrange.slides.levels import Fill, SlideChoices, make_levels
from lazydicom._array.array import DicomArray
from lazydicom._array.image import DicomImage
from lazydicom._bytes.location import DICOMWEB
from lazydicom._bytes.ranges import REQUESTS
from lazydicom._frames.reader import frame_index
from lazydicom._open.instance import (
    OpenKeywords,
    OpenOptions,
    check_choice,
    open_options,
)
from lazydicom._open.many.files import Instances, open_at_once, open_instances
from lazydicom._open.many.problems import raise_problem
from lazydicom._open.web import open_web_instance
from lazydicom.errors import InvalidDicomError, redact_url

SlideImage: TypeAlias = Literal["volume", "label", "overview", "thumbnail"]
_KEYWORDS: Final = ("image", "series", "fill_value", "on_gap", "squeeze")
_KINDS: Final = {
    "volume": ("VOLUME",),
    "label": ("LABEL",),
    "overview": ("OVERVIEW", "LOCALIZER"),
    "thumbnail": ("THUMBNAIL",),
}
"""The third value of Image Type, of each kind of image."""


def open_slide(
    urls: Instances,
    storage_options: Mapping[str, Any] | None = None,
    *,
    image: SlideImage = "volume",
    series: str | int | None = None,
    fill_value: Fill = "auto",
    on_gap: Literal["error", "fill"] = "error",
    squeeze: bool = True,
    **options: Unpack[OpenKeywords],
) -> list[DicomArray]:
    """Open a whole slide as the levels of one image, the finest first.

    Each level is a large plane of tiles; indexing reads and decodes the tiles that it
    touches, each once.

    Parameters
    ----------
    urls : str, os.PathLike, bytes, pydicom Dataset, or a list of them
        A folder, a pattern, a zip file, files; any fsspec URL; instances behind
        DICOMweb.
    storage_options : mapping, optional
        Arguments of the fsspec filesystem.
    image : {"volume", "label", "overview", "thumbnail"}
        Which of the images of a slide. A label names the patient.
    series : str or int, optional
        Which one, where there are several: a Series Number, a Series Instance UID or a
        Pyramid UID.
    fill_value : number, colour, "auto" or None
        What stands where no tile is stored. ``"auto"`` takes the colour that the file
        declares, else white, or 0 where pixels are no colours; ``None``: reading is an
        error.
    on_gap : {"error", "fill"}
        What to do where a part of a concatenation is missing.
    squeeze : bool
        Leave out the axes ``path`` and ``z`` where all levels have one optical path, or
        one focal plane.
    **options
        All options of `open_image`: `color`, `decoder`, `isolation`, `local` …

    Returns
    -------
    list of DicomArray
        With the axes ``([path,] [z,] y, x[, sample])``, coordinates in mm and
        ``attrs["affine"]`` to the coordinates of the slide.

    Raises
    ------
    LazyDicomError
        If a file cannot be read, there are several slides, or tiles are missing, stand
        twice or contradict.

    Examples
    --------
    One tile is a small slide:

    >>> from pydicom import dcmread
    >>> from pydicom.data import get_testdata_file
    >>> import lazydicom
    >>> tile = dcmread(get_testdata_file("CT_small.dcm", download=False))
    >>> tile.ImageType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    >>> (level,) = lazydicom.open_slide(tile)
    >>> level.dims, level.shape, level[100:200, 50:60].shape
    (('y', 'x'), (128, 128), (28, 10))
    """
    check_choice("image", image, SlideImage)
    check_choice("on_gap", on_gap, Literal["error", "fill"])
    checked = open_options("open_slide", options, others=_KEYWORDS)
    facts = _one_slide(
        _of_kind(_open_images(urls, storage_options, checked), image), series
    )
    fills = on_gap == "fill"
    return make_levels(facts, SlideChoices(fill_value, fills=fills, squeeze=squeeze))


def slide_table(
    urls: Instances,
    storage_options: Mapping[str, Any] | None = None,
    **options: Unpack[OpenKeywords],
) -> list[dict[str, Any]]:
    """Return a row for each instance of slides: what it is, without reading a tile.

    Returns
    -------
    list of dict
        The file, its kind, level, matrix and tile in pixels, tiles stored and in all,
        optical paths, focal planes, mm per pixel, transfer syntax, and where its frame
        index comes from; for ``pandas.DataFrame`` or to print.

    Examples
    --------
    >>> from pydicom import dcmread
    >>> from pydicom.data import get_testdata_file
    >>> import lazydicom
    >>> tile = dcmread(get_testdata_file("CT_small.dcm", download=False))
    >>> tile.ImageType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    >>> row, = lazydicom.slide_table(tile)
    >>> row["kind"], row["matrix"], row["stored"], row["tiles"]
    ('volume', (128, 128), 1, 1)
    """
    checked = open_options("slide_table", options)
    words = {word: kind for kind, known in _KINDS.items() for word in known}
    facts = [
        read_facts(one)
        for one in _open_images(urls, storage_options, checked)
        if kind_of(one) in words
    ]
    ordered = sorted(facts, key=lambda one: (one.kind, _area(one), one.first_frame))
    levels = {kind: _level_numbers(ordered, kind) for kind in words}
    return [
        {"kind": words[one.kind], "level": levels[one.kind][one.matrix], **_row(one)}
        for one in ordered
    ]


def _area(facts: SlideFacts) -> int:
    return -facts.matrix[0] * facts.matrix[1]


def _level_numbers(
    facts: Sequence[SlideFacts], kind: str
) -> dict[tuple[int, int], int]:
    matrices = dict.fromkeys(one.matrix for one in facts if one.kind == kind)
    return {matrix: number for number, matrix in enumerate(matrices)}


def _row(facts: SlideFacts) -> dict[str, Any]:
    image, index = facts.image, frame_index(facts.image.reader)
    paths = max(len(facts.paths), 1)
    planes = facts.focal_planes or 1
    return {
        "file": facts.name,
        "matrix": facts.matrix,
        "tile": facts.tile,
        "stored": len(image),
        "tiles": facts.tiles[0] * facts.tiles[1] * paths * planes,
        "paths": paths,
        "planes": planes,
        "spacing": facts.spacing,
        "transfer_syntax": image.format.transfer_syntax.name,
        "index": ""
        if index is None
        else str(getattr(index.origin, "value", index.origin)),
    }


def _open_images(
    urls: Instances, storage_options: Mapping[str, Any] | None, options: OpenOptions
) -> list[DicomImage]:
    """Open all instances; one that cannot be read might be a part of the slide."""
    web, others = _split_web(urls)
    images = _open_web(web, storage_options or {}, options)
    if others is None:
        return images
    opened = open_instances(others, storage_options or {}, options)
    for problem in opened.problems:
        if problem.error is not None:
            raise_problem(problem)
    images += [one for batch in opened.batches for one in batch.images]
    if not images:
        raise InvalidDicomError("No image is among these files")
    return images


def _split_web(urls: Instances) -> "tuple[list[str], Instances | None]":
    """Part instances behind DICOMweb from others; ``None`` where there are no others."""
    names: list[Any] = list(urls) if isinstance(urls, list | tuple) else [urls]
    web = [one for one in names if isinstance(one, str) and one.startswith(DICOMWEB)]
    others = [one for one in names if one not in web] if web else []
    if not web:
        return [], urls
    return web, others or None


def _open_web(
    urls: Sequence[str], storage_options: Mapping[str, Any], options: OpenOptions
) -> list[DicomImage]:
    """Ask for the metadata of all instances at once."""
    open_one = partial(
        open_web_instance, storage_options=storage_options, options=options
    )
    return open_at_once(open_one, urls, threads=REQUESTS)


def _of_kind(images: Sequence[DicomImage], wanted: SlideImage) -> list[SlideFacts]:
    """Choose the images of one kind.

    Raises
    ------
    InvalidDicomError
        If there is none.
    """
    kinds = [kind_of(one) for one in images]
    facts = [
        read_facts(one)
        for one, kind in zip(images, kinds, strict=True)
        if kind in _KINDS[wanted]
    ]
    if not facts:
        known = {word for words in _KINDS.values() for word in words}
        kinds_here = sorted({kind if kind in known else "other" for kind in kinds})
        message = f"No {wanted} image of a slide, found {', '.join(kinds_here)}"
        if kinds_here == ["other"]:
            message += (
                "; open_image and open_series take other images, open_segmentation"
                " takes segments"
            )
        raise InvalidDicomError(message, url=images[0].url)
    return facts


def _one_slide(
    facts: Sequence[SlideFacts], series: str | int | None
) -> list[SlideFacts]:
    """Choose one series, and in it one pyramid."""
    if series is not None:
        facts = [one for one in facts if series in _names(one)]
    groups: dict[tuple[str, str], list[SlideFacts]] = {}
    for one in facts:
        groups.setdefault((one.series, one.pyramid), []).append(one)
    if len(groups) != 1:
        named = (
            f"series {one[0].series_number} of {len(one)} files, "
            f"{redact_url(one[0].image.url)} …"
            for one in groups.values()
        )
        asked = "" if series is None or groups else f", none is {series!r}"
        message = f"{len(groups)} slides{asked}; choose one with series=: "
        raise InvalidDicomError(message + "; ".join(named))
    return next(iter(groups.values()))


def _names(facts: SlideFacts) -> set[str | int]:
    names: set[str | int] = {facts.series, facts.pyramid}
    if facts.series_number is not None:
        names |= {facts.series_number, str(facts.series_number)}
    return names - {""}
