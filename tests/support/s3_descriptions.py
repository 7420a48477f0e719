"""What botocore knows of S3 is read once per process.

Each file system of another server has a client of its own, and each client would read a
megabyte of JSON: 80 ms, and 30,000 objects that the garbage collector looks at until the end.
"""

from __future__ import annotations

from functools import cache


@cache
def share() -> None:
    """Let all clients that are made from now on have the same descriptions."""
    from botocore import session

    session.create_loader = cache(session.create_loader)
