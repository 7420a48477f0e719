"""Ranges of Azure blobs, through the client of adlfs, each response checked."""

from contextlib import closing
from typing import Any

from lazydicom._bytes.location import Version
from lazydicom._bytes.remote.http import unreachable
from lazydicom._bytes.remote.response import (
    TransientError,
    check_response,
    collect,
    is_strong,
)
from lazydicom._bytes.source import Buffer, ByteRange


async def fetch_azure(
    filesystem: Any,  # noqa: ANN401 (adlfs has no types)
    path: str,
    span: ByteRange,
    known: Version | None,
    buffer: Buffer,
    *,
    stall_s: float,
    minimum_rate: int,
) -> Version:
    """Fetch one range with one request; see `check_response` for the errors."""
    from azure.core.exceptions import AzureError, HttpResponseError, ServiceRequestError

    container, blob, version_id = filesystem.split_path(path)
    client = filesystem.service_client.get_blob_client(container, blob)
    try:
        async with client:
            response, body = await _download(client, version_id, span, known, stall_s)
            with closing(
                response.internal_response
            ):  # one that was not read to its end
                version = check_response(
                    response.status_code, response.headers, span, known
                )
                length = min(span.length, version.size - span.offset)
                await collect(body, buffer(length), minimum_rate=minimum_rate)
    except HttpResponseError as error:
        refused: Any = error.response
        if error.status_code and refused is not None:
            return check_response(error.status_code, refused.headers, span, known)
        raise TransientError(f"Connection lost: {type(error).__name__}") from None
    except ServiceRequestError as error:
        cause = error.inner_exception
        raise unreachable(getattr(cause, "os_error", OSError())) from None
    except AzureError as error:
        raise TransientError(f"Connection lost: {type(error).__name__}") from None
    return version


async def _download(
    client: Any,  # noqa: ANN401 (a BlobClient)
    version_id: str | None,
    span: ByteRange,
    known: Version | None,
    stall_s: float,
) -> tuple[Any, Any]:
    """Ask for a range: give the response, and its body as it comes.

    `download_blob` waits for the whole body, and asks again by itself; so this is the
    operation beneath it.
    """
    headers = {}
    if known is not None and is_strong(known.tag):
        headers["If-Match"] = known.tag
    response: tuple[Any, Any] = await client._client.blob.download(  # noqa: SLF001
        range=f"bytes={span.offset}-{span.stop - 1}",
        version_id=version_id,
        headers=headers,
        cls=lambda pipeline, body, _: (pipeline.http_response, body),
        decompress=False,
        retry_total=0,
        connection_timeout=stall_s,
        read_timeout=stall_s,
    )
    return response
