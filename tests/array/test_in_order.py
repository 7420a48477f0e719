"""Native frames that are asked for in order are read ahead, and are those of the file."""

from __future__ import annotations

import gc
import os
import threading
import time
from collections import deque
from contextlib import contextmanager
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
import pytest
from dicom_files import EXPLICIT_BIG, make_native, stored_pixels
from forked import in_child

import lazydicom
from lazydicom._array.work import in_order, native_blocks, pair
from lazydicom._bytes.local import shared
from lazydicom._bytes.local.source import open_local
from lazydicom._bytes.source import MemorySource
from lazydicom.errors import LazyDicomError, SourceChangedError, SourceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.skipif(not hasattr(os, "preadv"), reason="no preadv")

FRAMES: Final = 60
SIDE: Final = 16
LENGTH: Final = SIDE * SIDE * 2
BLOCK: Final = 4 * LENGTH
OPEN: Final = Path("/proc/self/fd")
FEW: Final = 5
"""Frames in order after which the next one is read ahead."""
HELP: Final = pair.help_with_blocks
LAYOUTS: Final[dict[str, dict[str, Any]]] = {
    "16 bits": {},
    "12 bits": {"bits_stored": 12},
    "12 bits, signed": {"bits_stored": 12, "pixel_representation": 1},
    "8 bits, odd": {"bits_allocated": 8, "columns": 15, "rows": 15},
    "big endian": {"transfer_syntax": EXPLICIT_BIG},
    "colour": {"samples_per_pixel": 3, "bits_allocated": 8},
    "colour by plane": {
        "samples_per_pixel": 3,
        "bits_allocated": 8,
        "planar_configuration": 1,
    },
    "1 bit": {"bits_allocated": 1},
}
GEOMETRY: Final[dict[str, Any]] = {
    "number_of_frames": FRAMES,
    "rows": SIDE,
    "columns": SIDE,
}


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read four frames at once, as on two cores and a disk of this machine."""
    monkeypatch.setattr(shared, "is_of_this_machine", lambda _: True)
    monkeypatch.setattr(in_order, "_FEWEST_BYTES", BLOCK)
    monkeypatch.setattr(native_blocks, "_BLOCK_BYTES", BLOCK)
    monkeypatch.setattr(native_blocks, "threads_alone", lambda: 2)
    monkeypatch.setattr(native_blocks, "default_threads", lambda: 2)


class Wish:
    """Says whether help is wanted: always, never, or every other time."""

    def __init__(self, *wishes: bool) -> None:
        self._wishes = cycle(wishes)

    @property
    def is_wanted(self) -> bool:
        return next(self._wishes)

    def note(self, seconds: float, nbytes: int, *, shared: bool) -> None:
        """Learn nothing."""


@pytest.fixture(autouse=True)
def wish(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Set who reads, whatever the clock says; at first always both."""

    def set_wishes(*wishes: bool) -> None:
        help_ = Wish(*wishes)
        monkeypatch.setattr(pair, "help_with_blocks", lambda: help_)

    set_wishes(True)
    return set_wishes


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "a.dcm"
    path.write_bytes(make_native(**GEOMETRY))
    return path


@pytest.fixture
def pixels() -> np.ndarray:
    return stored_pixels(**GEOMETRY)


@pytest.fixture
def read_bytes(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Count the bytes that are read from now on."""
    lengths: list[int] = []
    preadv = os.preadv

    def counted(descriptor: int, buffers: Any, offset: int) -> int:  # noqa: ANN401
        lengths.append(preadv(descriptor, buffers, offset))
        return lengths[-1]

    monkeypatch.setattr(os, "preadv", counted)
    return lambda: sum(lengths)


def ahead() -> int:
    """Return how many iterators of frames this thread has ahead."""
    kept = getattr(in_order._OF_THREAD, "ahead", None)
    return 0 if kept is None else len(kept.read)


@pytest.mark.parametrize("wishes", [(True,), (False,), (True, True, False, False)])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_frames_in_order_are_those_of_the_file(
    tmp_path: Path, layout: str, wishes: tuple[bool, ...], wish: Callable[..., None]
) -> None:
    wish(*wishes)
    path = tmp_path / "a.dcm"
    options = {**GEOMETRY, **LAYOUTS[layout]}
    path.write_bytes(make_native(**options))
    array = lazydicom.open_image(path)
    whole = array.read(...)

    assert np.array_equal(np.stack([array[k] for k in range(FRAMES)]), whole)
    assert np.array_equal(np.stack(list(array)), whole)
    assert np.array_equal(whole, np.asarray(lazydicom.open_image(path.read_bytes())))


@pytest.mark.parametrize(
    "order",
    [
        range(7, FRAMES),
        [*range(20), *range(20)],
        [*range(20), 3, *range(4, 30), 59],
        [k for k in range(20) for _ in range(2)],
        range(FRAMES - 1, -1, -1),
        range(0, FRAMES, 2),
        [k - FRAMES for k in range(FRAMES)],
    ],
    ids=["middle", "again", "jumps", "twice each", "back", "every other", "negative"],
)
def test_any_order_gives_the_frames_asked_for(
    path: Path, pixels: np.ndarray, order: list[int]
) -> None:
    array = lazydicom.open_image(path)

    for number in order:
        assert np.array_equal(array[number], pixels[number])
        assert np.array_equal(array[number, 3:9, 4], pixels[number, 3:9, 4])


def test_arrays_that_are_read_in_turn_do_not_mix(
    path: Path, pixels: np.ndarray
) -> None:
    one, other = lazydicom.open_image(path), lazydicom.open_image(path)
    later = one.isel(frame=slice(10, None), y=slice(None), x=slice(None))
    for _ in range(20):
        one[_]

    for k in range(20, 40):
        assert np.array_equal(one[k], pixels[k])
        assert np.array_equal(other[k], pixels[k])
        assert np.array_equal(later[k], pixels[k + 10])
        assert len(one[k - 10 : k]) == 10


@pytest.mark.parametrize("way", ["iteration", "one by one"])
def test_a_frame_is_its_takers_own(path: Path, pixels: np.ndarray, way: str) -> None:
    array = lazydicom.open_image(path)
    frames = iter(array) if way == "iteration" else (array[k] for k in range(FRAMES))

    for number, frame in enumerate(frames):
        assert np.array_equal(frame, pixels[number])
        assert frame.flags.writeable
        assert frame.base is None or frame.base.nbytes == LENGTH
        frame[:] = 0
    assert np.array_equal(array.read(...), pixels)


@pytest.mark.parametrize(
    "order",
    [range(0, FRAMES, 2), range(FRAMES - 1, -1, -1), [1, 2, 3, 9, 10, 11, 30, 31, 32]],
    ids=["every other", "back", "three by three"],
)
def test_frames_out_of_order_cost_their_own_bytes(
    path: Path, read_bytes: Callable[[], int], order: list[int]
) -> None:
    array = lazydicom.open_image(path)

    for number in order:
        array[number]

    assert read_bytes() == len(order) * LENGTH


def test_no_more_is_read_than_some_blocks_ahead(
    path: Path, read_bytes: Callable[[], int]
) -> None:
    array = lazydicom.open_image(path)
    for number in range(FEW):
        array[number]
    assert read_bytes() == FEW * LENGTH

    array[FEW]
    settle()

    assert read_bytes() <= FEW * LENGTH + 5 * BLOCK


def test_all_frames_in_order_cost_the_bytes_of_the_file(
    path: Path, read_bytes: Callable[[], int]
) -> None:
    array = lazydicom.open_image(path)

    for number in range(FRAMES):
        array[number]

    assert read_bytes() == FRAMES * LENGTH
    assert ahead() == 0


def settle() -> None:
    """Let helpers come to their end."""
    time.sleep(0.02)


def _replace(path: Path) -> None:
    other = path.with_name("other.dcm")
    other.write_bytes(path.read_bytes()[:-2] + b"zz")
    other.replace(path)


def _write_in_place(path: Path) -> None:
    times = path.stat()
    time.sleep(0.02)
    with path.open("r+b") as file:
        file.seek(-2, os.SEEK_END)
        file.write(b"zz")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


CHANGES: Final[dict[str, Callable[[Path], None]]] = {
    "replaced": _replace,
    "written in place": _write_in_place,
    "cut": lambda path: os.truncate(path, 5000),
    "grown": lambda path: os.truncate(path, 90_000),
    "gone": lambda path: path.unlink(),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("local", ["pread", "mmap"])
def test_a_frame_that_was_read_before_the_file_changed_is_not_given(
    path: Path, change: str, local: Literal["pread", "mmap"]
) -> None:
    array = lazydicom.open_image(path, local=local)
    for number in range(FEW + 2):
        array[number]
    assert ahead() == (local == "pread")
    settle()

    CHANGES[change](path)

    for number in (FEW + 2, FEW + 3, 0, 30):
        with pytest.raises(SourceChangedError):
            array[number]


@pytest.mark.parametrize("change", CHANGES)
def test_iteration_ends_soon_where_the_file_changes(path: Path, change: str) -> None:
    frames = iter(lazydicom.open_image(path))
    next(frames)

    CHANGES[change](path)

    with pytest.raises(SourceChangedError):
        deque(islice(frames, 6 * BLOCK // LENGTH), 0)


def test_a_file_that_ends_too_early_is_an_error_that_says_so(path: Path) -> None:
    array = lazydicom.open_image(path)
    file = shared.share(array.images[0].reader.source)
    assert file is not None
    out = np.empty(path.stat().st_size, np.uint8)

    with pytest.raises(SourceError, match="the file ends at"):
        file.fill_each(1, [out], out.nbytes)
    file.fill_each(0, [out[:5], out[5:]], out.nbytes)

    assert out.tobytes() == path.read_bytes()


def descriptors() -> int:
    return len(list(OPEN.iterdir()))


@pytest.mark.skipif(not OPEN.exists(), reason="no /proc")
@pytest.mark.parametrize("way", ["to the end", "dropped", "one by one"])
def test_nothing_stays_open(path: Path, way: str) -> None:
    array = lazydicom.open_image(path)
    list(array)  # the pool of threads is there now
    before = descriptors()

    if way == "to the end":
        list(array)
    elif way == "dropped":
        frames = iter(array)
        next(frames)
        del frames
    else:
        for number in range(FEW + 3):
            array[number]
    settle()

    assert descriptors() == before


def test_what_is_ahead_goes_with_its_array(path: Path) -> None:
    array = lazydicom.open_image(path)
    for number in range(FEW + 2):
        array[number]
    assert ahead() == 1

    del array
    gc.collect()

    assert ahead() == 0


@pytest.mark.parametrize("wish", ["another frame", "another array", "iteration"])
def test_what_is_ahead_goes_where_something_else_is_read(path: Path, wish: str) -> None:
    array, other = lazydicom.open_image(path), lazydicom.open_image(path)
    for number in range(FEW + 2):
        array[number]

    if wish == "another frame":
        array[50]
    elif wish == "another array":
        other[FEW + 2]
    else:
        next(iter(other))

    assert ahead() == 0


def test_other_threads_read_nothing_ahead(
    path: Path, pixels: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    array = lazydicom.open_image(path)
    wrong: list[int] = []
    had: list[int] = []

    def work() -> None:
        wrong.extend(k for k in range(FRAMES) if (array[k] != pixels[k]).any())
        had.append(ahead())

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert wrong == []
    assert had == [0] * 4


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_child_goes_on_by_itself(path: Path, pixels: np.ndarray) -> None:
    array = lazydicom.open_image(path)
    for number in range(FEW + 2):
        array[number]

    def goes_on() -> bool:
        rest = range(FEW + 2, FRAMES)
        return all(np.array_equal(array[k], pixels[k]) for k in rest)

    assert in_child(goes_on) == 0
    assert np.array_equal(array[FEW + 2], pixels[FEW + 2])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize("taken", [1, 9, 31])
def test_a_child_goes_on_with_an_iteration_while_its_file_is_read(
    path: Path, pixels: np.ndarray, taken: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = iter(lazydicom.open_image(path))
    for _ in range(taken):
        next(frames)
    file = shared.share(open_local(str(path)))
    assert file is not None
    monkeypatch.setattr(native_blocks, "share", lambda _: file)
    others = iter(lazydicom.open_image(path))
    next(others)

    with file._lock:
        code = in_child(
            lambda: (
                np.array_equal(list(frames), pixels[taken:])
                and np.array_equal(list(others), pixels[1:])
            )
        )

    assert code == 0
    assert np.array_equal(list(frames), pixels[taken:])
    assert np.array_equal(list(others), pixels[1:])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_child_goes_on_where_times_were_noted_when_it_was_forked(
    path: Path, pixels: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pair, "help_with_blocks", HELP)
    frames = iter(lazydicom.open_image(path))
    next(frames)

    with HELP()._noting:
        code = in_child(lambda: np.array_equal(list(frames), pixels[1:]))

    assert code == 0
    assert np.array_equal(list(frames), pixels[1:])


@contextmanager
def helper_that_is_away(
    monkeypatch: pytest.MonkeyPatch, blocks: int
) -> Iterator[threading.Event]:
    """Let the other thread lose its core in the middle of some blocks."""
    back, away, fill_each = (
        threading.Event(),
        [None] * blocks,
        shared.SharedFile.fill_each,
    )
    main = threading.get_ident()

    def fill(*arguments: Any) -> None:  # noqa: ANN401
        if threading.get_ident() != main and away:
            away.pop()
            back.wait(10)
        fill_each(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(shared.SharedFile, "fill_each", fill)
        try:
            yield back
        finally:
            back.set()
            settle()


@pytest.mark.parametrize("late_s", [0, 0.002])
def test_what_a_helper_brings_in_time_is_not_read_again(
    path: Path, pixels: np.ndarray, monkeypatch: pytest.MonkeyPatch, late_s: float
) -> None:
    offsets: list[int] = []
    fill_each, main = shared.SharedFile.fill_each, threading.get_ident()

    def fill(self: shared.SharedFile, offset: int, *rest: Any) -> None:  # noqa: ANN401
        offsets.append(offset)
        if threading.get_ident() != main:
            time.sleep(late_s)
        fill_each(self, offset, *rest)

    monkeypatch.setattr(native_blocks, "_PATIENCE_S", 10)
    monkeypatch.setattr(shared.SharedFile, "fill_each", fill)

    frames = list(lazydicom.open_image(path))

    assert np.array_equal(frames, pixels)
    assert len(offsets) == len(set(offsets))


@pytest.mark.parametrize("iterates", [True, False])
@pytest.mark.parametrize("blocks", [1, 3])
def test_a_helper_that_is_away_is_not_waited_for_and_spoils_nothing(
    path: Path,
    pixels: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
    blocks: int,
    *,
    iterates: bool,
) -> None:
    array = lazydicom.open_image(path)

    with helper_that_is_away(monkeypatch, blocks) as back:
        frames = list(array) if iterates else [array[k] for k in range(FRAMES)]
        assert not back.is_set()

    assert np.array_equal(frames, pixels)
    for frame in frames:
        frame[:] = 7
    settle()
    assert all((frame == 7).all() for frame in frames)


@pytest.mark.parametrize("change", ["cut", "replaced", "gone"])
def test_a_file_that_changes_while_the_helper_is_away_is_an_error(
    path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    frames = iter(lazydicom.open_image(path))

    with helper_that_is_away(monkeypatch, 1):
        next(frames)
        CHANGES[change](path)
        with pytest.raises(SourceChangedError):
            deque(frames, 0)


def test_an_iteration_that_is_dropped_leaves_the_helper_to_others(
    path: Path, pixels: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    with helper_that_is_away(monkeypatch, 1):
        frames = iter(lazydicom.open_image(path))
        next(frames)
        del frames
        assert np.array_equal(list(lazydicom.open_image(path)), pixels)

    assert np.array_equal(list(lazydicom.open_image(path)), pixels)


@pytest.mark.skipif(not OPEN.exists(), reason="no /proc")
def test_a_file_is_opened_once_for_an_iteration_and_not_for_all_of_many(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared, "_MOST_HELD", 3)
    list(lazydicom.open_image(path))
    before = descriptors()

    iterations = [iter(lazydicom.open_image(path)) for _ in range(9)]
    for frames in iterations:
        next(frames)
    settle()
    during = descriptors() - before
    numbers = [len(list(frames)) for frames in iterations]
    settle()

    assert during == 3
    assert numbers == [FRAMES - 1] * 9
    assert descriptors() == before
    assert shared._held() == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, LazyDicomError("odd"), OSError])
def test_after_an_error_of_what_is_ahead_the_frames_are_the_same(
    path: Path,
    pixels: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
) -> None:
    array, fill_each, errors = (
        lazydicom.open_image(path),
        shared.SharedFile.fill_each,
        [error],
    )

    def fail_once(*arguments: Any) -> None:  # noqa: ANN401
        if errors:
            raise errors.pop()
        fill_each(*arguments)

    monkeypatch.setattr(shared.SharedFile, "fill_each", fail_once)

    for number in range(FRAMES):
        try:
            frame = array[number]
        except (KeyboardInterrupt, OSError):
            frame = array[number]
        assert np.array_equal(frame, pixels[number])


def test_a_file_is_shared_where_it_is_of_this_machine(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = open_local(str(path))
    assert shared.share(MemorySource(b"")) is None
    assert shared.share(None) is None

    monkeypatch.setattr(shared, "is_of_this_machine", lambda _: False)

    assert shared.share(source) is None
