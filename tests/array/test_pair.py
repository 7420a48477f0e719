"""A read of some MiB is shared by two threads, and is what one thread reads."""

from __future__ import annotations

import os
import sys
import threading
import time
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from dicom_files import make_native
from forked import in_child
from interrupts import is_interrupted

import lazydicom
from lazydicom._array.work import native_runs, pair
from lazydicom._array.work.parallel import Task
from lazydicom._bytes.local.source import read_into
from lazydicom.errors import LazyDicomError, SourceChangedError

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.skipif(not hasattr(os, "preadv"), reason="no preadv")

FRAMES = 11


class Always(pair.Help):
    """Wants help whatever the clock says."""

    def note(self, seconds: float, nbytes: int, *, shared: bool) -> None:
        """Learn nothing."""


class Never(Always):
    """Wants none."""

    def __init__(self) -> None:
        super().__init__()
        self.is_wanted = False


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Share reads of 200 bytes, as on two cores."""
    monkeypatch.setattr(native_runs, "_WORTH_TWO", 200)
    monkeypatch.setattr(pair, "is_alone", lambda: True)
    monkeypatch.setattr(pair, "_is_idle", lambda: True)
    monkeypatch.setattr(pair, "_help_with_reads", Always)


@pytest.fixture
def pixels() -> np.ndarray:
    return np.random.default_rng(7).integers(0, 1 << 16, (FRAMES, 9, 7), np.uint16)


@pytest.fixture
def path(tmp_path: Path, pixels: np.ndarray) -> Path:
    path = tmp_path / "a.dcm"
    path.write_bytes(make_native(pixels))
    return path


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Note the lengths of reads that were shared."""
    lengths: list[int] = []
    share = pair._Read.share

    def noted(read: pair._Read) -> None:
        lengths.append(read._out.nbytes)
        share(read)

    monkeypatch.setattr(pair._Read, "share", noted)
    return lengths


@pytest.mark.parametrize("count", [1, 2, 3, 8, 11])
@pytest.mark.parametrize("start", [0, 3])
def test_shared_reads_are_the_frames_of_the_file(
    path: Path, pixels: np.ndarray, shared: list[int], start: int, count: int
) -> None:
    array, key = lazydicom.open_image(path), slice(start, start + count)
    out = np.empty_like(pixels[key])

    for _ in range(20):
        out[:] = 9
        assert np.array_equal(array.read(key, out=out), pixels[key])
    assert np.array_equal(array[key], pixels[key])

    if count < 2:
        return
    assert len(shared) == 21
    assert shared[0] == pixels[key].nbytes


@pytest.mark.parametrize("bits_stored", [12, 16])
def test_unused_bits_are_cleared(
    tmp_path: Path, pixels: np.ndarray, bits_stored: int
) -> None:
    path = tmp_path / "a.dcm"
    path.write_bytes(make_native(pixels, bits_stored=bits_stored))

    read = lazydicom.open_image(path).read(slice(1, 9))

    assert np.array_equal(read, pixels[1:9] & ((1 << bits_stored) - 1))


def test_who_asks_for_one_thread_gets_one(path: Path, shared: list[int]) -> None:
    array = lazydicom.open_image(path)

    array.read(slice(2, 9), threads=1)
    array.read(slice(2, 3), threads=1)
    list(array)

    assert shared == []


def test_busy_cores_are_left_alone(
    path: Path, shared: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pair, "_is_idle", lambda: False)

    lazydicom.open_image(path).read(slice(2, 9))

    assert shared == []


@pytest.mark.parametrize(
    "change",
    [
        lambda path: os.truncate(path, 900),
        lambda path: os.truncate(path, 90_000),
        lambda path: path.unlink(),
        lambda path: (
            path.with_name("b").write_bytes(path.read_bytes())
            and path.with_name("b").replace(path)
        ),
    ],
    ids=["cut", "grown", "gone", "replaced"],
)
def test_a_file_that_changed_is_an_error(
    path: Path, change: Callable[[Path], object]
) -> None:
    array = lazydicom.open_image(path)
    array.read(slice(2, 9))

    change(path)

    with pytest.raises(SourceChangedError):
        array.read(slice(2, 9))


def test_frames_that_do_not_exist_are_an_error(path: Path) -> None:
    array = lazydicom.open_image(path)

    with pytest.raises(LazyDicomError):
        array.images[0].read_run(8, np.empty((5, 9, 7), np.uint16))


@pytest.mark.parametrize("who", ["caller", "helper"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(5, "broken")])
def test_an_error_of_either_thread_comes_out_and_nobody_writes_afterwards(
    path: Path,
    pixels: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
    who: str,
    error: BaseException,
) -> None:
    array = lazydicom.open_image(path)
    both, caller = threading.Barrier(2), threading.get_ident()

    def fail(descriptor: int, view: memoryview, offset: int) -> int:
        if not both.broken:
            both.wait(2)
        if (threading.get_ident() == caller) == (who == "caller"):
            both.abort()
            raise error
        time.sleep(0.005)
        return read_into(descriptor, view, offset)

    monkeypatch.setattr(pair, "read_into", fail)
    out = np.empty_like(pixels[2:9])
    with pytest.raises(
        (KeyboardInterrupt, LazyDicomError, threading.BrokenBarrierError)
    ):
        array.read(slice(2, 9), out=out)
    out[:] = 1
    time.sleep(0.02)
    monkeypatch.setattr(pair, "read_into", read_into)

    assert (out == 1).all()
    assert np.array_equal(array.read(slice(2, 9)), pixels[2:9])


def test_a_helper_that_does_not_come_is_not_waited_for(
    path: Path, pixels: np.ndarray
) -> None:
    free = threading.Event()

    def wait() -> None:
        free.wait(10)

    pair.helped().put(Task(wait))

    read = lazydicom.open_image(path).read(slice(2, 9))
    free.set()

    assert np.array_equal(read, pixels[2:9])


@pytest.fixture
def _helper_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the other thread end before the caller begins."""

    def in_turn(own: Callable[[], None], others: Callable[[], None]) -> None:
        task = Task(others)
        thread = threading.Thread(target=task.help)
        thread.start()
        thread.join()
        own()
        task.raise_error()

    monkeypatch.setattr(pair, "_share", in_turn)


def descriptors() -> int:
    """Return how many files are open, where that can be told."""
    open_files = Path("/proc/self/fd")
    return len(list(open_files.iterdir())) if open_files.exists() else 0


@pytest.mark.usefixtures("_helper_first")
def test_who_helps_may_come_before_the_file_is_open(
    path: Path, pixels: np.ndarray
) -> None:
    before = descriptors()

    for stop in (2, 7, 11):
        read = lazydicom.open_image(path).read(slice(0, stop))
        assert np.array_equal(read, pixels[:stop])

    assert descriptors() == before


@pytest.mark.usefixtures("_helper_first")
@pytest.mark.parametrize("moment", [1, 2])
def test_a_file_that_is_replaced_between_two_openings_is_an_error(
    path: Path, monkeypatch: pytest.MonkeyPatch, moment: int
) -> None:
    array, really, opened = lazydicom.open_image(path), os.open, list[int]()
    other = path.with_name("b")
    other.write_bytes(path.read_bytes())

    def replacing(name: str, *arguments: int) -> int:
        opened.append(len(opened) + 1)
        if opened[-1] == moment:
            other.replace(path)
        return really(name, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", replacing)
        with pytest.raises(SourceChangedError):
            array.read(slice(2, 9))
    assert opened == [1, 2]


@pytest.mark.parametrize("nbytes", [1, 5, 31, 32, 33, 64, 200, 4096, (1 << 22) + 7])
def test_pieces_are_all_of_a_read(nbytes: int) -> None:
    edges = [edge for piece in pair._pieces(nbytes) for edge in piece]

    assert (edges[0], edges[-1]) == (0, nbytes)
    assert edges[1:-1:2] == edges[2:-1:2]
    assert edges == sorted(edges)


@pytest.mark.parametrize("length_s", [0, 0.001])
def test_after_an_interrupt_at_any_moment_nobody_writes(length_s: float) -> None:
    helping: list[int] = []

    def work() -> None:
        if threading.current_thread() is not threading.main_thread():
            helping.append(1)
            time.sleep(length_s)
            helping.pop()

    for moment in count():
        interrupted = is_interrupted(moment, partial(pair._share, work, work))

        assert not helping, moment
        if not interrupted:
            break


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_child_has_a_helper_of_its_own(path: Path, pixels: np.ndarray) -> None:
    array = lazydicom.open_image(path)
    array.read(slice(2, 9))

    def reads() -> bool:
        return np.array_equal(array.read(slice(2, 9)), pixels[2:9])

    assert in_child(reads) == 0


def test_who_wants_no_help_reads_the_same_frames_alone(
    path: Path,
    pixels: np.ndarray,
    shared: list[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pair, "_help_with_reads", Never)
    array = lazydicom.open_image(path)

    assert np.array_equal(array.read(slice(2, 9)), pixels[2:9])
    os.truncate(path, 900)

    assert shared == []
    with pytest.raises(SourceChangedError):
        array.read(slice(2, 9))


def wishes(
    *, alone: float, shared: Callable[[int], float], reads: int = 6000
) -> list[bool]:
    """Return what is wished for each read, where they take so many seconds."""
    help_, wished = pair.Help(), []
    for number in range(reads):
        wished.append(help_.is_wanted)
        help_.note(shared(number) if wished[-1] else alone, 1, shared=wished[-1])
    return wished


@pytest.mark.parametrize(
    "shared",
    [
        lambda _: 0.6,
        lambda number: 0.0 if number % 2 else 1.2,
        lambda number: 40.0 if number % 40 == 1 else 0.5,
    ],
    ids=["faster", "every other at once", "seldom held up"],
)
def test_help_that_saves_time_is_wanted(shared: Callable[[int], float]) -> None:
    wished = wishes(alone=1.0, shared=shared)

    assert sum(wished) > 0.9 * len(wished)


@pytest.mark.parametrize(
    "shared",
    [
        lambda _: 1.1,
        lambda number: 0.0 if number % 2 else 2.6,
        lambda number: 40.0 if number % 5 == 1 else 0.5,
    ],
    ids=["slower", "every other late", "often held up"],
)
def test_help_that_costs_time_is_tried_ever_more_seldom(
    shared: Callable[[int], float],
) -> None:
    wished = wishes(alone=1.0, shared=shared)

    assert sum(wished) < 0.1 * len(wished)
    assert sum(wished[-2200:]) >= 16


@pytest.mark.parametrize("length", [8, 30, 60])
@pytest.mark.parametrize("help_pays", [True, False])
def test_a_choice_made_in_a_bad_moment_is_mended_soon(
    *, help_pays: bool, length: int
) -> None:
    """The better way is slow for some reads, wherever these fall upon a trial."""
    better, other = 1.0, 1.4

    for start in range(2000, 3200, 31):
        help_, spent, least = pair.Help(), 0.0, 0.0
        for number in range(5000):
            is_bad = start <= number < start + length
            took = other if help_.is_wanted is not help_pays else better
            if took == better and is_bad:
                took = 8.0
            help_.note(took, 1, shared=help_.is_wanted)
            spent += 0 if is_bad else took
            least += 0 if is_bad else better
        assert spent < 1.04 * least, start


def test_reads_that_threads_end_late_decide_nothing_alone() -> None:
    help_ = pair.Help()

    for _ in range(100):
        help_.note(1.0, 1, shared=True)

    assert not help_.is_wanted
    help_.note(2.0, 1, shared=False)
    assert help_.is_wanted


def test_threads_may_note_at_once() -> None:
    interval = sys.getswitchinterval()
    help_, errors = pair.Help(), list[BaseException]()

    def note(number: int) -> None:
        try:
            for k in range(600):
                help_.note(1.0 + k % 7, 1, shared=bool((number + k) % 2))
        except (ArithmeticError, RuntimeError, ValueError) as error:
            errors.append(error)

    threads = [threading.Thread(target=note, args=[number]) for number in range(4)]
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)

    assert not errors


def test_help_is_wanted_again_once_cores_are_free() -> None:
    wished = wishes(alone=1.0, shared=lambda number: 2.0 if number < 3000 else 0.6)

    assert sum(wished[4500:]) > 0.9 * 1500
