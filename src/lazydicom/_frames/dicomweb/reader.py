"""Frames and header of an instance behind DICOMweb.

There are no byte offsets: a frame is asked for by its number. Each one is compared with what
the instance was when it was opened: its transfer syntax, and the length of native frames.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from json import dumps
from typing import Any, Final

from lazydicom._bytes.quick_dataclass import dataclass
from lazydicom._bytes.source import BytesLike, MemorySource
from lazydicom._frames.dicomweb.client import (
    Accept,
    Instance,
    RefusedError,
    fetch_beginning,
    fetch_frames,
    fetch_metadata,
    parse_url,
)
from lazydicom._frames.dicomweb.multipart import Part
from lazydicom._frames.index import check_frames
from lazydicom._header import tags
from lazydicom._header.elements import image_pixel_attributes
from lazydicom._header.header import Header
from lazydicom._header.image_pixel import ImagePixel, make_image_pixel, oddities
from lazydicom._header.pydicom import (
    DatasetElements,
    dataset_of_json,
    name_transfer_syntax,
    without_bulk,
)
from lazydicom._header.transfer_syntax import (
    EXPLICIT_BIG,
    TRANSFER_SYNTAXES,
    FileMeta,
    TransferSyntax,
)
from lazydicom._header.walker import Element, Framing
from lazydicom.errors import (
    LazyDicomError,
    SourceError,
    UnsupportedError,
    redact_url,
    warn,
)

_ACCEPT: Final[tuple[Accept, ...]] = (
    ("application/octet-stream", "*"),
    ("*/*", "*"),
    ("application/octet-stream", "1.2.840.10008.1.2.1"),
)
"""As stored, in the words of one server or the other; else decoded by the server."""
_STORED_AS: Final = re.compile(rb"DICM.*?\x02\0\x10\0UI..([0-9.]+)", re.DOTALL)
"""Transfer Syntax UID of the File Meta Information (PS3.10 section 7.1)."""
_NATIVE: Final = frozenset(s.uid for s in TRANSFER_SYNTAXES.values() if s.native)
_FLOAT_TAGS: Final = (tags.FLOAT_PIXEL_DATA, tags.DOUBLE_FLOAT_PIXEL_DATA)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class WadoReader:
    """Frames by number; it pickles as name and options, clients are made where it is."""

    instance: Instance
    accept: Accept
    """What the server understood."""
    pixel: ImagePixel
    transfer_syntax: TransferSyntax
    metadata_hash: str
    """What the instance was when it was opened; see `_hash`."""
    source: None = None
    """There is no file."""

    @property
    def url(self) -> str:
        """Name of the instance."""
        return self.instance.url

    def __repr__(self) -> str:
        """Name the instance, without secrets."""
        return f"<WadoReader {redact_url(self.url)}: {len(self)} frames>"

    def __len__(self) -> int:
        """Return the number of frames declared."""
        return self.pixel.number_of_frames

    def version(self) -> tuple[object, ...]:
        """Return URL and metadata: servers tell no version of pixels."""
        return (self.url, self.metadata_hash)

    def spans(self, frames: Sequence[int]) -> None:
        """Return no byte ranges: a server has none."""
        del frames

    def read(self, frames: Sequence[int]) -> list[BytesLike]:
        """Fetch some frames with one request.

        Raises
        ------
        SourceError
            If the response is not exactly these frames, encoded as the first one was.
        """
        check_frames(frames, len(self), url=self.url)
        nbytes = self.pixel.frame_nbytes
        parts = fetch_frames(self.instance, self.accept, frames, frame_nbytes=nbytes)
        return [
            _checked(self, frame, part)
            for frame, part in zip(frames, parts, strict=True)
        ]


def open_dicomweb(
    url: str,
    storage_options: Mapping[str, Any],
    *,
    minimum_rate: int,
    check: Callable[[ImagePixel], None],
) -> tuple[Header, WadoReader]:
    """Ask for the metadata of an instance, and for its first frame to see what is sent.

    Parameters
    ----------
    url : str
        Of the instance.
    storage_options : mapping
        What the caller passed.
    minimum_rate : int
        Bytes in a second that a body must have.
    check : callable
        Refuses claims of the metadata, before any frame is asked for.

    Raises
    ------
    SourceError
        If the server does not respond, or with something else.
    UnsupportedError
        If frames have no bytes of their own, or nobody can tell what their samples mean.
    """
    options = dict(storage_options)
    instance = Instance(url, parse_url(url), options, minimum_rate)
    metadata = fetch_metadata(instance)
    dataset = dataset_of_json(metadata, url=url)
    elements = DatasetElements(dataset)
    pixel = _image_pixel(elements, metadata, url)
    check(pixel)
    accept, first = _first_frame(instance, pixel.frame_nbytes)
    syntax = _known_syntax(first, url)
    if accept == _ACCEPT[-1]:
        _check_byte_order(instance)
    name_transfer_syntax(dataset, syntax.uid)
    stored_native = _stored_native(elements, metadata)
    _check_meaning(pixel, syntax, stored_native=stored_native, url=url)
    meta = FileMeta(syntax, Framing(), start=0, meta_start=0)
    element = Element(tags.PIXEL_DATA, "OB", 0, 0, 0)
    header = Header(MemorySource(b"", url), meta, elements, element, pixel)
    version = _hash(metadata)
    reader = WadoReader(instance, accept, pixel, syntax, version)
    _checked(reader, 0, first)
    return header, reader


def _hash(metadata: Mapping[str, Any]) -> str:
    """Hash what the metadata say; links to the rest may be new in each response."""
    from hashlib import blake2b  # deferred: OpenSSL costs 5 ms of import

    text = dumps(without_bulk(metadata), sort_keys=True)
    return blake2b(text.encode(), digest_size=16).hexdigest()


def _first_frame(instance: Instance, frame_nbytes: int) -> tuple[Accept, Part]:
    """Ask in the words of one server, then of another."""
    refused: LazyDicomError | None = None
    for accept in _ACCEPT:
        try:
            parts = fetch_frames(instance, accept, [0], frame_nbytes=frame_nbytes)
            return accept, parts[0]
        except RefusedError as error:
            refused = refused or error
    assert refused is not None
    raise refused


def _check_byte_order(instance: Instance) -> None:
    """Look into the file: Orthanc calls the words of a big endian one little endian.

    It sends them as they stand, and nothing else that it responses tells.
    """
    url = instance.url
    match = _STORED_AS.search(fetch_beginning(instance))
    if match is None:
        message = "The server does not tell how the instance is stored"
        raise UnsupportedError(message, url=url)
    if match[1].decode() == EXPLICIT_BIG:
        message = "Frames of a big endian file: a server may send them in either order"
        raise UnsupportedError(message, url=url)


def _checked(reader: WadoReader, frame: int, part: Part) -> memoryview:
    """Compare a frame with what the instance was when it was opened."""
    if part.transfer_syntax != reader.transfer_syntax.uid:
        message = (
            f"Expected a frame in {reader.transfer_syntax.uid}, "
            f"the server sent {_named(part.transfer_syntax)}"
        )
        raise SourceError(message, url=reader.url, frame=frame)
    if not reader.transfer_syntax.native:
        return part.data
    length = reader.pixel.frame_bits // 8
    if len(part.data) not in {length, length + length % 2}:
        message = f"Expected a frame of {length} bytes, found {len(part.data)}"
        raise SourceError(message, url=reader.url, frame=frame)
    return part.data[:length]


def _named(uid: str) -> str:
    """Return the UID of a transfer syntax of the standard; a server may send any text."""
    return uid if uid in TRANSFER_SYNTAXES else "an unknown type"


def _known_syntax(part: Part, url: str) -> TransferSyntax:
    syntax = TRANSFER_SYNTAXES.get(part.transfer_syntax)
    if syntax is None or syntax.codec == "video" or not syntax.little_endian:
        message = f"Frames sent as {_named(part.transfer_syntax)}"
        raise UnsupportedError(message, url=url)
    return syntax


def _check_meaning(
    pixel: ImagePixel, syntax: TransferSyntax, *, stored_native: bool, url: str
) -> None:
    """Refuse frames of which the metadata do not tell what they are."""
    if syntax.native and pixel.frame_bits % 8:
        message = "Frames that begin inside a byte have no number of their own here"
        raise UnsupportedError(message, url=url)
    if syntax.native and not stored_native and pixel.samples_per_pixel > 1:
        message = "Colour that the server decoded: nobody tells its colour space"
        raise UnsupportedError(message, url=url)


def _stored_native(elements: DatasetElements, metadata: Mapping[str, Any]) -> bool:
    """Return what the server has, not what it sends: some decode without being asked.

    Where it does not say so, as Orthanc: that names Pixel Data of native instances only.
    """
    available = elements.get(tags.AVAILABLE_TRANSFER_SYNTAX_UID, "UI")
    if available:
        return _NATIVE.issuperset(available)
    return f"{tags.PIXEL_DATA:08X}" in metadata


def _image_pixel(
    elements: DatasetElements, metadata: Mapping[str, Any], url: str
) -> ImagePixel:
    if any(f"{tag:08X}" in metadata for tag in _FLOAT_TAGS):
        raise UnsupportedError("Float Pixel Data is not sent by frames", url=url)
    try:
        attributes = image_pixel_attributes(elements)
        pixel = make_image_pixel(attributes, pixel_keyword="PixelData")
    except LazyDicomError as error:
        raise error.locate(url=url) from None
    for oddity in oddities(attributes, pixel):
        warn(oddity, url=url)
    return pixel
