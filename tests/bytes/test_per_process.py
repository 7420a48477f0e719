"""What exists once per process: no child of a fork waits for a lock of its parent."""

from __future__ import annotations

import threading
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from dicom_files import DEFLATED, make_native
from forked import in_child

import lazydicom
from lazydicom._array.work.parallel import run
from lazydicom._bytes.cached import cached
from lazydicom._bytes.per_process import per_process
from lazydicom._bytes.source import MemorySource

if TYPE_CHECKING:
    from collections.abc import Callable

    from lazydicom._bytes.source import ByteRange, BytesLike

PIXELS = np.arange(4 * 64 * 64, dtype=np.uint16).reshape(4, 64, 64)


class SlowSource(MemorySource):
    """A source that is read when somebody allows it."""

    begun: threading.Event
    allowed: threading.Event

    def read(self, span: ByteRange) -> BytesLike:
        self.begun.set()
        assert self.allowed.wait(30)
        return super().read(span)


def test_a_value_is_made_once_by_many_threads() -> None:
    made: list[int] = []
    value = per_process(lambda: made.append(len(made)))
    threads = [threading.Thread(target=value) for _ in range(8)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert made == [0]


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_child_makes_its_own_value_and_its_own_lock() -> None:
    lock = per_process(threading.Lock)
    here = lock()

    with here:
        code = in_child(lambda: lock() is not here and lock().acquire(timeout=5))

    assert code == 0


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
@pytest.mark.timeout(60)
def test_a_child_forked_while_a_thread_works_out_a_property_works_it_out() -> None:
    begun, allowed = threading.Event(), threading.Event()

    class Slow:
        @cached
        def name(self) -> str:
            if threading.current_thread() is thread:
                begun.set()
                allowed.wait(30)
            return "slow"

    slow = Slow()
    thread = threading.Thread(target=lambda: slow.name)
    thread.start()
    begun.wait(30)

    code = in_child(lambda: Slow().name == "slow" and slow.name == "slow")
    allowed.set()
    thread.join()

    assert code == 0


def test_no_property_holds_a_lock_that_a_fork_would_inherit() -> None:
    package = Path(lazydicom.__file__).parent
    sources = {path: path.read_text() for path in package.rglob("*.py")}

    of_functools = {path.name for path in sources if "cached_property" in sources[path]}

    assert of_functools == {"cached.py"}


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
@pytest.mark.timeout(60)
def test_a_child_forked_while_a_thread_inflates_opens_its_file(tmp_path: Path) -> None:
    path = tmp_path / "a.dcm"
    path.write_bytes(make_native(PIXELS, transfer_syntax=DEFLATED))
    begun, allowed = threading.Event(), threading.Event()
    slow = slow_file(begun, allowed)
    thread = threading.Thread(target=slow)
    thread.start()
    begun.wait(30)

    code = in_child(lambda: bool(np.array_equal(lazydicom.open_image(path), PIXELS)))
    allowed.set()
    thread.join()

    assert code == 0


@pytest.mark.timeout(60)
def test_inflating_a_file_does_not_wait_for_another(tmp_path: Path) -> None:
    path = tmp_path / "a.dcm"
    path.write_bytes(make_native(PIXELS, transfer_syntax=DEFLATED))
    begun, allowed = threading.Event(), threading.Event()
    thread = threading.Thread(target=slow_file(begun, allowed))
    thread.start()
    begun.wait(30)

    array = lazydicom.open_image(path)
    still_inflating = thread.is_alive()
    allowed.set()
    thread.join()

    assert still_inflating
    assert np.array_equal(array, PIXELS)


def slow_file(begun: threading.Event, allowed: threading.Event) -> Callable[[], object]:
    from lazydicom._bytes.containers.inflate import InflatedSource

    source = SlowSource(b"\x03\x00", "slow.dcm")
    object.__setattr__(source, "begun", begun)
    object.__setattr__(source, "allowed", allowed)
    return InflatedSource(source, 0).size


def test_selections_of_any_length_share_one_pool_as_wide_as_the_cores(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from lazydicom._array.work import parallel

    monkeypatch.setattr(parallel, "available_cores", lambda: 6)
    parallel.computing_pool.forget()
    done: list[int] = []
    before = threading.active_count()

    for width in range(2, 64):
        run([partial(done.append, k) for k in range(width)], threads=width, requests=4)

    assert len(done) == sum(range(2, 64))
    assert threading.active_count() - before <= 6 + 16
