"""The URL that a reference may name: of a file that anybody can read by ranges."""

from typing import Any

from lazydicom._array.image import DicomImage
from lazydicom._bytes.location import Version, file_url, is_local, local_path
from lazydicom._bytes.source import MemorySource
from lazydicom.errors import UnsupportedError, redact_url

_INSTEAD = "to_zarr copies it, ZarrStore shows it without a copy"


def referable_url(image: DicomImage) -> str:
    """Return the URL of the file as fsspec reads it: local names are not quoted there.

    Raises
    ------
    UnsupportedError
        If frames are no byte ranges of a file that has a URL without secrets.
    """
    reason = _reason(image)
    if reason is not None:
        raise UnsupportedError(f"{reason}; {_INSTEAD}", url=image.url)
    return f"file://{local_path(image.url)}" if is_local(image.url) else image.url


def source_facts(image: DicomImage) -> dict[str, Any]:
    """Return the file as `open_image` names it, its size, and etag or time of change."""
    _, version, *_ = image.reader.version()
    assert isinstance(version, Version), "of a file"
    url = referable_url(image)
    if is_local(image.url):
        url = file_url(local_path(image.url))
    return {"url": url, "size": version.size, "version": str(version.tag)}


def _reason(image: DicomImage) -> str | None:
    try:
        _ = image.index
    except UnsupportedError as error:
        return error.message
    source = image.reader.source
    if image.format.padded:
        return "Frames that are padded one by one have no such chunks"
    if image.format.transfer_syntax.deflated:
        return "A deflated file has no byte ranges"
    if source is None:
        return "These frames are no byte ranges of a file"
    if isinstance(source, MemorySource):
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
