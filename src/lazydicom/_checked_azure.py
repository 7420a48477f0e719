"""Ranges of Azure blobs, through the client of adlfs, each answer checked."""

import asyncio
from typing import Any

from lazydicom._range_answer import TransientError, Version, check_answer
from lazydicom._ranges import ByteRange
from lazydicom._source import Buffer
from lazydicom.errors import SourceError


async def fetch_azure(
    filesystem: Any,  # noqa: ANN401 (adlfs has no types)
    path: str,
    span: ByteRange,
    known: Version | None,
    buffer: Buffer,
    *,
    stall_s: float,
) -> Version:
    """Fetch one range with one request; see `check_answer` for the errors."""
    from azure.core.exceptions import AzureError, HttpResponseError

    try:
        async with asyncio.timeout(2 * stall_s):  # the whole body is one step here
            properties, data = await _download(filesystem, path, span, known)
    except TimeoutError:
        raise TransientError(f"No answer came for {2 * stall_s:.0f} s") from None
    except HttpResponseError as error:
        if error.status_code:
            return check_answer(error.status_code, {}, span, known)
        raise TransientError(f"Connection lost: {type(error).__name__}") from None
    except (AzureError, OSError) as error:
        raise TransientError(f"Connection lost: {type(error).__name__}") from None
    headers = {"content-range": properties.content_range or "", "etag": properties.etag}
    version = check_answer(206, headers, span, known)
    length = min(span.length, version.size - span.offset)
    if len(data) != length:
        error_class = TransientError if len(data) < length else SourceError
        raise error_class(f"Expected {length} bytes, got {len(data)}")
    buffer(length)[:] = data
    return version


async def _download(
    filesystem: Any,  # noqa: ANN401
    path: str,
    span: ByteRange,
    known: Version | None,
) -> tuple[Any, bytes]:
    from azure.core import MatchConditions

    container, blob, version_id = filesystem.split_path(path)
    condition: dict[str, Any] = {}
    if known is not None and known.tag:
        condition = {
            "etag": known.tag,
            "match_condition": MatchConditions.IfNotModified,
        }
    client = filesystem.service_client.get_blob_client(container, blob)
    async with client:
        stream = await client.download_blob(
            offset=span.offset, length=span.length, version_id=version_id, **condition
        )
        return stream.properties, await stream.readall()
