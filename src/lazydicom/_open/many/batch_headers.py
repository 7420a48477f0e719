"""Opening files whose headers are framed like that of a first one, all at once.

The files of a classic series have the same elements with other values. So the walk through
the first header is taken through all others together; one that differs anywhere, in a tag, in
the Image Pixel module or in what follows the pixels, is opened by itself.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lazydicom._arrange.uih_grid import GRID
from lazydicom._array.image import DicomImage
from lazydicom._bytes.local.source import LocalSource
from lazydicom._bytes.open import (
    Fetched,
    File,
    is_fetched,
    is_plain_source,
    read_head,
)
from lazydicom._bytes.quick_dataclass import dataclass
from lazydicom._bytes.source import (
    ByteRange,
    ByteSource,
    MemorySource,
    open_lookahead,
)
from lazydicom._frames.index import FrameIndex, NativeReader, native_reader
from lazydicom._header import tags
from lazydicom._header.attributes import (
    FRAME_ATTRIBUTES,
    INSTANCE_SEQUENCES,
)
from lazydicom._header.columns.column import (
    Columns,
    lookaheads,
    read_column,
    unreadable,
    with_shared,
)
from lazydicom._header.columns.instances import INSTANCE_ATTRIBUTES
from lazydicom._header.columns.layout import (
    HEADER_ROOM,
    Layout,
    Places,
    follow_layout,
    learn_elements,
    wanted_tree,
)
from lazydicom._header.columns.vendors import VENDOR_ELEMENTS
from lazydicom._header.elements import (
    FileElements,
    creator_tags,
    has_functional_groups,
    image_pixel_attributes,
    private_tags,
)
from lazydicom._header.header import Header, read_header
from lazydicom._header.image_pixel import IMAGE_PIXEL_TAGS, oddities
from lazydicom._header.values import reads_alike
from lazydicom._header.walker import Framing

_LONGEST_HEADER: Final = 1 << 16
_SLACK: Final = 1 << 10
"""Values may be longer than those of the first file."""
_AT_ONCE: Final = 256
_BATCH_BYTES: Final = 1 << 21
"""2 MiB: so many short headers are decoded at once, column by column."""
_PREFIX: Final = b"DICM"
_PREFIX_AT: Final = 128
_META_AT: Final = 132
_FRAMES: Final = {
    name: (*one.classic, one.width)
    for name, one in FRAME_ATTRIBUTES.items()
    if one.classic is not None
}
_INSTANCES: Final = {name: (*one, 1) for name, one in INSTANCE_ATTRIBUTES.items()}
_SAME: Final = (
    tags.TRANSFER_SYNTAX_UID,
    *(tag for tag, _ in IMAGE_PIXEL_TAGS.values()),
    tags.MANUFACTURER,
)
"""Elements that must have the same bytes as in the first file."""


class HeaderBatch(NamedTuple):
    """Images of files like the first, and a row of columns for each."""

    images: list[DicomImage]
    frames: Columns
    instances: Columns
    which: list[int]
    """Which of the files they are."""


class _First(NamedTuple):
    """The file that the others are held against."""

    image: DicomImage
    layout: Layout
    numbers: dict[int, int]
    """Number of each wanted element, by tag."""
    instances: Mapping[str, tuple[int, str, int]]
    """Columns of instances, those of vendors as far as the file has them."""
    same: list[tuple[int, bytes]]
    """Wanted elements that must not differ: number and value."""
    pixel_length: int
    room: int
    """Bytes to read of each file."""


class _Heads(NamedTuple):
    """The first bytes of some files, one row each."""

    data: NDArray[np.uint8]
    width: int
    """Bytes of a row, `HEADER_ROOM` included."""
    sources: list[ByteSource | None]
    """``None`` where a file could not be read."""


@dataclass(frozen=True, slots=True, eq=False)
class HeaderOf:
    """Reads the header of a file where somebody asks: 48 bytes of each of 100,000 files."""

    source: ByteSource

    def __call__(self) -> Header:
        """Return the header."""
        return read_header(self.source)


def open_batches(
    first: DicomImage, files: Sequence[File | Fetched], *, head: bytes = b""
) -> Iterator[HeaderBatch]:
    """Open those files that are framed like the first one, some at a time.

    None is, unless the first is simple: one native frame at the end of a file, with a
    preamble and a File Meta group, and nothing odd.

    Parameters
    ----------
    first : DicomImage
        The file that the others are held against.
    files : sequence
        Local files, and distant ones whose first bytes were fetched.
    head : bytes
        The first bytes of the first one, where it is distant.

    Raises
    ------
    ValueError
        If a value is no number; the file by itself tells where.
    """
    reference = _learn(first, head) if _is_simple(first, head) else None
    if reference is None:
        return
    step = max(_AT_ONCE, _BATCH_BYTES // reference.room)
    for start in range(0, len(files), step):
        heads = _read_heads(files[start : start + step], reference.room)
        good, places = _follow(reference, heads)
        rows = np.flatnonzero(good)
        if len(rows):
            yield _open_rows(reference, heads, places, rows, start)


def _is_simple(image: DicomImage, head: bytes) -> bool:
    header, reader = image.header, native_reader(image.reader)
    if reader is None or not is_plain_source(reader.source):
        return False
    if is_fetched(reader.source) and len(head) < header.pixel_data.offset:
        return False
    syntax, meta, pixels = header.transfer_syntax, header.meta, header.pixel_data
    declared = Framing(syntax.little_endian, syntax.implicit_vr)
    attributes = image_pixel_attributes(header.elements)
    needed = (header.image_pixel.frame_bits + 7) // 8
    return (
        syntax.native
        and header.source is reader.source
        and len(image) == 1
        and not has_functional_groups(header.elements)
        and (meta.meta_start, meta.framing) == (_META_AT, declared)
        and meta.start > _META_AT
        and pixels.start < _LONGEST_HEADER
        and pixels.length == needed + needed % 2
        and pixels.offset + pixels.length == reader.source.size()
        and not image.format.swapped_pairs
        and not oddities(attributes, header.image_pixel)
        and isinstance(header.elements, FileElements)
        and not header.elements.repeated
    )


def _learn(image: DicomImage, head: bytes) -> _First | None:
    """Learn the layout of a header, ``None`` if an element stands in it twice."""
    header = image.header
    instances = _INSTANCES | {
        name: (tag, VENDOR_ELEMENTS[name].vr, VENDOR_ELEMENTS[name].width)
        for name, tag in private_tags(header.elements, VENDOR_ELEMENTS).items()
    }
    vrs = {tag: vr for tag, vr, _ in (*_FRAMES.values(), *instances.values())}
    fixed = (*_SAME, *creator_tags(header.elements, VENDOR_ELEMENTS))
    in_order = [*sorted({*vrs, *fixed}), header.pixel_data.tag]
    start, stop = header.meta.start, header.pixel_data.start
    sections = [(_META_AT, start, Framing()), (start, stop, header.meta.framing)]
    tree = wanted_tree((tag,) for tag in in_order)
    near = MemorySource(head) if head else header.source
    with open_lookahead(near) as lookahead:
        layout = learn_elements(lookahead, sections, tree)
    numbers = {tag: number for number, tag in enumerate(in_order)}
    length = header.pixel_data.length
    alone = _First(image, layout, numbers, instances, [], length, stop + _SLACK)
    heads = _head_of(near, header.source, alone.room)
    good, places = _follow(alone, heads)
    offsets, lengths = places.offsets[:, 0].tolist(), places.lengths[:, 0].tolist()
    for tag, number in numbers.items():
        element = header.elements.find(tag)  # type: ignore[attr-defined]
        if element is None:
            continue
        alike = reads_alike(vrs.get(tag, element.vr), element.vr)
        if not alike or element.offset != offsets[number]:
            return None
    if not good[0]:
        return None
    values = (
        (numbers[tag], offsets[numbers[tag]], lengths[numbers[tag]]) for tag in fixed
    )
    same = [(n, heads.data[at : at + length].tobytes()) for n, at, length in values]
    return alone._replace(same=same)


def _read_heads(files: Sequence[File | Fetched], room: int) -> _Heads:
    """Read all at once into rows of one memory."""
    reads = (partial(read_head, file) for file in files)
    return _fill_heads(reads, len(files), room)


def _head_of(near: ByteSource, source: ByteSource, room: int) -> _Heads:
    """Read the one file that is open already, where its first bytes are near."""

    def read(out: memoryview) -> ByteSource:
        length = min(out.nbytes, near.size())
        out[:length] = near.read(ByteRange(0, length))
        return source

    return _fill_heads([read], 1, room)


def _fill_heads(
    reads: Iterable[Callable[[memoryview], ByteSource | None]], count: int, room: int
) -> _Heads:
    width = room + HEADER_ROOM
    memory = bytearray(count * width)
    view = memoryview(memory)
    sources = [
        read(view[row * width : row * width + room]) for row, read in enumerate(reads)
    ]
    return _Heads(np.frombuffer(memory, np.uint8), width, sources)


def _follow(first: _First, heads: _Heads) -> tuple[NDArray[np.bool_], Places]:
    """Return which files are framed like the first, and where their values lie."""
    data, width, sources = heads
    rows = np.arange(len(sources)) * width
    starts, ends = rows + _META_AT, rows + first.room
    good, places, _ = follow_layout(
        first.layout, data, starts, ends, len(first.numbers)
    )
    sizes = np.array([-1 if one is None else one.size() for one in sources])
    pixels = places.offsets[-1] - rows
    good &= places.lengths[-1] == first.pixel_length
    good &= pixels + first.pixel_length == sizes
    good &= _equal(data, rows + _PREFIX_AT, _PREFIX)
    for number, value in first.same:
        good &= places.lengths[number] == len(value)
        good &= _equal(data, places.offsets[number], value)
    return good, places


def _equal(
    data: NDArray[np.uint8], offsets: NDArray[np.int64], value: bytes
) -> NDArray[np.bool_]:
    if not value:
        return np.ones(len(offsets), np.bool_)
    every = lookaheads(data, len(value))
    stretches = every[np.minimum(offsets, len(every) - 1)]
    equal: NDArray[np.bool_] = (stretches == np.frombuffer(value, np.uint8)).all(axis=1)
    return equal


def _open_rows(
    first: _First, heads: _Heads, places: Places, rows: NDArray[np.int64], start: int
) -> HeaderBatch:
    frames = _columns(first, heads, places, rows, _FRAMES)
    if "frame_type" in frames:
        words = frames["frame_type"]
        plain = (np.char.find(words, "MOSAIC") < 0) & (np.char.find(words, GRID) < 0)
        if not plain.all():
            return _open_rows(first, heads, places, rows[plain], start)
    instances = _columns(first, heads, places, rows, first.instances)
    for name, tag in INSTANCE_SEQUENCES.items():  # the same in all, as any element is
        holds = float(first.image.header.elements.holds(tag))
        instances[name] = np.full((len(rows), 1), holds)
    images = list(_images(first, heads, places, rows))
    which = (rows + start).tolist()
    return HeaderBatch(images, with_shared(frames), with_shared(instances), which)


def _columns(
    first: _First,
    heads: _Heads,
    places: Places,
    rows: NDArray[np.int64],
    wanted: Mapping[str, tuple[int, str, int]],
) -> Columns:
    """Decode the wanted values; an attribute of frames that none has is left out."""
    little_endian = first.image.header.meta.framing.little_endian
    columns: Columns = {}
    for name, (tag, vr, width) in wanted.items():
        number = first.numbers[tag]
        offsets, lengths = places.offsets[number, rows], places.lengths[number, rows]
        if wanted is _FRAMES and not lengths.any():
            continue
        columns[name] = read_column(
            heads.data,
            offsets,
            lengths,
            vr=vr,
            width=width,
            little_endian=little_endian,
        )
        if unreadable(columns[name]):
            raise ValueError(name)
    return columns


def _images(
    first: _First, heads: _Heads, places: Places, rows: NDArray[np.int64]
) -> Iterator[DicomImage]:
    """Make the images; their headers are read where somebody asks for them."""
    native = native_reader(first.image.reader)
    assert native is not None, "a first file is simple"
    stride = native.index.stride
    assert stride is not None, "native"
    offsets = places.offsets[-1, rows] - rows * heads.width
    starts = offsets.tolist()
    indexes = {  # pixels begin at the same byte of most files: each place is kept once
        start: FrameIndex(1, "native", stride._replace(start=start))
        for start in set(starts)
    }
    for start, row in zip(starts, rows.tolist(), strict=True):
        source = heads.sources[row]
        assert source is not None, "it was read"
        if not isinstance(source, LocalSource) and is_fetched(source):
            source.keep_head(start)
        reader = NativeReader(source, indexes[start])
        yield DicomImage(reader, first.image.format, HeaderOf(source))
