"""What is kept of an opened instance, so that opening it again reads none of it.

The place of every frame, the Image Pixel module and the technical attributes: no header,
no name, no UID of a patient, not even the path, of which only a hash is kept.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from typing import Any, Final, get_type_hints

import numpy as np
from numpy.typing import NDArray

from lazydicom._bytes.containers.inflate import InflatedSource
from lazydicom._bytes.ends import Ends, compare_ends, read_ends
from lazydicom._bytes.location import ANY, Node, is_here, is_of_content
from lazydicom._bytes.quick_dataclass import dataclass
from lazydicom._bytes.source import ByteSource
from lazydicom._decode.format import FrameFormat
from lazydicom._frames.encapsulated import EncapsulatedIndex
from lazydicom._frames.fragment_reader import FragmentReader
from lazydicom._frames.fragments import FragmentArea
from lazydicom._frames.index import (
    FrameIndex,
    FrameReader,
    NativeReader,
    NativeStride,
    index_edges,
    index_native,
)
from lazydicom._frames.reader import fragment_reader, frame_index
from lazydicom._header.header import Header
from lazydicom._header.image_pixel import PIXEL_TAGS, ImagePixel, make_image_pixel
from lazydicom._header.transfer_syntax import TRANSFER_SYNTAXES, TransferSyntax
from lazydicom.errors import SourceChangedError, SourceError, redact_url

_ORIGINS: Final = ("native", "basic", "extended", "tiff", "scanned")
_KINDS: Final = {
    "name": str,
    "size": int,
    "version": list,
    "ends": list,
    "transfer_syntax": str,
    "pixel": dict,
    "swapped_pairs": bool,
    "attributes": dict,
    "start": int,
    "proven": bool,
    "warnings": list,
    "frames": int,
    "origin": str,
    "first": int,
}
"""What the values of a record are, besides those that may be ``null``."""
_MOST_FRAMES: Final = 1 << 31
"""An IS holds no more."""
_LEAST_FRAME: Final = 8
"""The header of one fragment."""
_WIDTHS: Final = (1, 2, 4, 8)
_MOST_BYTES: Final = (1 << 63) - 1
"""Nobody knows how long an inflated data set is before it is read."""


@dataclass(frozen=True, slots=True, eq=False)
class IndexRecord:
    """One instance, as it was when it was indexed."""

    name: str
    """Hash of its URL; see `hash_name`."""
    size: int
    """Length of the file in bytes."""
    version: tuple[int | str, ...]
    """What tells the file from the one that replaces it: size, etag or mtime."""
    node: Node | None
    """Of a local file, on the machine where it was indexed."""
    ends: Ends
    """Bytes at both ends of Pixel Data, which a copy of other pixels does not have."""
    pixel: ImagePixel
    transfer_syntax: TransferSyntax
    swapped_pairs: bool
    attributes: Mapping[str, Any]
    """The technical ones."""
    start: int
    """First byte of the data set; of a deflated file, of the deflate stream."""
    index: FrameIndex
    items: FragmentArea | None
    """Where encapsulated frames lie."""
    proven: bool
    """Whether all items were looked at."""
    warnings: list[str]
    """What opening said."""


def save_instance(
    header: Header,
    format_: FrameFormat,
    reader: FrameReader,
    source: ByteSource,
    *,
    attributes: Mapping[str, Any],
    warnings: list[str],
) -> IndexRecord:
    """Keep what was found about an instance; frames not found yet are looked for now.

    Raises
    ------
    SourceError
        If nothing tells this version of the file from another.
    """
    index, fragments = frame_index(reader), fragment_reader(reader)
    assert index is not None, "of a file"
    assert reader.source is not None, "of a file"
    pixel_data = index.span(0).offset, index.span(len(index) - 1).stop
    return IndexRecord(
        name=hash_name(source.url),
        size=source.size(),
        version=version_of(source),
        node=_node_of(source),
        ends=read_ends(reader.source, *pixel_data),
        pixel=header.image_pixel,
        transfer_syntax=header.transfer_syntax,
        swapped_pairs=format_.swapped_pairs,
        attributes=attributes,
        start=header.meta.start,
        index=index,
        items=None if fragments is None else fragments.area,
        proven=fragments is None or fragments.proven,
        warnings=warnings,
    )


def hash_name(url: str) -> str:
    """Hash a URL: paths may name a patient, queries hold secrets."""
    from hashlib import blake2b  # deferred: OpenSSL costs 5 ms of import

    return blake2b(url.encode(errors="surrogateescape"), digest_size=16).hexdigest()


def has_version(source: ByteSource) -> bool:
    """Return whether anything changes when the file does, besides its size."""
    return "" not in _positions(source)


def _positions(source: ByteSource) -> Iterator[int | str]:
    """Yield what tells versions apart wherever the file is, and places in it."""
    version = source.version
    yield from (version.size, version.tag, *version.part)


def version_of(source: ByteSource) -> tuple[int | str, ...]:
    """Return what only this version of a file has.

    Raises
    ------
    SourceError
        If the server says nothing that changes with the file.
    """
    known = list(_positions(source))
    if not has_version(source):
        message = "The server tells neither an etag nor a date: an index could go stale"
        raise SourceError(message, url=source.url)
    return tuple(redact_url(one) if isinstance(one, str) else one for one in known)


def check_version(saved: IndexRecord, source: ByteSource, *, index_name: str) -> None:
    """Raise `SourceChangedError` unless the file is the one that was indexed."""
    now, node = version_of(source), _node_of(source)
    same = len(now) == len(saved.version)
    same = same and all(map(_is_equal, now, saved.version))
    if saved.node and node and saved.node.machine == node.machine:
        same = same and node == saved.node
    if not same:
        message = (
            f"The file changed since {redact_url(index_name)} was written: "
            f"{saved.size} bytes then, {source.size()} bytes now"
        )
        raise SourceChangedError(message, url=source.url)


def _is_equal(now: int | str, then: int | str) -> bool:
    """Return whether it is the same; a caller may compare sizes alone."""
    return now in {ANY, then}


def _node_of(source: ByteSource) -> Node | None:
    """Return what this machine knows of a local file, with a hash of the machine's name."""
    node = source.version.node
    if node is None or not is_here(node):
        return None
    return node._replace(machine=hash_name(node.machine))


def saved_reader(saved: IndexRecord, source: ByteSource, *, lends: bool) -> FrameReader:
    """Read frames where they were found; nothing is looked up again.

    Where neither inode nor entity tag tell that the file is the one that was indexed, its
    bytes do, when the first of them are read.
    """
    version = source.version
    proven = saved.node is not None and saved.node == _node_of(source)
    if saved.transfer_syntax.deflated:
        source = InflatedSource(source, saved.start)
    if not is_of_content(version):
        source = compare_ends(source, saved.ends, proven=proven)
    if saved.items is None:
        return NativeReader(source, saved.index, lends=lends)
    places = EncapsulatedIndex(saved.index, saved.items, proven=saved.proven)
    return FragmentReader(source, places)


def to_record(saved: IndexRecord) -> tuple[dict[str, Any], bytes]:
    """Return an instance as plain values, and the lengths of frames that no stride tells."""
    index = saved.index
    record: dict[str, Any] = {
        "name": saved.name,
        "size": saved.size,
        "version": list(saved.version),
        "node": None if saved.node is None else list(saved.node),
        "ends": list(saved.ends),
        "transfer_syntax": saved.transfer_syntax.uid,
        "pixel": asdict(saved.pixel),
        "swapped_pairs": saved.swapped_pairs,
        "attributes": dict(saved.attributes),
        "start": saved.start,
        "items": None if saved.items is None else asdict(saved.items),
        "proven": saved.proven,
        "warnings": saved.warnings,
        "frames": len(index),
        "origin": index.origin,
        "stride": None if index.stride is None else list(index.stride),
        "first": index.span(0).offset,
    }
    return record, b"" if index.stride is not None else _narrow(index.lengths)


def from_record(
    record: Mapping[str, Any], read_lengths: Callable[[int], bytes]
) -> IndexRecord:
    """Read an instance back; whatever does not fit is an error of its own kind.

    Parameters
    ----------
    record : mapping
        Plain values.
    read_lengths : callable
        Returns the lengths of frames, of so many bytes at most.

    Raises
    ------
    KeyError, TypeError, ValueError
        If the record is none, or contradicts itself.
    """
    _check_kinds(record, _KINDS)
    syntax = TRANSFER_SYNTAXES[record["transfer_syntax"]]
    saved = IndexRecord(
        name=record["name"],
        size=record["size"],
        version=_version(record["version"]),
        node=None if record["node"] is None else _node(record["node"]),
        ends=_ends(record["ends"]),
        pixel=_pixel(record["pixel"]),
        transfer_syntax=syntax,
        swapped_pairs=record["swapped_pairs"],
        attributes=record["attributes"],
        start=record["start"],
        index=_index(record, read_lengths),
        items=_items(record["items"], syntax),
        proven=record["proven"],
        warnings=[str(one) for one in record["warnings"]],
    )
    _check_frames(saved)
    return saved


def _check_kinds(values: Mapping[str, Any], kinds: Mapping[str, type]) -> None:
    """Refuse values of another kind: of 1.5 or true, `int` would make 1."""
    for name, kind in kinds.items():
        if type(values[name]) is not kind:
            raise TypeError(name)


def _version(values: list[Any]) -> tuple[int | str, ...]:
    if any(type(one) not in {int, str} for one in values):
        raise TypeError("version")
    return tuple(values)


def _node(values: list[Any]) -> Node:
    node = Node(*values)
    _check_kinds(node._asdict(), get_type_hints(Node))
    return node


def _ends(values: list[Any]) -> Ends:
    ends = Ends(*values)
    _check_kinds(ends._asdict(), get_type_hints(Ends))
    return ends


def _pixel(values: Mapping[str, Any]) -> ImagePixel:
    _check_kinds(values, get_type_hints(ImagePixel))
    keyword = values["pixel_keyword"]
    if keyword not in PIXEL_TAGS.values():
        raise ValueError(keyword)
    return make_image_pixel(values, pixel_keyword=keyword)


def _items(
    values: Mapping[str, Any] | None, syntax: TransferSyntax
) -> FragmentArea | None:
    if syntax.native != (values is None):
        raise ValueError("items")
    if values is None:
        return None
    _check_kinds(values, get_type_hints(FragmentArea))
    return FragmentArea(**values)


def _index(
    record: Mapping[str, Any], read_lengths: Callable[[int], bytes]
) -> FrameIndex:
    frames, origin = record["frames"], record["origin"]
    if origin not in _ORIGINS or not 1 <= frames <= _MOST_FRAMES:
        raise ValueError(origin)
    if record["stride"] is not None:
        stride = NativeStride(*record["stride"])
        _check_kinds(stride._asdict(), get_type_hints(NativeStride))
        return index_native(stride.start, frames, stride.frame_bits, stride.unit_bits)
    if frames > record["size"] // _LEAST_FRAME:
        raise ValueError("frames")
    data = read_lengths(8 * frames)
    width = len(data) // frames
    if width not in _WIDTHS or width * frames != len(data):
        raise ValueError("lengths")
    lengths = np.frombuffer(data, f"<u{width}").astype(np.int64)
    edges = np.cumsum(np.append(np.int64(record["first"]), lengths))
    if (edges[1:] < edges[:-1]).any():
        raise ValueError("lengths")
    return index_edges(edges, origin)


def _check_frames(saved: IndexRecord) -> None:
    """Compare what a record says in two places, and with the size of the file."""
    index, pixel, items = saved.index, saved.pixel, saved.items
    frames = pixel.number_of_frames
    if len(index) != frames:
        raise ValueError("frames")
    unit = 16 if saved.swapped_pairs else 8
    widths = {-(-pixel.frame_bits // width) * width for width in (1, 8, 16)}
    stride = None if index.stride is None else index.stride[1:]
    if stride not in ({(bits, unit) for bits in widths} if items is None else {None}):
        raise ValueError("stride")
    if items is not None and (items.codec, items.frames) != (
        saved.transfer_syntax.codec,
        frames,
    ):
        raise ValueError("items")
    size = _MOST_BYTES if saved.transfer_syntax.deflated else saved.size
    start, stop = index.span(0).offset, index.span(frames - 1).stop
    if start < 0 or stop > size or saved.ends[:2] != (start, stop):
        raise ValueError("offsets")


def _narrow(values: NDArray[np.int64]) -> bytes:
    """Return numbers of as few bytes each as the largest one needs, little endian."""
    kind = np.min_scalar_type(int(values.max(initial=0)))
    return values.astype(kind.newbyteorder("<")).tobytes()
