"""An export that is killed, or whose disk or network fails, is resumed to the same bytes.

Until then nothing that zarr opens stands at its place.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from contextlib import nullcontext
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import fsspec
import numpy as np
import pytest
import warm_process
import zarr
from dicom_files import make_native
from fsspec.implementations.memory import MemoryFileSystem
from interrupts import is_interrupted
from obstore.store import S3Store
from series_files import write_volume
from servers import free_port
from tools import skip_outside_ci
from zarr.storage import ObjectStore

import lazydicom
from lazydicom._array.grid import FrameGrid
from lazydicom._export.store.target import _only_export
from lazydicom.errors import ExportError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "frames": ("out.zarr", {"chunks": 1}),
    "shards": ("out.zarr", {"chunks": (1, 32, 32), "shards": (20, 64, 32)}),
    "zip": ("out.zip", {"chunks": 5, "compressors": "gzip"}),
    "group": ("out.zarr", {"chunks": 3, "name": "pixels"}),
}
CHILD = """
import sys
source, store, options = sys.argv[1], sys.argv[2], eval(sys.argv[3])
array = lazydicom.open_image(source)
export = lazydicom.to_ome_zarr if "levels" in options else lazydicom.to_zarr
print("go", flush=True)
export(array, store, resume=True, **options)
"""
KILLED: dict[str, tuple[str, dict[str, Any]]] = {
    **KINDS,
    "levels": ("out.zarr", {"chunks": (3, 32, 64), "levels": 4}),
}
FEW, MANY = 2, 10
"""Kills of each kind: in CI, and where `heavy` asks for 40 in all."""


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pixels = np.random.default_rng(5).integers(0, 4096, (300, 64, 64), np.uint16)
    path = tmp_path_factory.mktemp("source") / "image.dcm"
    path.write_bytes(make_native(pixels))
    return path


def content(store: Path) -> dict[str, bytes]:
    """Give every file below, or the one file that a zip is."""
    if store.is_file():
        return {"": store.read_bytes()}
    files = (path for path in store.rglob("*") if path.is_file())
    return {str(path.relative_to(store)): path.read_bytes() for path in files}


def looks_complete(store: Path) -> bool:
    if store.suffix == ".zip":
        return store.exists()
    try:
        zarr.open(str(store), mode="r")
    except FileNotFoundError:
        return False
    return True


def export_and_kill(arguments: list[str], after_s: float) -> float | None:
    """Kill an export some time after it began; give its duration if it ended before."""
    child, stdout = warm_process.start(CHILD, *arguments)
    with stdout:
        assert stdout.readline() == "go\n"
    started = time.monotonic()
    child.join(after_s)
    if child.exitcode is None:
        child.kill()
        child.join()
        return None
    assert child.exitcode == 0
    return time.monotonic() - started


def kill_campaign(source: Path, folder: Path, kind: str, kills: int) -> None:
    name, options = KILLED[kind]
    arguments = [str(source), "{}", repr({**options, "workers": 2})]
    whole = folder / "whole" / name
    arguments[1] = str(whole)
    duration = export_and_kill(arguments, after_s=60)
    assert duration is not None
    chance, killed, patience = random.Random(kind), 0, duration
    while killed < kills:
        store = folder / f"killed{killed}" / name
        arguments[1] = str(store)
        while export_and_kill(arguments, chance.uniform(0, patience)) is None:
            killed, patience = (
                killed + 1,
                1.5 * patience,
            )  # it ends on a busy machine, too
            assert not looks_complete(store) or content(store) == content(whole)
        killed, patience = killed + 1, duration  # so that a run of luck ends, too

        assert content(store) == content(whole)
        assert [path.name for path in store.parent.iterdir()] == [name]
        assert lazydicom.verify(store, lazydicom.open_image(source)).ok


@pytest.mark.parametrize("kind", KINDS)
def test_killed_exports_are_resumed_to_the_same_bytes(
    kind: str, source: Path, tmp_path: Path
) -> None:
    kill_campaign(source, tmp_path, kind, FEW)


@pytest.mark.heavy
@pytest.mark.parametrize("kind", KILLED)
def test_forty_killed_exports_are_resumed_to_the_same_bytes(
    kind: str, source: Path, tmp_path: Path
) -> None:
    kill_campaign(source, tmp_path, kind, MANY)


@pytest.mark.parametrize("kind", KINDS)
def test_an_interrupted_export_continues_where_it_was(
    kind: str, source: Path, tmp_path: Path
) -> None:
    name, options = KINDS[kind]
    array = lazydicom.open_image(source)
    lazydicom.to_zarr(array, tmp_path / "whole" / name, **options)
    store = tmp_path / "resumed" / name

    def stop(done: int, total: int, _nbytes: int) -> None:
        if 2 * done >= total:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        lazydicom.to_zarr(array, store, workers=1, progress=stop, **options)
    assert not looks_complete(store)
    with pytest.raises(ExportError, match="unfinished"):
        lazydicom.verify(store)
    with pytest.raises(ExportError, match="resume=True continues it"):
        lazydicom.to_zarr(array, store, **options)
    report = lazydicom.to_zarr(array, store, resume=True, **options)

    assert 2 * report.kept_chunks >= report.number_of_chunks
    assert content(store) == content(tmp_path / "whole" / name)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="no /proc")
def test_an_interrupt_at_any_moment_leaves_no_store_locked(tmp_path: Path) -> None:
    url, opened = str(tmp_path / "x.zarr"), Path("/proc/self/fd")

    def lock() -> None:
        with _only_export(url):
            pass

    lock()
    before = len(list(opened.iterdir()))
    for moment in count():
        interrupted = is_interrupted(moment, lock)

        lock()  # or it says that another export writes
        assert len(list(opened.iterdir())) == before, moment
        if not interrupted:
            break

    assert moment > 20
    assert not list(tmp_path.iterdir())


def test_chunks_damaged_meanwhile_are_written_again(
    source: Path, tmp_path: Path
) -> None:
    array, store = lazydicom.open_image(source), tmp_path / "x"

    def stop(_done: int, _total: int, _nbytes: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        lazydicom.to_zarr(array, store, chunks=1, workers=1, progress=stop)
    chunk = tmp_path / "x.partial" / "c" / "0" / "0" / "0"
    chunk.write_bytes(bytes(len(chunk.read_bytes())))
    report = lazydicom.to_zarr(array, store, chunks=1, resume=True)

    assert report.kept_chunks > 0
    assert lazydicom.verify(store, array).ok


def interrupted(source: Path, store: Path) -> Path:
    """Leave the journal of an export that had written everything; give its place."""

    def stop(_done: int, _total: int, _nbytes: int) -> None:
        raise KeyboardInterrupt

    array = lazydicom.open_image(source)
    with pytest.raises(KeyboardInterrupt):
        lazydicom.to_zarr(array, store, chunks=50, workers=1, progress=stop)
    return Path(f"{store}.partial", "lazydicom.journal", "000000")


@pytest.mark.parametrize(
    "line",
    [
        b"5",
        b"[]",
        b'{"c/0/0/0":5}',
        b'{"c/0/0/0":[[1,2]]}',
        b'{"c/0/0/0":[[1,2,3',
        b"\xff",
    ],
)
def test_lines_of_a_journal_that_note_nothing_are_passed_over(
    line: bytes, source: Path, tmp_path: Path
) -> None:
    store, array = tmp_path / "x", lazydicom.open_image(source)
    journal = interrupted(source, store)
    journal.write_bytes(journal.read_bytes() + line + b"\n")

    report = lazydicom.to_zarr(array, store, chunks=50, resume=True)

    assert report.kept_chunks > 0
    assert lazydicom.verify(store, array).ok


def test_a_journal_without_a_plan_is_an_error_of_ours(
    source: Path, tmp_path: Path
) -> None:
    store, array = tmp_path / "x", lazydicom.open_image(source)
    journal = interrupted(source, store)
    journal.write_bytes(journal.read_bytes()[20:])

    with pytest.raises(ExportError, match=r"is no journal .* overwrite=True"):
        lazydicom.to_zarr(array, store, chunks=50, resume=True)
    lazydicom.to_zarr(array, store, chunks=50, overwrite=True)

    assert lazydicom.verify(store, array).ok


def test_only_the_same_export_is_resumed(source: Path, tmp_path: Path) -> None:
    array = lazydicom.open_image(source)
    other = lazydicom.open_image(make_native(number_of_frames=300, rows=64, columns=64))
    lazydicom.to_zarr(array, tmp_path / "x", chunks=3)

    again = lazydicom.to_zarr(array, tmp_path / "x", chunks=3, resume=True)
    with pytest.raises(ExportError, match="other chunks"):
        lazydicom.to_zarr(array, tmp_path / "x", chunks=2, resume=True)
    with pytest.raises(ExportError, match="another source"):
        lazydicom.to_zarr(other, tmp_path / "x", chunks=3, resume=True)

    assert again.kept_chunks == again.number_of_chunks


def test_holes_of_another_value_are_another_export(tmp_path: Path) -> None:
    array = lazydicom.open_image(make_native())
    grid = FrameGrid(np.array([0, -1, 2]))
    seven, nine = (replace(array, grid=grid, fill_value=value) for value in (7, 9))
    lazydicom.to_zarr(seven, tmp_path / "x")

    with pytest.raises(ExportError, match="another source"):
        lazydicom.to_zarr(nine, tmp_path / "x", resume=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount 2 MB of memory as a disk."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "none", str(place)]
    if os.name != "posix" or os.geteuid() != 0 or subprocess.call(mount):
        skip_outside_ci("a small disk needs root and mount")
    yield place
    subprocess.check_call(["umount", str(place)])


def test_a_series_filled_with_another_value_is_another_export(tmp_path: Path) -> None:
    write_volume(tmp_path, skip=frozenset((2,)))
    with pytest.warns(match="missing"):
        zeros, nines = (
            lazydicom.open_series(tmp_path, on_gap="fill", fill_value=value)
            for value in (0, 9)
        )
    lazydicom.to_zarr(zeros, tmp_path / "out.zarr")

    with pytest.raises(ExportError, match="another source"):
        lazydicom.to_zarr(nines, tmp_path / "out.zarr", resume=True)


@pytest.mark.parametrize("kind", KINDS)
def test_a_full_disk_is_an_error_and_the_export_resumes(
    kind: str, source: Path, small_disk: Path, tmp_path: Path
) -> None:
    name, options = KINDS[kind]
    array = lazydicom.open_image(source)
    lazydicom.to_zarr(array, tmp_path / name, **options)
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(1_200_000))

    with pytest.raises(ExportError, match="No space left on device"):
        lazydicom.to_zarr(array, small_disk / name, **options)
    assert not looks_complete(small_disk / name)
    ballast.unlink()
    subprocess.check_call(["mount", "-o", "remount,size=40m", str(small_disk)])
    lazydicom.to_zarr(array, small_disk / name, resume=True, **options)

    assert content(small_disk / name) == content(tmp_path / name)


class FailingFileSystem(MemoryFileSystem):  # type: ignore[misc]
    """Takes some objects, then refuses all."""

    protocol = "failing"
    left: ClassVar[int] = 0

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite") -> None:
        self._answer()
        super().pipe_file(path, value, mode)

    def rm_file(self, path: str) -> None:
        self._answer()
        super().rm_file(path)

    def rm(
        self,
        path: str | list[str],
        recursive: bool = False,
        maxdepth: int | None = None,
    ) -> None:
        """Delete in an order that only chance knows, as object stores do."""
        del maxdepth
        names = self.expand_path(path, recursive=recursive)
        for name in sorted(filter(self.isfile, names), reverse=True):
            self.rm_file(name)

    def _answer(self) -> None:
        if FailingFileSystem.left == 0:
            raise OSError("503 Slow Down")
        FailingFileSystem.left -= 1


REQUESTS_BEHIND_THE_STORE = 1
"""A token is taken away last of all; one that stays is known to be of a dead export."""


@pytest.mark.parametrize("shards", [None, 50])
def test_a_failing_network_is_an_error_and_the_export_resumes(
    shards: int | None, source: Path
) -> None:
    fsspec.register_implementation("failing", FailingFileSystem, clobber=True)
    filesystem, array = FailingFileSystem(), lazydicom.open_image(source)
    chunks = 10 if shards else 50  # six objects each
    options: dict[str, Any] = {"chunks": chunks, "shards": shards, "workers": 2}
    FailingFileSystem.left = 1000
    whole = f"failing://whole-{shards}"
    lazydicom.to_zarr(array, whole, **options)
    needed = 1000 - FailingFileSystem.left

    for allowed in range(needed):
        url = f"failing://{shards}-{allowed}"
        FailingFileSystem.left = allowed
        complete = allowed >= needed - REQUESTS_BEHIND_THE_STORE
        expected = pytest.raises(ExportError, match="503 Slow Down")
        with nullcontext() if complete else expected:
            lazydicom.to_zarr(array, url, **options)
        assert filesystem.exists(f"{url}/zarr.json") == complete
        FailingFileSystem.left = 1000
        lazydicom.to_zarr(array, url, resume=True, **options)

        assert objects(filesystem, url) == objects(filesystem, whole)


@pytest.mark.parametrize("finished", [True, False])
def test_a_replacement_that_fails_while_it_deletes_can_be_made_again(
    source: Path, *, finished: bool
) -> None:
    fsspec.register_implementation("failing", FailingFileSystem, clobber=True)
    old, new = lazydicom.open_image(source), lazydicom.open_image(make_native())

    def stop(done: int, total: int, _nbytes: int) -> None:
        if done == total:
            raise KeyboardInterrupt

    for allowed in range(9):
        url = f"failing://replaced-{finished}-{allowed}"
        FailingFileSystem.left = 1000
        with nullcontext() if finished else pytest.raises(KeyboardInterrupt):
            lazydicom.to_zarr(old, url, chunks=50, progress=None if finished else stop)
        FailingFileSystem.left = allowed
        with pytest.raises(ExportError, match="503 Slow Down"):
            lazydicom.to_zarr(new, url, overwrite=True)
        FailingFileSystem.left = 1000
        lazydicom.to_zarr(new, url, overwrite=True)

        assert lazydicom.verify(url, new).ok


@pytest.mark.parametrize("client", ["fsspec", "obstore"])
def test_a_store_that_nobody_answers_for_is_an_error_of_ours(
    client: str, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("s3fs.S3FileSystem.retries", 1)  # else seconds of waits
    array = lazydicom.open_image(source)
    endpoint = f"http://127.0.0.1:{free_port()}"
    options: dict[str, Any] = {
        "key": "me",
        "secret": "canary",
        "endpoint_url": endpoint,
        "config_kwargs": {"retries": {"total_max_attempts": 1}},
    }
    place: str | ObjectStore[S3Store] = "s3://bucket/x.json"
    if client == "obstore":
        options, kept = (
            {},
            S3Store(
                "bucket",
                endpoint=endpoint,
                region="us-east-1",
                access_key_id="me",
                secret_access_key="canary",  # noqa: S106
                client_options={"allow_http": True},
                retry_config={"max_retries": 0},
            ),
        )
        place = ObjectStore(kept)
    works: list[Callable[[], object]] = [
        lambda: lazydicom.to_zarr(array, place, storage_options=options),
        lambda: lazydicom.verify(place, storage_options=options),
    ]
    if isinstance(place, str):
        url = place
        works += [lambda: lazydicom.to_references(array, url, storage_options=options)]

    for work in works:
        with pytest.raises(ExportError, match="The store failed: ") as error:
            work()
        assert "canary" not in str(error.value)


def objects(filesystem: MemoryFileSystem, url: str) -> dict[str, bytes]:
    root = filesystem._strip_protocol(url)
    return {
        path.removeprefix(root): filesystem.cat_file(path)
        for path in filesystem.find(root)
    }


def test_an_interrupted_replacement_keeps_the_old_store_and_resumes(
    source: Path, tmp_path: Path
) -> None:
    old = lazydicom.open_image(make_native())
    array, store = lazydicom.open_image(source), tmp_path / "x"
    lazydicom.to_zarr(old, store)

    def stop(_done: int, _total: int, _nbytes: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        lazydicom.to_zarr(array, store, overwrite=True, progress=stop)
    assert lazydicom.verify(store, old).ok
    lazydicom.to_zarr(array, store, resume=True)

    assert lazydicom.verify(store, array).ok
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_two_exports_into_one_place_do_not_mix(tmp_path: Path) -> None:
    array, out = lazydicom.open_image(make_native()), tmp_path / "new" / "out.zarr"
    refused: list[str] = []

    def export_too(*_: int) -> None:
        for other in (
            lambda: lazydicom.to_zarr(array, out, resume=True),
            lambda: lazydicom.to_ome_zarr(array, out, overwrite=True),
        ):
            with pytest.raises(
                ExportError, match="Another export writes here"
            ) as error:
                other()
            refused.append(str(error.value))

    lazydicom.to_zarr(array, out, progress=export_too)

    assert len(refused) >= 2
    assert lazydicom.verify(out, array).ok
    assert [path.name for path in out.parent.iterdir()] == ["out.zarr"]


def test_a_killed_export_leaves_no_lock_that_holds(tmp_path: Path) -> None:
    out = tmp_path / "out.zarr"
    code = (
        "import os, signal, sys\n"
        "array = lazydicom.open_image(sys.argv[1])\n"
        "die = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "lazydicom.to_zarr(array, sys.argv[2], chunks=1, progress=die)\n"
    )
    file = tmp_path / "file.dcm"
    file.write_bytes(make_native())

    killed = warm_process.start(code, file, out)
    killed.read()
    report = lazydicom.to_zarr(lazydicom.open_image(file), out, chunks=1, resume=True)

    assert killed.process.exitcode == -signal.SIGKILL
    assert lazydicom.verify(report.url).ok
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file.dcm", "out.zarr"]
