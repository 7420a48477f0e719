"""Ranges of S3 objects, through the client of s3fs, each response checked."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

from lazydicom._bytes.location import Version
from lazydicom._bytes.remote.http import unreachable
from lazydicom._bytes.remote.options import error_of_client
from lazydicom._bytes.remote.response import (
    TransientError,
    check_response,
    collect,
    is_strong,
)
from lazydicom._bytes.source import Buffer, ByteRange
from lazydicom.errors import SourceError

_CHUNK: Final = 1 << 18


async def fetch_s3(
    filesystem: Any,  # noqa: ANN401 (s3fs has no types)
    path: str,
    span: ByteRange,
    known: Version | None,
    buffer: Buffer,
    *,
    stall_s: float,
    minimum_rate: int,
) -> Version:
    """Fetch one range with one ``GetObject``; see `check_response` for the errors."""
    async with _network_faults(stall_s):
        response = await _get_object(filesystem, path, span, known, stall_s)
        status, headers = _status(response)
        if "Body" not in response:
            return check_response(status, headers, span, known)  # raises: no success
        async with response["Body"] as body:
            version = check_response(status, headers, span, known)
            length = min(span.length, version.size - span.offset)
            chunks = _chunks(body, stall_s)
            await collect(chunks, buffer(length), minimum_rate=minimum_rate)
    return version


async def _get_object(
    filesystem: Any,  # noqa: ANN401
    path: str,
    span: ByteRange,
    known: Version | None,
    stall_s: float,
) -> Mapping[str, Any]:
    """Ask for a range; an error of the server is a response, too."""
    from botocore.exceptions import ClientError

    bucket, key, version_id = filesystem.split_path(path)
    request = {"Range": f"bytes={span.offset}-{span.stop - 1}"}
    if version_id:
        request["VersionId"] = version_id
    if known is not None and is_strong(known.tag):
        request["IfMatch"] = known.tag
    import asyncio

    await filesystem.set_session()
    client = await filesystem.get_s3(bucket)
    options = {**filesystem.s3_additional_kwargs, **filesystem.req_kw}
    allowed = {"SSECustomerAlgorithm", "SSECustomerKey", "RequestPayer"}
    request |= {name: options[name] for name in allowed & options.keys()}
    try:
        async with asyncio.timeout(stall_s):
            response = await client.get_object(Bucket=bucket, Key=key, **request)
    except ClientError as error:
        response = error.response
    return dict(response)


def _status(response: Mapping[str, Any]) -> tuple[int, Mapping[str, str]]:
    metadata = response.get("ResponseMetadata", {})
    return metadata.get("HTTPStatusCode", 0), metadata.get("HTTPHeaders", {})


async def _chunks(body: Any, stall_s: float) -> AsyncIterator[bytes]:  # noqa: ANN401
    import asyncio

    while True:
        async with asyncio.timeout(stall_s):
            chunk = await body.read(_CHUNK)
        if not chunk:
            return
        yield chunk


@asynccontextmanager
async def _network_faults(stall_s: float) -> AsyncIterator[None]:
    """Turn what the network does into transient faults."""
    import aiohttp
    from botocore import exceptions as botocore

    try:
        yield
    except botocore.EndpointConnectionError as error:
        cause = error.kwargs.get("error")
        raise unreachable(getattr(cause, "os_error", OSError())) from None
    except TimeoutError:
        raise TransientError(f"No byte came for {stall_s:.0f} s") from None
    except SourceError:
        raise
    except (
        aiohttp.ClientError,
        botocore.ConnectionError,
        botocore.HTTPClientError,
        botocore.IncompleteReadError,
        OSError,
    ) as error:
        raise TransientError(f"Connection lost: {type(error).__name__}") from None
    except botocore.BotoCoreError as error:  # no credentials, no region, a bad name
        raise error_of_client(error, "read", "s3") from None
