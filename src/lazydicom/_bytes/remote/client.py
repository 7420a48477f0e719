"""The door to fsspec: which filesystem a URL means, and how it fetches ranges.

HTTP and the object stores tell with each response which range of which version they send;
so that is compared. Other filesystems show bytes only: there the length is exact and the
object is looked at again (``docs/decisions/0006-checked-reads.md``).
"""

import asyncio
import errno
import os
import selectors
from collections.abc import Coroutine, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from glob import has_magic
from typing import Any, Final, Protocol

import fsspec
import fsspec.asyn

from lazydicom._bytes.per_process import per_process
from lazydicom._bytes.ranges import REQUESTS, ByteRange
from lazydicom._bytes.remote.azure import fetch_azure
from lazydicom._bytes.remote.gcs import fetch_gcs
from lazydicom._bytes.remote.http import fetch_http
from lazydicom._bytes.remote.other import fetch_rest, open_rest
from lazydicom._bytes.remote.redirects import keep_to_origin
from lazydicom._bytes.remote.response import Version
from lazydicom._bytes.remote.retry import ask_again
from lazydicom._bytes.remote.s3 import fetch_s3
from lazydicom._bytes.source import Buffer
from lazydicom.errors import SourceError, source_error

_inherited: Final[list[Any]] = []
"""The event loop of fsspec in the process that forks."""


class Fetch(Protocol):
    """Fetches one range with one request, and checks the response."""

    async def __call__(
        self,
        filesystem: Any,  # noqa: ANN401 (fsspec has no types)
        path: str,
        span: ByteRange,
        known: Version | None,
        buffer: Buffer,
        *,
        stall_s: float,
    ) -> Version:
        """Fill a buffer of the length that is answered."""
        ...


FETCH: Final[Mapping[str, Fetch]] = {
    "http": fetch_http,
    "https": fetch_http,
    "s3": fetch_s3,
    "s3a": fetch_s3,
    "gs": fetch_gcs,
    "gcs": fetch_gcs,
    "az": fetch_azure,
    "abfs": fetch_azure,
    "abfss": fetch_azure,
}
"""By protocol; what is not here gives only bytes."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class RemoteClient:
    """One object behind its filesystem, in this process."""

    filesystem: Any
    path: str
    protocol: str
    url: str

    def open(self, length: int) -> tuple[Version, bytes]:
        """Ask for size, version and the first bytes, in one request where that can be."""
        if self.protocol not in FETCH:
            with _located(self.url):
                return open_rest(self.filesystem, self.path), b""
        data = bytearray()

        def buffer(count: int) -> memoryview:
            data[:] = bytes(count)
            return memoryview(data)

        version = self._wait(self._ask(ByteRange(0, length), None, buffer))
        return version, bytes(data)

    def fill(
        self, known: Version, pieces: Iterable[tuple[ByteRange, memoryview]]
    ) -> None:
        """Fetch each range into its memory, some at once."""
        if self.protocol in FETCH:
            self._wait(self._ask_all(known, pieces))
            return
        for span, out in pieces:
            with _located(self.url, span.offset):
                out[:] = fetch_rest(self.filesystem, self.path, span, known)

    def _wait(self, work: Coroutine[Any, Any, Any]) -> Any:  # noqa: ANN401
        """Run on fsspec's event loop, which lives in a thread of its own."""
        return fsspec.asyn.sync(self.filesystem.loop, lambda: work)

    async def _ask_all(
        self, known: Version, pieces: Iterable[tuple[ByteRange, memoryview]]
    ) -> None:
        tasks = [
            asyncio.ensure_future(self._ask(span, known, _always(out)))
            for span, out in pieces
        ]
        try:
            await asyncio.gather(*tasks)
        finally:  # the first error ends them all
            for task in tasks:
                task.cancel()

    async def _ask(
        self, span: ByteRange, known: Version | None, buffer: Buffer
    ) -> Version:
        fetch = FETCH[self.protocol]

        async def attempt(stall_s: float) -> Version:
            args = (self.filesystem, self.path, span, known, buffer)
            return await fetch(*args, stall_s=stall_s)

        async with _slots():
            with _located(self.url, span.offset):
                return await ask_again(attempt)


def remote_client(url: str, storage_options: Mapping[str, Any]) -> RemoteClient:
    """Make, or find, the client of this process (fsspec keeps them by process).

    Raises
    ------
    SourceError
        If the protocol is not known, its package is not installed, an argument is
        missing, or the server cannot be reached.
    """
    protocol = "" if "::" in url else url.partition("://")[0].lower()
    options = keep_to_origin(url, storage_options)
    if protocol in {"s3", "s3a"}:
        options["config_kwargs"] = _one_try(options.get("config_kwargs") or {})
    with _located(url, action="open"):
        filesystem, path = _url_to_fs(url, options)
    return RemoteClient(filesystem, path, protocol, url)


def _url_to_fs(url: str, options: Mapping[str, Any]) -> tuple[Any, str]:
    try:
        filesystem, path = fsspec.core.url_to_fs(url, **options)
    except ImportError as error:
        text = f"No filesystem: install {error.name or 'the package for it'}"
        raise SourceError(text) from None
    except ValueError as error:
        if "not known" not in str(error):  # of a protocol; others are of options
            raise
        raise SourceError(f"No filesystem for {url.partition(':')[0]}:") from None
    return filesystem, path


def _one_try(given: Mapping[str, Any]) -> dict[str, Any]:
    """Switch off botocore's own tries, which go on for minutes."""
    return {"retries": {"total_max_attempts": 1}, **given}


def _remember_loop() -> None:
    _inherited[:] = fsspec.asyn.loop


def _part_from_parent() -> None:
    """Let a fork close the clients that it inherits, without harm to its parent.

    fsspec does so. But what watches connections is shared with the parent: one that is
    closed here would be watched there no more, and no response on it be seen.
    """
    for loop in _inherited:
        if hasattr(loop, "_selector"):
            loop._selector = selectors.DefaultSelector()  # noqa: SLF001 (no other way)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_remember_loop, after_in_child=_part_from_parent)


@per_process
def _slots() -> asyncio.Semaphore:
    """Bound the requests of a process."""
    return asyncio.Semaphore(REQUESTS)


def _always(memory: memoryview) -> Buffer:
    """Return memory that is there already."""
    return lambda _: memory


@contextmanager
def _located(
    url: str, offset: int | None = None, *, action: str = "read"
) -> Iterator[None]:
    """Let errors name the place; texts of clients, which may hold secrets, are dropped."""
    try:
        with _typed(action):
            yield
    except SourceError as error:
        error.__context__ = None
        raise error.locate(url=url, offset=offset) from None


@contextmanager
def _typed(action: str) -> Iterator[None]:
    """Return every error of a client one type."""
    try:
        yield
    except (SourceError, MemoryError):
        raise
    except FileNotFoundError:
        message = f"Could not {action}: {os.strerror(errno.ENOENT)}"
        raise source_error(message, number=errno.ENOENT) from None
    except PermissionError:
        message = f"Could not {action}: {os.strerror(errno.EACCES)}"
        raise source_error(message, number=errno.EACCES) from None
    except Exception as error:  # noqa: BLE001 (each client has a tree of its own)
        message = f"Could not {action}: {type(error).__name__}"
        raise SourceError(message) from None


def is_folder(url: str, storage_options: Mapping[str, Any]) -> bool:
    """Return whether files lie below a URL."""
    client = remote_client(url, storage_options)
    with _located(url, action="list"):
        return bool(client.filesystem.isdir(client.path))


def find_files(url: str, storage_options: Mapping[str, Any]) -> list[str]:
    """Return the URLs of all files below a folder, or that match a pattern, sorted.

    Raises
    ------
    SourceError
        If the filesystem cannot list.
    """
    client = remote_client(url, storage_options)
    filesystem, path = client.filesystem, client.path
    with _located(url, action="list"):
        list_ = filesystem.glob if has_magic(path) else filesystem.find
        found = list_(path, detail=True)
    files = [name for name, info in found.items() if info.get("type") != "directory"]
    return [_url_of(name, url, path) for name in sorted(files)]


def _url_of(name: str, folder: str, path: str) -> str:
    """Return the URL of a file found in a folder, which its filesystem calls `path`.

    >>> _url_of("/data/a.dcm", "sftp://host/data/", "/data")
    'sftp://host/data/a.dcm'
    >>> _url_of("bucket/a.dcm", "s3://bucket", "bucket")
    's3://bucket/a.dcm'
    >>> _url_of("x/a.dcm", "zip://x::s3://bucket/b.zip", "x")
    'zip://x/a.dcm::s3://bucket/b.zip'
    >>> _url_of("/data/a.dcm", "simplecache::sftp://host/data", "/data")
    'simplecache::sftp://host/data/a.dcm'
    """
    head, chain, rest = folder.partition("::")
    if chain and "://" not in head:  # a cache, of all that follows
        return f"{head}::{_url_of(name, rest, path)}"
    if chain:
        return f"{head.partition('://')[0]}://{name.lstrip('/')}::{rest}"
    if "://" in name:  # over HTTP
        return name
    protocol, _, whole = head.partition("://")
    host = whole.rstrip("/").removesuffix(path.strip("/")).rstrip("/")
    if path.strip("/") and host == whole.rstrip("/"):
        host = ""  # the URL says it in another way
    return f"{protocol}://{host}{'/' if host else ''}{name.lstrip('/')}"
