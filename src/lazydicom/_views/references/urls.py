"""The URL that a reference may name: of a file that anybody can read by ranges."""

from typing import Any

from lazydicom._array.image import DicomImage
from lazydicom._bytes.source import MemorySource
from lazydicom._frames.fragment_reader import FragmentReader
from lazydicom._frames.partial_reader import PartialReader
from lazydicom._frames.reader import RangeReader
from lazydicom.errors import UnsupportedError, redact_url

_INSTEAD = "to_zarr copies it, ZarrStore shows it without a copy"


def referable_url(image: DicomImage) -> str:
    """Return the URL of the file, with its protocol.

    Raises
    ------
    UnsupportedError
        If frames are no byte ranges of a file that has a URL without secrets.
    """
    reason = _reason(image)
    if reason is not None:
        raise UnsupportedError(f"{reason}; {_INSTEAD}", url=image.url)
    return image.url if "://" in image.url else f"file://{image.url}"


def source_facts(image: DicomImage) -> dict[str, Any]:
    """Return which version of the file is meant: size, and etag or time of change."""
    _, size, version, *_ = image.reader.identity()
    return {"url": referable_url(image), "size": size, "version": str(version)}


def file_reader(image: DicomImage) -> RangeReader | FragmentReader | None:
    """Return what knows where every frame of a file lies; ``None``: there is no file."""
    reader = image.reader
    if isinstance(reader, PartialReader):
        return reader.whole()
    return reader if isinstance(reader, RangeReader | FragmentReader) else None


def _reason(image: DicomImage) -> str | None:
    try:
        _ = image.index
    except UnsupportedError as error:
        return error.message
    reader = file_reader(image)
    if image.format.transfer_syntax.deflated:
        return "A deflated file has no byte ranges"
    if reader is None:
        return "These frames are no byte ranges of a file"
    if isinstance(reader.source, MemorySource):
        return "Bytes in memory have no URL"
    return _reason_of_url(image.url)


def _reason_of_url(url: str) -> str | None:
    if "::" in url:
        return "A file inside another one has no byte ranges of its own"
    if redact_url(url) != url:
        return (
            "The URL holds a user, a password or a query, which references never hold"
        )
    return None
