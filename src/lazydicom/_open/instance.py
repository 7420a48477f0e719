"""One instance, opened as its caller wants it.

The options of all openers are one frozen value, checked once; with it, a header becomes the
image whose frames it describes, and the image a stack of them.
"""

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, fields, replace
from typing import TYPE_CHECKING, Any, Final, TypedDict, get_args

from lazydicom._array.array import DicomArray
from lazydicom._array.grid import MAX_PLACES, stack_grid
from lazydicom._array.image import DicomImage
from lazydicom._array.table_loader import FrameTableLoader
from lazydicom._bytes.deferred import deferred
from lazydicom._bytes.local.source import LocalAccess
from lazydicom._bytes.location import OnChange
from lazydicom._bytes.quick_dataclass import dataclass
from lazydicom._bytes.source import MINIMUM_RATE
from lazydicom._decode.format import (
    MAX_FRAME_BYTES,
    Color,
    Decoder,
    FrameFormat,
    Isolation,
    check_color,
    too_large,
)
from lazydicom._frames.index import FrameReader, open_native, with_padding
from lazydicom._frames.tolerance import FramePadding, OnExtraFrames, Tolerance
from lazydicom._header.header import Header
from lazydicom._header.image_pixel import IMAGE_PIXEL_TAGS, ImagePixel, make_image_pixel
from lazydicom._header.transfer_syntax import TRANSFER_SYNTAXES, TransferSyntax
from lazydicom._header.values import is_term, technical_attributes
from lazydicom.errors import LimitError

if TYPE_CHECKING:
    from lazydicom._arrange import frame_table
    from lazydicom._array.frame_table import FrameTable
    from lazydicom._array.work import cache as cached_frames
    from lazydicom._frames import partial_reader
else:
    frame_table = deferred("lazydicom._arrange.frame_table")
    cached_frames = deferred("lazydicom._array.work.cache")
    partial_reader = deferred("lazydicom._frames.partial_reader")

_CHOICES: Final = {
    "color": Color,
    "decoder": Decoder,
    "isolation": Isolation,
    "local": LocalAccess,
    "on_extra_frames": OnExtraFrames,
    "frame_padding": FramePadding,
    "on_change": OnChange,
}
_WORDS: Final = {name: get_args(choices) for name, choices in _CHOICES.items()}
"""`get_args` takes a microsecond, and every file has all of them."""
_NUMBERS: Final = ("frame_cache_bytes", "max_frame_bytes", "minimum_rate")


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenOptions:
    """What the caller of an opener decided; `lazydicom.open_image` explains each.

    Values that nobody checked come from `open_options`.
    """

    color: Color = "rgb"
    """``"stored"`` keeps YCbCr."""
    decoder: Decoder = "imagecodecs"
    """The library that decodes encapsulated frames."""
    isolation: Isolation = "none"
    """``"process"`` decodes encapsulated frames in a worker process."""
    local: LocalAccess = "pread"
    """``"mmap"`` lends single frames of a memory map."""
    allow_truncated: bool = False
    """Take the complete frames of a file that ends too early."""
    on_extra_frames: OnExtraFrames = "warn"
    """What to do with frames stored behind the declared ones."""
    frame_padding: FramePadding = "auto"
    """To what each native frame is padded by itself."""
    fill_truncated: float | None = None
    """What stands for the values that the last native frame lacks."""
    frame_cache_bytes: int = 0
    """Decoded frames to keep, per instance."""
    max_frame_bytes: int = MAX_FRAME_BYTES
    """Largest decoded frame."""
    on_change: OnChange = "error"
    """``"size"`` takes a file of the same size for the same file."""
    minimum_rate: int = MINIMUM_RATE
    """Bytes in a second that come over a network at least; 0 waits for ever."""
    follow_links: bool = False
    """Follow symbolic links that lead out of a folder."""
    photometric_interpretation: str | None = None
    """What the samples are, whatever header and codestream say."""
    transfer_syntax: str | None = None
    """UID of how the pixels are encoded, whatever the file declares."""
    index: str | os.PathLike[str] | None = None
    """An index file of `save_index`."""
    cache: bool = False
    """Keep an index in the user's cache folder."""

    @property
    def lends(self) -> bool:
        """Whether single frames are views of a memory map."""
        return self.local == "mmap"

    @property
    def of_source(self) -> "SourceOptions":
        """What concerns bytes alone."""
        return SourceOptions(
            local=self.local, on_change=self.on_change, minimum_rate=self.minimum_rate
        )

    @property
    def uses_index(self) -> bool:
        """Whether a saved index says where the frames lie."""
        return self.index is not None or self.cache

    @property
    def overrules(self) -> bool:
        """Whether the caller knows better than the file."""
        return self.photometric_interpretation is not None or self.given is not None

    @property
    def given(self) -> TransferSyntax | None:
        """How pixels are encoded, if the caller says it."""
        return TRANSFER_SYNTAXES.get(self.transfer_syntax or "")

    def overruled(self, pixel: ImagePixel) -> ImagePixel:
        """Return the Image Pixel module with the caller's word in it.

        Raises
        ------
        InvalidDicomError
            If it contradicts the number of samples.
        """
        if self.photometric_interpretation is None:
            return pixel
        given = {"photometric_interpretation": self.photometric_interpretation}
        attributes = asdict(pixel) | given
        return make_image_pixel(attributes, pixel_keyword=pixel.pixel_keyword)

    @property
    def keeps_declared(self) -> bool:
        """Whether the frames are those that the file declares, no more and no fewer."""
        whole = not self.allow_truncated and self.fill_truncated is None
        return whole and self.on_extra_frames == "warn"

    @property
    def tolerance(self) -> Tolerance:
        """What a file may get wrong."""
        return Tolerance(
            self.allow_truncated,
            self.on_extra_frames,
            self.frame_padding,
            self.fill_truncated,
        )

    def frame_format(
        self, pixel: ImagePixel, syntax: TransferSyntax, *, swapped_pairs: bool = False
    ) -> FrameFormat:
        """Return how frames are encoded, and what the caller wants of them."""
        return FrameFormat(
            pixel,
            syntax,
            self.color,
            swapped_pairs,
            self.decoder,
            self.isolation,
            self.max_frame_bytes,
            allow_truncated=self.allow_truncated,
            photometric_given=self.photometric_interpretation is not None,
        )

    def frame_cache(self) -> "cached_frames.FrameCache | None":
        """Return an empty cache for the frames of one instance, if one is asked for."""
        size = self.frame_cache_bytes
        return cached_frames.FrameCache(size) if size > 0 else None


class SourceOptions(TypedDict):
    """How bytes are read."""

    local: LocalAccess
    on_change: OnChange
    minimum_rate: int


class OpenKeywords(TypedDict, total=False):
    """The fields of `OpenOptions` as keyword arguments."""

    color: Color
    decoder: Decoder
    isolation: Isolation
    local: LocalAccess
    allow_truncated: bool
    on_extra_frames: OnExtraFrames
    frame_padding: FramePadding
    fill_truncated: float | None
    frame_cache_bytes: int
    max_frame_bytes: int
    on_change: OnChange
    minimum_rate: int
    follow_links: bool
    photometric_interpretation: str | None
    transfer_syntax: str | None
    index: str | os.PathLike[str] | None
    cache: bool


OPTION_NAMES: Final = tuple(field.name for field in fields(OpenOptions))


def open_options(
    opener: str, keywords: Mapping[str, Any], *, others: Iterable[str] = ()
) -> OpenOptions:
    """Check the keyword arguments of an opener.

    Parameters
    ----------
    opener : str
        The name of the function, for messages.
    keywords : mapping
        What it was called with.
    others : iterable of str
        Keywords that the function itself takes, to be named where one is misspelt.

    Raises
    ------
    TypeError
        If a keyword is unknown, or a number is none.
    ValueError
        If an option is none of its choices, or an index is asked for what it cannot hold.

    Examples
    --------
    >>> open_options("open_image", {"color": "stored"}).color
    'stored'
    >>> open_options("open_image", {"colour": "stored"})
    Traceback (most recent call last):
    TypeError: open_image() got an unexpected keyword argument 'colour'; is it 'color'?
    """
    for name in keywords:
        if name not in OPTION_NAMES:
            raise TypeError(_unknown(opener, name, (*OPTION_NAMES, *others)))
    options = OpenOptions(**keywords)
    for name, words in _WORDS.items():
        if getattr(options, name) not in words:
            check_choice(name, getattr(options, name), _CHOICES[name])
    for name in _NUMBERS:
        if not isinstance(getattr(options, name), int):
            kind = type(getattr(options, name)).__name__
            raise TypeError(f"{name} must be a number of bytes, not {kind}")
    _check_overruling(options)
    if options.uses_index and (options.overrules or not options.keeps_declared):
        message = "An index holds the frames that a file declares, and is of a file"
        raise ValueError(message)
    return options


def _check_overruling(options: OpenOptions) -> None:
    """Refuse words that mean nothing, before any file is read."""
    if options.transfer_syntax is not None and options.given is None:
        raise ValueError(
            f"transfer_syntax must be the UID of a known one, not {options.transfer_syntax!r}"
        )
    color = options.photometric_interpretation
    if color is not None and not is_term("photometric_interpretation", color):
        raise ValueError(
            f"photometric_interpretation must be a term of the standard, not {color!r}"
        )


def check_choice(name: str, value: object, choices: object) -> None:
    """Refuse a slip of the pen: it would quietly mean another choice.

    Raises
    ------
    ValueError
        If `value` is none of the words of a `Literal`.
    """
    if value not in get_args(choices):
        expected = " or ".join(map(repr, get_args(choices)))
        raise ValueError(f"{name} must be {expected}, not {value!r}")


def _unknown(opener: str, name: str, known: Iterable[str]) -> str:
    from difflib import get_close_matches  # deferred: only a slip needs it

    close = get_close_matches(name, known, n=1)
    hint = f"; is it {close[0]!r}?" if close else ""
    return f"{opener}() got an unexpected keyword argument {name!r}{hint}"


def open_instance(
    load_header: Callable[[], Header], options: OpenOptions
) -> DicomImage:
    """Read a header and index the frames behind it.

    Raises
    ------
    LazyDicomError
        As `lazydicom.open_image` says.
    """
    header = load_header()
    if options.photometric_interpretation is not None:
        header = replace(header, image_pixel=options.overruled(header.image_pixel))
    pixel, syntax = header.image_pixel, header.transfer_syntax
    format_ = options.frame_format(pixel, syntax, swapped_pairs=_swapped_pairs(header))
    _check_size(header, options.max_frame_bytes)
    reader, format_ = _frame_reader(header, format_, options)
    if len(reader) > MAX_PLACES:  # a grid takes 8 bytes for each
        message = f"Expected at most {MAX_PLACES} frames, found {len(reader)}"
        raise LimitError(message, url=header.url, offset=header.pixel_data.start)
    image = DicomImage(reader, format_, load_header, options.frame_cache())
    vars(image)["header"] = header  # read already; it does not travel
    return image


def _check_size(header: Header, max_frame_bytes: int) -> None:
    """Refuse frames that would take more memory than allowed, before any is asked for."""
    nbytes = header.image_pixel.frame_nbytes
    if nbytes > max_frame_bytes:
        error = too_large(nbytes, max_frame_bytes)
        error.tag = IMAGE_PIXEL_TAGS["rows"][0]
        raise error.locate(url=header.url, offset=header.pixel_data.start)


def _swapped_pairs(header: Header) -> bool:
    """Return whether pixels are smaller than the words they are written in (PS3.5 annex A.3).

    A `Dataset` made in memory says "OB or OW": its bytes are still in their own order.
    """
    big = header.transfer_syntax.native and not header.transfer_syntax.little_endian
    words = header.pixel_data.vr == "OW"
    pixel = header.image_pixel
    return big and words and (pixel.packed or pixel.bits_allocated == 8)


def _frame_reader(
    header: Header, format_: FrameFormat, options: OpenOptions
) -> tuple[FrameReader, FrameFormat]:
    """Return the reader of the frames, and their format: native ones may be padded."""
    if header.transfer_syntax.native:
        reader = open_native(
            header,
            swapped_pairs=format_.swapped_pairs,
            lends=options.lends,
            tolerance=options.tolerance,
        )
        if format_.pixel.samples_per_pixel > 1:
            check_color(format_, url=header.url, offset=header.pixel_data.start)
        return reader, with_padding(format_, reader.index)
    open_frames = partial_reader.open_encapsulated
    frames = open_frames(header, options.tolerance, partial=options.keeps_declared)
    return frames, format_


def stack_frames(
    image: DicomImage, attributes: Mapping[str, object] | None = None
) -> DicomArray:
    """Stack the frames of one instance along the axis ``frame``.

    Technical attributes that are known already need no header.
    """
    if attributes is None:
        attributes = technical_attributes(image.header.elements, url=image.url)
        attributes |= _overruled(image, attributes)
    attrs, pixel = dict(attributes), image.format.pixel
    if pixel.samples_per_pixel > 1 and image.format.converts_to_rgb:
        attrs["photometric_interpretation"] = "RGB"
    dims = ("frame", "y", "x", "sample")[: 1 + len(pixel.frame_shape)]
    frames = FrameTableLoader((image,), _tabulate)
    grid = stack_grid(len(image))
    return DicomArray((image,), grid, dims, attrs=attrs, load_frames=frames)


def _tabulate(images: tuple[DicomImage, ...]) -> "FrameTable":
    """Read the attributes of frames, when somebody asks; it pickles by its name."""
    return frame_table.tabulate_images(images)


def _overruled(
    image: DicomImage, attributes: Mapping[str, object]
) -> dict[str, object]:
    """Return what the caller said against the file, and what the file declares."""
    names: dict[str, object] = {}
    if image.format.photometric_given:
        name = "photometric_interpretation"
        names[f"declared_{name}"] = attributes.get(name, "")
        names[name] = image.format.pixel.photometric_interpretation
    if declared := image.header.meta.declared:
        names["declared_transfer_syntax"] = declared
        names["transfer_syntax"] = image.format.transfer_syntax.uid
    return names
