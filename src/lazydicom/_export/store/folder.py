"""Where the objects of a store go: a folder of names, on a disk or behind a network."""

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any, Final, Protocol, TypeAlias

from numpy.typing import NDArray

from lazydicom._bytes.local.source import open_file
from lazydicom._bytes.quick_dataclass import dataclass
from lazydicom.errors import ExportError

Part: TypeAlias = bytes | memoryview | NDArray[Any]
Write: TypeAlias = Callable[[Sequence[Part]], None]

LEASE: Final = "lazydicom.lease"
"""What stands in a store while an export writes into it; it is no part of the store."""
_MOST_PARTS: Final = 512
CLOSE_ON_EXEC: Final = getattr(os, "O_CLOEXEC", 0)
_BINARY: Final = getattr(os, "O_BINARY", 0)
"""Windows would turn line ends."""
"""Parts of one `writev`; Linux takes 1024."""


class Folder(Protocol):
    """Objects by name.

    It pickles by name, so that other processes can write into it.
    """

    @property
    def url(self) -> str:
        """Where it is."""
        ...

    @property
    def appends(self) -> bool:
        """Whether `append` works, and objects need no memory while they are written."""
        ...

    def get(
        self, key: str, start: int | None = None, stop: int | None = None
    ) -> bytes | None:
        """Read an object, or a part of it; ``None`` where there is none."""
        ...

    def size(self, key: str) -> int | None:
        """Return the length of an object, ``None`` where there is none."""
        ...

    def put(self, key: str, data: bytes) -> None:
        """Write a whole object, or nothing."""
        ...

    def writing(self, key: str) -> AbstractContextManager[Write]:
        """Write an object part by part; only the end of the block makes it whole."""
        ...

    def append(self, key: str, data: bytes) -> None:
        """Write behind the end of an object."""
        ...

    def delete(self, key: str) -> None:
        """Delete an object, if it is there."""
        ...

    def is_empty(self) -> bool:
        """Whether there is no object at all."""
        ...

    def keys(self, name: str) -> list[str]:
        """Return all keys that begin with a name and a slash."""
        ...

    def inside(self, name: str) -> "Folder":
        """Return the folder of this name that is a part of this one."""
        ...

    def clear(self, last: str | None = None) -> None:
        """Delete everything, one object after all others where somebody may ask for it."""
        ...


@dataclass(frozen=True, slots=True)
class LocalFolder:
    """A folder of this machine."""

    path: str
    appends: bool = True

    @property
    def url(self) -> str:
        """The path."""
        return self.path

    def get(
        self, key: str, start: int | None = None, stop: int | None = None
    ) -> bytes | None:
        """Read a file, or a part of it."""
        try:
            with self._file(key).open("rb", buffering=0) as file:
                begin, end = start or 0, os.fstat(file.fileno()).st_size
                file.seek(begin)
                return file.read(max(min(stop or end, end) - begin, 0))
        except (FileNotFoundError, NotADirectoryError):
            return None

    def size(self, key: str) -> int | None:
        """Return the length of a file."""
        try:
            return self._file(key).stat().st_size
        except (FileNotFoundError, NotADirectoryError):
            return None

    def put(self, key: str, data: bytes) -> None:
        """Write beside, bring to the disk, rename."""
        path = self._file(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(path.name + ".new")
        with removed_after_an_error(beside), beside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)

    @contextmanager
    def writing(self, key: str) -> Iterator[Write]:
        """Write parts as they come, without a copy in between."""
        descriptor = _create(f"{self.path}/{key}")
        try:
            yield lambda parts: _write_all(descriptor, parts)
        finally:
            os.close(descriptor)

    def append(self, key: str, data: bytes) -> None:
        """Append in one write, so that only the last line can be torn."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | CLOSE_ON_EXEC | _BINARY
        os.makedirs(self.path, exist_ok=True)  # noqa: PTH103 (a string, as the rest)
        descriptor = open_file(f"{self.path}/{key}", flags, 0o666)
        try:
            _write_all(descriptor, [data])
        finally:
            os.close(descriptor)

    def delete(self, key: str) -> None:
        """Delete a file, and its folder if it was the last one there."""
        file = self._file(key)
        file.unlink(missing_ok=True)
        if file.parent != Path(self.path):
            with suppress(OSError):
                file.parent.rmdir()

    def is_empty(self) -> bool:
        """Whether nothing is there."""
        path = Path(self.path)
        return not path.exists() or (path.is_dir() and not any(path.iterdir()))

    def keys(self, name: str) -> list[str]:
        """Return the files in a folder of this one."""
        folder = Path(self.path, name)
        return (
            [f"{name}/{one.name}" for one in folder.iterdir()]
            if folder.is_dir()
            else []
        )

    def inside(self, name: str) -> "LocalFolder":
        """Return the folder of this name in this one."""
        return LocalFolder(f"{self.path}/{name}")

    def clear(self, last: str | None = None) -> None:
        """Delete the folder."""
        del last  # no store is written in place here
        shutil.rmtree(self.path, ignore_errors=not Path(self.path).exists())

    def _file(self, key: str) -> Path:
        return Path(self.path, key)


def refuse_links(folder: Folder) -> None:
    """Refuse to go on with what somebody else made: a link would be written through.

    Raises
    ------
    ExportError
        If a link stands in a folder of this machine, or for it.
    """
    waiting = [folder.path] if isinstance(folder, LocalFolder) else []
    if any(map(os.path.islink, waiting)):
        raise ExportError("A link stands for an unfinished export", url=folder.url)
    while waiting:
        with (
            suppress(NotADirectoryError, FileNotFoundError),
            os.scandir(waiting.pop()) as files,
        ):
            for file in files:
                if file.is_symlink():
                    message = (
                        "A link stands in an unfinished export; overwrite=True helps"
                    )
                    raise ExportError(message, url=folder.url)
                if file.is_dir(follow_symlinks=False):
                    waiting.append(file.path)


@contextmanager
def removed_after_an_error(path: Path) -> Iterator[None]:
    """Leave no half-written file of this name, whatever stops its writing."""
    try:
        yield
    except BaseException:
        with suppress(OSError):
            path.unlink()
        raise


def as_bytes(part: Any) -> memoryview:  # noqa: ANN401 (any buffer; 3.11 has no name for it)
    """View a part as bytes."""
    return memoryview(part).cast("B")


def _create(path: str) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | CLOSE_ON_EXEC | _BINARY
    try:
        return open_file(path, flags, 0o666)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(path), exist_ok=True)  # noqa: PTH103, PTH120
        return open_file(path, flags, 0o666)


def _write(descriptor: int, parts: Sequence[memoryview]) -> int:
    """Write some parts with one call, or the first of them where there is no such call."""
    if hasattr(os, "writev"):
        return os.writev(descriptor, parts)
    return os.write(descriptor, parts[0])


def _write_all(descriptor: int, parts: Sequence[Part]) -> None:
    waiting = [view for view in map(as_bytes, parts) if view]
    while waiting:
        written = _write(descriptor, waiting[:_MOST_PARTS])
        while waiting and written >= len(waiting[0]):
            written -= len(waiting.pop(0))
        if written:
            waiting[0] = waiting[0][written:]
