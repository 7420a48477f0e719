"""Folders whose objects are written whole: fsspec filesystems and Zarr stores."""

import asyncio
import threading
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import field
from queue import SimpleQueue
from typing import Any, TypeVar

import fsspec
from zarr.abc.store import RangeByteRequest, Store
from zarr.buffer import default_buffer_prototype

from lazydicom._bytes.per_process import per_process
from lazydicom._bytes.quick_dataclass import dataclass
from lazydicom._export.store.folder import LEASE, Part, Write, as_bytes
from lazydicom.errors import ExportError, LazyDicomError, redact_url

_T = TypeVar("_T")


class _WholeObjects:
    """What folders share that can neither append nor write in parts."""

    __slots__ = ()

    @property
    def appends(self) -> bool:
        return False

    @contextmanager
    def writing(self, key: str) -> Iterator[Write]:
        """Collect the parts, then write the object."""
        collected = bytearray()

        def write(parts: Sequence[Part]) -> None:
            for part in parts:
                collected.extend(as_bytes(part))

        yield write
        self.put(key, collected)

    def append(self, key: str, data: bytes) -> None:
        raise NotImplementedError

    def put(self, key: str, data: bytes | bytearray) -> None:
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class FsspecFolder(_WholeObjects):
    """A folder behind fsspec; clients are made in each process, never pickled."""

    url: str
    storage_options: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def get(
        self, key: str, start: int | None = None, stop: int | None = None
    ) -> bytes | None:
        """Fetch an object, or a part of it."""
        try:
            with self._filesystem() as (filesystem, path):
                data = filesystem.cat_file(f"{path}/{key}", start=start, end=stop)
        except FileNotFoundError:
            return None
        return bytes(data)

    def size(self, key: str) -> int | None:
        """Return the length of an object, as the filesystem knows it."""
        try:
            with self._filesystem() as (filesystem, path):
                return int(filesystem.info(f"{path}/{key}")["size"])
        except FileNotFoundError:
            return None

    def put(self, key: str, data: bytes | bytearray) -> None:
        """Send an object."""
        with self._filesystem() as (filesystem, path):
            name = f"{path}/{key}"
            filesystem.makedirs(filesystem._parent(name), exist_ok=True)  # noqa: SLF001 (fsspec's subclasses use it)
            filesystem.pipe_file(name, bytes(data))

    def delete(self, key: str) -> None:
        """Delete an object."""
        with self._filesystem() as (filesystem, path):
            if filesystem.exists(f"{path}/{key}"):
                filesystem.rm_file(f"{path}/{key}")
            if key.startswith(f"{LEASE}/"):  # some stores have empty folders
                with suppress(OSError):
                    filesystem.rmdir(f"{path}/{LEASE}")

    def is_empty(self) -> bool:
        """Whether nothing has this prefix."""
        try:
            with self._filesystem() as (filesystem, path):
                names = _listed(filesystem, path)
                lease = f"{path}/{LEASE}/".lstrip("/")
                return all(name.lstrip("/").startswith(lease) for name in names)
        except FileNotFoundError:
            return True

    def keys(self, name: str) -> list[str]:
        """Return all names with this prefix, without a cache."""
        try:
            with self._filesystem() as (filesystem, path):
                names = _listed(filesystem, f"{path}/{name}")
        except FileNotFoundError:
            return []
        return [f"{name}/{one.rpartition('/')[2]}" for one in names]

    def inside(self, name: str) -> "FsspecFolder":
        """Return the folder of this name behind this one."""
        return FsspecFolder(f"{self.url.rstrip('/')}/{name}", self.storage_options)

    def clear(self, last: str | None = None) -> None:
        """Delete all objects with this prefix; a lease stays."""
        with self._filesystem() as (filesystem, path):
            if last is not None:
                kept = (f"/{last}", f"/{LEASE}/")
                exists = filesystem.exists(path)
                names = _listed(filesystem, path) if exists else []
                others = [
                    name
                    for name in names
                    if not name.endswith(kept[0]) and kept[1] not in name
                ]
                if others:
                    filesystem.rm(others)
            filesystem.invalidate_cache()
            entries = (
                filesystem.ls(path, detail=False) if filesystem.exists(path) else []
            )
            for entry in entries:
                if entry.rstrip("/").rpartition("/")[2] != LEASE:
                    filesystem.rm(entry, recursive=True)
            filesystem.invalidate_cache()

    @contextmanager
    def _filesystem(self) -> Iterator[tuple[Any, str]]:
        """Yield the filesystem, and the path of this folder in it."""
        with _faults(self.url):
            try:
                reached = fsspec.core.url_to_fs(self.url, **self.storage_options)
            except (ImportError, ValueError) as error:
                raise ExportError(f"No filesystem: {error}", url=self.url) from error
            filesystem, path = reached
            yield filesystem, str(path).rstrip("/")


@dataclass(frozen=True, slots=True)
class StoreFolder(_WholeObjects):
    """Any store object of zarr, or what begins with a prefix in it."""

    store: Store
    prefix: str = ""
    """Empty, or names with a slash behind each."""

    @property
    def url(self) -> str:
        """How the store calls itself."""
        return f"{self.store}/{self.prefix}" if self.prefix else str(self.store)

    def get(
        self, key: str, start: int | None = None, stop: int | None = None
    ) -> bytes | None:
        """Read a value, or a part of it."""
        span = None if stop is None else RangeByteRequest(start or 0, stop)
        buffer = self._ask(
            self.store.get(self.prefix + key, default_buffer_prototype(), span)
        )
        return None if buffer is None else buffer.to_bytes()

    def size(self, key: str) -> int | None:
        """Return the length of a value, as the store knows it."""
        try:
            return self._ask(self.store.getsize(self.prefix + key))
        except FileNotFoundError:
            return None

    def put(self, key: str, data: bytes | bytearray) -> None:
        """Set a value."""
        buffer = default_buffer_prototype().buffer.from_bytes(bytes(data))
        self._ask(self.store.set(self.prefix + key, buffer))

    def delete(self, key: str) -> None:
        """Delete a value."""
        self._ask(self.store.delete(self.prefix + key))

    def is_empty(self) -> bool:
        """Whether the store has no key."""
        return self._ask(_has_nothing(self.store, self.prefix))

    def keys(self, name: str) -> list[str]:
        """Return all keys with this prefix."""
        keys = self._ask(_keys(self.store, f"{self.prefix}{name}/"))
        return [key.removeprefix(self.prefix) for key in keys]

    def inside(self, name: str) -> "StoreFolder":
        """Return what has this name and a slash before its own."""
        return StoreFolder(self.store, f"{self.prefix}{name}/")

    def clear(self, last: str | None = None) -> None:
        """Delete all keys; a lease stays."""
        if last is not None:
            self._ask(_delete_others(self.store, self.prefix, last))
        self._ask(_delete_others(self.store, self.prefix, None))

    def _ask(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        with _faults(self.url):
            return _await(coroutine)


def _listed(filesystem: Any, path: str) -> list[str]:  # noqa: ANN401 (of fsspec)
    """List all names, those of others too: what is listed is not there for ever."""
    filesystem.invalidate_cache()
    names: list[str] = filesystem.find(path)
    filesystem.invalidate_cache()
    return names


def open_store(store: Store) -> StoreFolder:
    """Open a store, as zarr's own functions do with what they are given."""
    with _faults(str(store)):
        _await(store._ensure_open())  # noqa: SLF001 (there is no public name)
    return StoreFolder(store)


@contextmanager
def _faults(url: str) -> Iterator[None]:
    """Make an error of ours of what a filesystem or a store raises.

    That an object is absent is known, and stays what it is.
    """
    try:
        yield
    except (LazyDicomError, FileNotFoundError):
        raise
    except Exception as error:  # each of them has a tree of its own
        first_line = str(error).strip().partition("\n")[0]
        reason = f"{type(error).__name__}: {redact_url(first_line)}"
        if isinstance(error, TypeError) and "keyword argument" in first_line:
            option = first_line.rpartition("keyword argument")[2].strip()
            message = f"storage_options has what the filesystem does not know: {option}"
            raise ExportError(message, url=url) from error
        if "credential" in first_line.lower():
            reason += "; storage_options takes them"
        raise ExportError(f"The store failed: {reason}", url=url) from error


async def _keys(store: Store, prefix: str) -> list[str]:
    return [key async for key in store.list_prefix(prefix)]


async def _has_nothing(store: Store, prefix: str) -> bool:
    lease = f"{prefix}{LEASE}/"
    async for key in store.list_prefix(prefix):
        if not key.startswith(lease):
            return False
    return True


async def _delete_others(store: Store, prefix: str, last: str | None) -> None:
    lease = f"{prefix}{LEASE}/"
    keys = [
        key
        for key in await _keys(store, prefix)
        if key != f"{prefix}{last}" and not key.startswith(lease)
    ]
    await asyncio.gather(*map(store.delete, keys))


def _await(coroutine: Coroutine[Any, Any, _T]) -> _T:
    """Run on one loop for the whole process: clients of a store live on it."""
    loop, tasks = _loop(), list[asyncio.Task[_T]]()
    ended: SimpleQueue[asyncio.Task[_T]] = SimpleQueue()  # an interrupt breaks no lock

    def begin() -> None:
        tasks.append(loop.create_task(coroutine))
        tasks[0].add_done_callback(ended.put)

    loop.call_soon_threadsafe(begin)
    return ended.get().result()


@per_process
def _loop() -> asyncio.AbstractEventLoop:
    """Run a loop in a thread of its own."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="lazydicom-io", daemon=True).start()
    return loop
