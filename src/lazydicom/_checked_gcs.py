"""Ranges of Google Cloud Storage, through the request of gcsfs, each answer checked.

The generation of an object is its version; each answer names it.
"""

import asyncio
from typing import Any

from lazydicom._range_answer import TransientError, Version, check_answer
from lazydicom._ranges import ByteRange
from lazydicom._source import Buffer
from lazydicom.errors import SourceError


async def fetch_gcs(
    filesystem: Any,  # noqa: ANN401 (gcsfs has no types)
    path: str,
    span: ByteRange,
    known: Version | None,
    buffer: Buffer,
    *,
    stall_s: float,
) -> Version:
    """Fetch one range with one request; see `check_answer` for the errors."""
    headers = {"Range": f"bytes={span.offset}-{span.stop - 1}"}
    try:
        async with asyncio.timeout(stall_s):
            answer = await filesystem._request(  # noqa: SLF001 (the one that tells all)
                "GET", filesystem.url(path), headers=headers
            )
    except TimeoutError:
        raise TransientError(f"No answer came for {stall_s:.0f} s") from None
    except Exception as error:  # noqa: BLE001 (gcsfs raises classes of its own)
        status = 404 if isinstance(error, FileNotFoundError) else _status(error)
        if status:
            return check_answer(status, {}, span, known)
        raise TransientError(f"Connection lost: {type(error).__name__}") from None
    status, headers, _, data = answer
    version = check_answer(status, headers, span, known)
    length = min(span.length, version.size - span.offset)
    if len(data) != length:
        error_class = TransientError if len(data) < length else SourceError
        raise error_class(f"Expected {length} bytes, got {len(data)}")
    buffer(length)[:] = data
    return version


def _status(error: Exception) -> int:
    code = getattr(error, "code", None)
    return int(code) if code is not None and str(code).isdigit() else 0
