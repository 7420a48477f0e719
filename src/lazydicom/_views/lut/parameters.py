"""What the headers of an array say about its LUTs, for each frame."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from lazydicom._array.computed import FrameArray
from lazydicom._array.grid import HOLE, Tiles
from lazydicom._array.image import DicomImage
from lazydicom._header import tags
from lazydicom._header.attributes import FRAME_ATTRIBUTES, TEXT
from lazydicom._header.dataset import read_sequence
from lazydicom._header.header import Header
from lazydicom._header.image_pixel import ImagePixel
from lazydicom._header.pydicom import only_ours
from lazydicom._views.lut.kernels import LookupTable, expand_segments
from lazydicom.errors import InvalidDicomError, UnsupportedError

if TYPE_CHECKING:
    from pydicom import Dataset

_T = TypeVar("_T")

_ALPHA: Final = 3
_WIDTHS: Final = range(8, 17)
"""Bits of an entry that the standard knows (PS3.3 C.11.1.1.1); writers say 0 and 32, too."""


def frame_columns(
    array: FrameArray, *names: str, strict: bool = True
) -> tuple[NDArray[Any], ...]:
    """Return attributes of each row of the table of an array: (frames, values), or text.

    Raises
    ------
    InvalidDicomError
        If one is no number where it should be, and the caller is `strict`.
    """
    table = array.frames
    numbers = table.computable if strict else table.numbers
    return tuple(
        table.text(name) if FRAME_ATTRIBUTES[name].vr in TEXT else numbers(name)
        for name in names
    )


def on_grid(column: NDArray[Any], array: FrameArray) -> NDArray[Any]:
    """Spread a number per frame over the axes; one without axes where all are equal.

    Raises
    ------
    UnsupportedError
        If numbers differ among the tiles of a plane.
    """
    rows = array.frames.rows_of(array.grid.numbers)
    tiled = isinstance(array.grid.layout, Tiles)
    there = column[rows[rows != HOLE]]
    if tiled and not there.size:  # what holds for all tiles holds for holes among them
        there = column
    if there.size and np.array_equal(
        there, np.full_like(there, there[0]), equal_nan=True
    ):
        return np.asarray(there[0])
    nothing = np.nan if column.dtype.kind == "f" else 0
    if tiled and (rows == HOLE).all():
        return np.asarray(nothing, column.dtype)
    if tiled:
        message = "Tiles of one plane that differ in a LUT or a scale"
        raise UnsupportedError(message, url=array.images[0].url)
    spread = np.append(column, column.dtype.type(nothing))[rows]  # a hole is the last
    return spread.reshape(*rows.shape, *(1 for _ in array.frame_shape))


def rescale_columns(
    array: FrameArray,
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Return slope and intercept of each frame, ``None`` where no file rescales."""
    return complete_rescale(*frame_columns(array, "rescale_slope", "rescale_intercept"))


def complete_rescale(
    slopes: NDArray[np.float64], intercepts: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Let a frame without slope or intercept stay as it is; ``None`` where all are."""
    slope, intercept = slopes[:, 0], intercepts[:, 0]
    known = ~np.isnan(slope) & ~np.isnan(intercept)
    if not known.any():
        return None
    return np.where(known, slope, 1.0), np.where(known, intercept, 0.0)


def tables_of(
    array: FrameArray, tables: Sequence[_T | None], name: str
) -> tuple[tuple[_T, ...], NDArray[Any]] | None:
    """Return the tables of the images of an array, and which one each frame has.

    Raises
    ------
    UnsupportedError
        If only some images have one.
    """
    present = tuple(table for table in tables if table is not None)
    if not present:
        return None
    images = array.frames.images
    if len(present) < len(tables):
        url = images[[table is None for table in tables].index(True)].url
        raise UnsupportedError(f"Only some instances have a {name}, not this", url=url)
    which = array.frames.image
    return present, on_grid(which, array) if len(present) > 1 else np.asarray(0)


def modality_tables(array: FrameArray) -> list[LookupTable | None]:
    """Return the Modality LUT of each image; headers are read where there is one."""
    table = array.frames
    holds = table.instances["has_modality_lut"][:, 0].astype(bool).tolist()
    return [
        modality_table(image) if held else None
        for image, held in zip(table.images, holds, strict=True)
    ]


def modality_table(image: DicomImage) -> LookupTable | None:
    """Read the Modality LUT at the top level of an image."""
    return _sequence_table(
        image, tags.MODALITY_LUT_SEQUENCE, 0, stored_range(image.format.pixel)
    )


def voi_tables(array: FrameArray, number: int) -> list[LookupTable | None]:
    """Return a VOI LUT of each image; headers are read where there is one."""
    table = array.frames
    holds = table.instances["has_voi_lut"][:, 0].astype(bool)
    if not holds.any():
        return [None] * len(table.images)
    ends = np.stack(output_ranges(array))
    voi: list[LookupTable | None] = []
    for row, image in enumerate(table.images):
        own = ends[:, table.image == row]
        inputs = float(own.min()), float(own.max())
        sequence = tags.VOI_LUT_SEQUENCE
        voi.append(
            _sequence_table(image, sequence, number, inputs) if holds[row] else None
        )
    return voi


def output_ranges(
    array: FrameArray,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return what the modality makes of the least and the greatest value of each frame."""
    table = array.frames
    pairs = zip(table.images, modality_tables(array), strict=True)
    ranges = np.array([_modality_range(*pair) for pair in pairs], np.float64)
    low, high = ranges[table.image].T
    columns = rescale_columns(array)
    if columns is None:
        return low, high
    slope, intercept = columns
    return low * slope + intercept, high * slope + intercept


def _modality_range(image: DicomImage, table: LookupTable | None) -> tuple[int, int]:
    if table is None:
        return stored_range(image.format.pixel)
    return 0, int(np.iinfo(table.entries.dtype).max)


def _sequence_table(
    image: DicomImage, tag: int, number: int, inputs: tuple[float, float]
) -> LookupTable | None:
    """Read an item of a LUT sequence; ``None`` where there is no sequence.

    `inputs` is the range of what goes into it.

    Raises
    ------
    InvalidDicomError
        If there are fewer items, or the entries are not as many as declared.
    """
    header = image.header
    items = read_sequence(header, tag)
    if not items:
        return None
    if number >= len(items):
        message = f"Expected LUT {number}, found {len(items)}"
        raise InvalidDicomError(message, url=image.url, tag=tag)
    little = header.meta.framing.little_endian
    descriptor = _item_bytes(items[number], tags.LUT_DESCRIPTOR, image)
    if len(descriptor) != 6:
        message = f"Expected a descriptor of 6 bytes, found {len(descriptor)}"
        raise InvalidDicomError(message, url=image.url, tag=tags.LUT_DESCRIPTOR)
    words = np.frombuffer(descriptor, np.uint16 if little else ">u2")
    data = _item_bytes(items[number], tags.LUT_DATA, image)
    vr = items[number].get_item(tags.LUT_DESCRIPTOR).VR
    count, first = int(words[0]) or 0x10000, _first(int(words[1]), vr, inputs)
    entries = _entries(data, count, header)
    if _bits_of_entries(int(words[2]), entries[:count]) <= 8:
        if (entries > 0xFF).any():
            message = f"Expected entries of {words[2]} bits, found {entries.max()}"
            raise InvalidDicomError(message, url=image.url, tag=tags.LUT_DATA)
        entries = entries.astype(np.uint8)
    return LookupTable(first, _checked(entries, count, header, tag))


def _bits_of_entries(declared: int, entries: NDArray[Any]) -> int:
    """Return the bits of an entry: as declared, else as many as the entries need."""
    if declared in _WIDTHS:
        return declared
    return 8 if entries.max(initial=0) <= 0xFF else 16


def stored_range(pixel: ImagePixel) -> tuple[int, int]:
    """Return the least and the greatest value that Bits Stored allow."""
    span = 2**pixel.bits_stored
    lowest = -span // 2 if pixel.pixel_representation else 0
    return lowest, lowest + span - 1


def _first(word: int, vr: str | None, inputs: tuple[float, float]) -> int:
    """Read the first value mapped, which is signed where the inputs are (PS3.3 C.11.2.1.1).

    An explicit VR says so itself, but some writers say US where it cannot be.

    >>> _first(0xFC00, "SS", (-1024, 3071)), _first(0xFC00, "US", (-1024, 64511))
    (-1024, -1024)
    >>> _first(40000, "US", (-1024, 64511))
    40000
    """
    lowest, highest = inputs
    signed = vr == "SS" or (lowest < 0 and (vr != "US" or word > highest))
    return word - 0x10000 if signed and word >= 0x8000 else word


def _item_bytes(item: "Dataset", tag: int, image: DicomImage) -> bytes:
    """Return the bytes of an element as they stand in the file."""
    if tag not in item:
        raise InvalidDicomError("A LUT lacks an element", url=image.url, tag=tag)
    with only_ours("pydicom cannot parse a LUT", url=image.url, tag=tag):
        value: Any = item.get_item(tag).value
    if isinstance(value, bytes):
        return value
    order = "<u2" if image.header.meta.framing.little_endian else ">u2"
    try:
        words = np.atleast_1d(np.asarray(value, np.int64)) & 0xFFFF
    except (TypeError, ValueError, OverflowError) as error:
        message = "Expected numbers in a LUT"
        raise InvalidDicomError(message, url=image.url, tag=tag) from error
    return words.astype(order).tobytes()


def palette_of(image: DicomImage) -> LookupTable | None:
    """Read the palette at the top level, segmented or not, with its alpha.

    Raises
    ------
    InvalidDicomError
        If colours have not as many entries as declared.
    UnsupportedError
        If it is a Supplemental Palette (PS3.3 C.7.6.19): values in it stay gray.
    """
    header = image.header
    get = header.elements.get
    descriptor = [
        int(one) for one in get(tags.RED_PALETTE_COLOR_LOOKUP_TABLE_DESCRIPTOR, "US")
    ]
    if len(descriptor) != 3:
        return None
    if set(get(tags.PIXEL_PRESENTATION, "CS")) & {"MIXED", "COLOR"}:
        raise UnsupportedError("A Supplemental Palette is not applied", url=image.url)
    count = descriptor[0] % 0x10000 or 0x10000
    first = _first(descriptor[1] % 0x10000, None, stored_range(image.format.pixel))
    colors = [
        _checked(
            _color(header, color, count, descriptor[2]),
            count,
            header,
            tags.RED_PALETTE_COLOR_LOOKUP_TABLE_DATA,
        )
        for color in range(4)
        if color != _ALPHA
        or header.elements.read(tags.RED_PALETTE_COLOR_LOOKUP_TABLE_DATA + color)
        or header.elements.read(
            tags.SEGMENTED_RED_PALETTE_COLOR_LOOKUP_TABLE_DATA + color
        )
    ]
    return LookupTable(first, np.stack(colors, axis=-1))


def _color(header: Header, color: int, count: int, bits: int) -> NDArray[Any]:
    data = header.elements.read(tags.RED_PALETTE_COLOR_LOOKUP_TABLE_DATA + color)
    if data:
        return _entries(data, count, header)
    segments = header.elements.read(
        tags.SEGMENTED_RED_PALETTE_COLOR_LOOKUP_TABLE_DATA + color
    )
    if not segments:
        tag = tags.RED_PALETTE_COLOR_LOOKUP_TABLE_DATA + color
        raise InvalidDicomError("A palette lacks a colour", url=header.url, tag=tag)
    words = _words(segments, header)
    try:
        return expand_segments(words if bits > 8 else words.view(np.uint8))
    except InvalidDicomError as error:
        tag = tags.SEGMENTED_RED_PALETTE_COLOR_LOOKUP_TABLE_DATA + color
        raise InvalidDicomError(error.message, url=header.url, tag=tag) from None


def _entries(data: bytes, count: int, header: Header) -> NDArray[Any]:
    """Take entries of one or two bytes, as many as are declared."""
    words = _words(data, header)
    return words if len(words) >= count else words.view(np.uint8)


def _words(data: bytes, header: Header) -> NDArray[np.uint16]:
    """Take 16-bit words, whatever the byte order; their bytes then are little endian."""
    little = header.meta.framing.little_endian
    padded = data + b"\0" * (len(data) % 2)
    return np.frombuffer(padded, "<u2" if little else ">u2").astype("<u2")


def _checked(
    entries: NDArray[Any], count: int, header: Header, tag: int
) -> NDArray[Any]:
    if len(entries) < count:
        message = f"Expected a LUT of {count} entries, found {len(entries)}"
        raise InvalidDicomError(message, url=header.url, tag=tag)
    return entries[:count]
