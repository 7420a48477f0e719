"""The door to fsspec: which filesystem a URL means, and how it fetches ranges.

HTTP and the object stores tell with each response which range of which version they send;
so that is compared. Other filesystems show bytes only: there the length is exact and the
object is looked at again (``docs/decisions/0006-checked-reads.md``).
"""

import errno
import os
import sys
import time
from collections.abc import Coroutine, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, TypeAlias, TypeVar
from urllib.parse import urlsplit

from lazydicom._bytes.location import Version, chain, scheme
from lazydicom._bytes.per_process import at_fork, per_process
from lazydicom._bytes.quick_dataclass import dataclass
from lazydicom._bytes.ranges import MOST_REQUESTS
from lazydicom._bytes.remote.azure import fetch_azure
from lazydicom._bytes.remote.flow import Flow
from lazydicom._bytes.remote.http import fetch_gcs, fetch_http, keep_to_origin
from lazydicom._bytes.remote.options import check_options, error_of_client
from lazydicom._bytes.remote.other import fetch_rest, open_rest
from lazydicom._bytes.remote.response import BusyError, TransientError, ask_again
from lazydicom._bytes.remote.s3 import fetch_s3
from lazydicom._bytes.source import MINIMUM_RATE, Buffer, ByteRange
from lazydicom.errors import SourceError, source_error

if TYPE_CHECKING:
    import asyncio

T = TypeVar("T")
_MOST_SERVERS: Final = 256
_inherited: Final[list[Any]] = []
"""The event loop of fsspec in the process that forks."""


_LOOK_S: Final = 0.5
"""How often who waits looks whether somebody interrupts."""


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
        minimum_rate: int,
    ) -> Version:
        """Fill a buffer of the length that comes back."""
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
    minimum_rate: int
    """Bytes in a second that a body must have."""

    def open(self, length: int) -> tuple[Version, bytes]:
        """Ask for size, version and the first bytes, in one request where that can be."""
        if not self.opens_at_once:
            with located(self.url):
                return open_rest(self.filesystem, self.path), b""
        return self._wait(self._ask_first(length))

    @property
    def opens_at_once(self) -> bool:
        """Whether `open_each` opens it."""
        return self.protocol in FETCH

    def fill(
        self, known: Version, pieces: Iterable[tuple[ByteRange, memoryview]]
    ) -> None:
        """Fetch each range into its memory, one by one, where `fill_each` cannot do more."""
        for span, out in pieces:
            with located(self.url, span.offset):
                out[:] = fetch_rest(self.filesystem, self.path, span, known)

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        """Run on fsspec's event loop, which lives in a thread of its own.

        Who interrupts the wait ends the work: fsspec's own wait leaves it going on. The
        interrupt may come before the work has begun. A bare lock is what both wait for: a
        future of threads beside that of the loop costs as much as a tenth of a request.
        """
        tasks: list[asyncio.Task[T]] = []
        ended, done, loop = False, Lock(), self.filesystem.loop
        done.acquire()

        def begin() -> None:
            if ended:
                work.close()
                return
            tasks.append(loop.create_task(work))
            tasks[0].add_done_callback(tell)

        def tell(task: "asyncio.Task[T]") -> None:
            task.cancelled() or task.exception()  # who was interrupted does not ask
            done.release()

        def end() -> None:
            for task in tasks:
                task.cancel()

        try:
            loop.call_soon_threadsafe(begin)
            while not done.acquire(
                timeout=_LOOK_S
            ):  # without end it is deaf on some systems
                pass
        except BaseException:
            ended = True
            loop.call_soon_threadsafe(end)
            raise
        return tasks.pop().result()

    async def _ask_first(self, length: int) -> tuple[Version, bytes]:
        data = bytearray()

        def buffer(count: int) -> memoryview:
            data[:] = bytes(count)
            return memoryview(data)

        version = await self._ask(ByteRange(0, length), None, buffer)
        return version, bytes(data)

    async def _ask(
        self, span: ByteRange, known: Version | None, buffer: Buffer
    ) -> Version:
        fetch, flow = FETCH[self.protocol], self._flow()

        async def attempt(stall_s: float) -> Version:
            began = headed = time.monotonic()

            def begin_body(length: int) -> memoryview:
                nonlocal headed
                headed = time.monotonic()
                return buffer(length)

            args = (self.filesystem, self.path, span, known, begin_body)
            rate = self.minimum_rate
            try:
                version = await fetch(*args, stall_s=stall_s, minimum_rate=rate)
            except TransientError as error:
                flow.refused(began, busy=isinstance(error, BusyError))
                raise
            flow.responded(headed - began, time.monotonic() - headed)
            return version

        async with flow.slot():
            with located(self.url, span.offset):
                return await ask_again(attempt)

    def _flow(self) -> Flow:
        """Return the flow of the server, which all its files share."""
        flows = _flows()
        host = urlsplit(self.url).netloc.rpartition("@")[2]  # without credentials
        server = f"{self.protocol}://{host}"
        if server not in flows and len(flows) >= _MOST_SERVERS:
            for idle in [name for name, flow in flows.items() if not flow.running]:
                del flows[idle]
        return flows.setdefault(server, Flow())


Fill: TypeAlias = tuple[RemoteClient, Version, Iterable[tuple[ByteRange, memoryview]]]
"""An object as it was when it was opened, and where ranges of it go."""


def open_each(
    clients: Sequence[RemoteClient], length: int
) -> list[tuple[Version, bytes] | SourceError]:
    """Open objects at once: to wake a thread for each costs as much as its request.

    What cannot be opened is an error in its place.
    """

    async def ask_each() -> list[Any]:
        import asyncio

        asked = (client._ask_first(length) for client in clients)  # noqa: SLF001
        return await asyncio.gather(*asked, return_exceptions=True)

    opened: list[Any] = clients[0]._wait(ask_each()) if clients else []  # noqa: SLF001
    for one in opened:
        if isinstance(one, BaseException) and not isinstance(one, SourceError):
            raise one
    return opened


def fill_each(fills: Sequence[Fill]) -> None:
    """Fetch ranges of several objects, each into its memory, some at once."""
    together = [fill for fill in fills if fill[0].opens_at_once]
    if together:
        together[0][0]._wait(_ask_all(together))  # noqa: SLF001
    for client, known, pieces in fills:
        if not client.opens_at_once:
            client.fill(known, pieces)


async def _ask_all(fills: Sequence[Fill]) -> None:
    import asyncio

    asked = [
        client._ask(span, known, _always(out))  # noqa: SLF001 (its own)
        for client, known, pieces in fills
        for span, out in pieces
    ]
    if len(asked) == 1:  # nobody waits for another
        await asked[0]
        return
    tasks = [asyncio.ensure_future(one) for one in asked]
    try:
        await asyncio.gather(*tasks)
    finally:  # the first error ends them all
        for task in tasks:
            task.cancel()


class RemotePlace(NamedTuple):
    """Which object of which filesystem."""

    url: str
    """What the caller gave: it tells the filesystem."""
    path: str | None = None
    """What the filesystem calls an object that it listed below the URL."""


def remote_client(
    place: RemotePlace,
    storage_options: Mapping[str, Any],
    *,
    minimum_rate: int = MINIMUM_RATE,
) -> RemoteClient:
    """Make, or find, the client of this process (fsspec keeps them by process).

    Raises
    ------
    SourceError
        If the protocol is not known, its package is not installed, an argument is
        missing, or the server cannot be reached.
    """
    url = place.url
    protocol = "" if len(chain(url)) > 1 else scheme(url)
    with located(url, action="open"):
        options = keep_to_origin(url, storage_options)
        if protocol in {"s3", "s3a"}:
            options["config_kwargs"] = _of_s3(options.get("config_kwargs") or {})
        filesystem, path = _url_to_fs(url, protocol, options)
    found = place.path or path
    return RemoteClient(filesystem, found, protocol, url, minimum_rate)


def _url_to_fs(url: str, protocol: str, options: Mapping[str, Any]) -> tuple[Any, str]:
    import fsspec

    try:
        if not protocol:
            filesystem, path = fsspec.core.url_to_fs(url, **options)
            return filesystem, path
        kind = fsspec.get_filesystem_class(protocol)
        check_options(kind, protocol, options)
        in_url = kind._get_kwargs_from_urls(url)  # noqa: SLF001 (as url_to_fs does)
        return kind(**in_url | options), kind._strip_protocol(url)  # noqa: SLF001
    except ImportError as error:
        text = f"No filesystem: install {error.name or 'the package for it'}"
        raise SourceError(text) from None
    except ValueError as error:
        if "not known" not in str(error):  # of a protocol; others are of options
            raise
        raise SourceError(f"No filesystem for {url.partition(':')[0]}:") from None


def _of_s3(given: Mapping[str, Any]) -> dict[str, Any]:
    """Switch off botocore's own tries, which go on for minutes, and let all requests begin.

    Ten connections are its default: others would wait for one, as if the server were silent.
    """
    ours = {"retries": {"total_max_attempts": 1}, "max_pool_connections": MOST_REQUESTS}
    return {**ours, **given}


def _remember_loop() -> None:
    loaded = sys.modules.get("fsspec.asyn")
    _inherited[:] = () if loaded is None else loaded.loop


def _part_from_parent() -> None:
    """Let a fork close the clients that it inherits, without harm to its parent.

    fsspec does so. But what watches connections is shared with the parent: one that is
    closed here would be watched there no more, and no response on it be seen. And the loop
    runs in a thread that no child inherits: fsspec would wait a second for each client.
    """
    import selectors

    for loop in _inherited:
        if hasattr(loop, "_selector"):
            loop._selector = selectors.DefaultSelector()  # noqa: SLF001 (no other way)
            loop._thread_id = None  # noqa: SLF001 (it is not running)


at_fork(before=_remember_loop, in_child=_part_from_parent)


@per_process
def _flows() -> dict[str, Flow]:
    """Keep the flow of each server that this process asks."""
    return {}


def _always(memory: memoryview) -> Buffer:
    """Return memory that is there already."""
    return lambda _: memory


@contextmanager
def located(
    url: str, offset: int | None = None, *, action: str = "read"
) -> Iterator[None]:
    """Let errors name the place; texts of clients, which may hold secrets, are dropped."""
    try:
        with _typed(action, scheme(chain(url)[-1])):
            yield
    except SourceError as error:
        error.__context__ = None
        raise error.locate(url=url, offset=offset) from None


@contextmanager
def _typed(action: str, protocol: str) -> Iterator[None]:
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
        raise error_of_client(error, action, protocol) from None
