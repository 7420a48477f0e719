"""Ranges of Google Cloud Storage, through the session of gcsfs, each response checked.

The generation of an object is its version; each response names it.
"""

from typing import Any

from lazydicom._bytes.ranges import ByteRange
from lazydicom._bytes.remote.http import get, read_response
from lazydicom._bytes.source import Buffer
from lazydicom._bytes.version import Version


async def fetch_gcs(
    filesystem: Any,  # noqa: ANN401 (gcsfs has no types)
    path: str,
    span: ByteRange,
    known: Version | None,
    buffer: Buffer,
    *,
    stall_s: float,
) -> Version:
    """Fetch one range with one request; see `check_response` for the errors.

    The request of gcsfs itself waits for the whole body, and asks again by itself.
    """
    request = {"Range": f"bytes={span.offset}-{span.stop - 1}"}
    await filesystem._set_session()  # noqa: SLF001 (what its own request is made of)
    options = {
        "headers": filesystem._get_headers(request),  # noqa: SLF001
        "params": filesystem._get_params({}),  # noqa: SLF001
    }
    url = filesystem.url(path)
    async with get(filesystem.session, url, options, stall_s=stall_s) as response:
        return await read_response(response, span, known, buffer)
