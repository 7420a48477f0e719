"""Who interrupts a read far away ends it: nothing asks on behind its back."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from contextlib import suppress
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from dicom_files import make_native, stored_pixels
from interrupts import is_interrupted
from retry_waits import shorten_stalls

import lazydicom
from lazydicom._bytes.local.source import open_local
from lazydicom._bytes.source import ByteRange

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

OPEN = Path("/proc/self/fd")


@pytest.fixture
def _interruptible() -> Iterator[None]:
    """Let SIGINT interrupt, also where the suite runs in the background of a shell."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_interruptible", "waits")
@pytest.mark.parametrize("protocol", ["http", "dicomweb+http"])
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupt_ends_what_asks_a_silent_server(
    protocol: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shorten_stalls(monkeypatch, times=10)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        place = f"{protocol}://127.0.0.1:{listener.getsockname()[1]}"
        asked: list[socket.socket] = []
        main = threading.main_thread().ident
        assert main is not None

        def interrupt() -> None:
            asked.append(listener.accept()[0])
            signal.pthread_kill(main, signal.SIGINT)

        thread = threading.Thread(target=interrupt)
        thread.start()

        with pytest.raises(KeyboardInterrupt):
            lazydicom.open_image(f"{place}/studies/1/series/2/instances/3")

        thread.join()
        listener.setblocking(False)
        with suppress(BlockingIOError):
            while True:  # tries before the interrupt, on a slow machine
                asked.append(listener.accept()[0])
        for connection in asked:
            connection.close()
        listener.settimeout(0.6)  # another try would come by then
        with pytest.raises(TimeoutError):
            listener.accept()


def _links() -> list[str]:
    """Name the files that this process has open."""
    names: list[str] = []
    for number in OPEN.iterdir():
        with suppress(OSError):
            names.append(os.readlink(number))  # noqa: PTH115 (its target, or nothing)
    return names


# an interrupt in the end of a generator, or of an object, is told, not raised
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.skipif(not OPEN.exists(), reason="no /proc")
@pytest.mark.parametrize("how", ["bytes", "each", "frame", "region"])
def test_an_interrupt_at_any_moment_leaves_no_file_open(
    tmp_path: Path, how: str
) -> None:
    path = tmp_path / "a.dcm"
    pixels = stored_pixels(number_of_frames=6, rows=64, columns=64)
    path.write_bytes(make_native(pixels))
    source, image = open_local(str(path)), lazydicom.open_image(path)
    acts: dict[str, Callable[[], object]] = {
        "bytes": partial(source.read, ByteRange(0, 8)),
        "each": partial(source.read_each, [0, 100], 8),
        "frame": partial(image.__getitem__, 3),
        "region": partial(image.__getitem__, (3, slice(2, 9), slice(4, 7))),
    }

    acts[how]()  # an import that is interrupted leaves a lock of Python taken

    for moment in count():
        interrupted = is_interrupted(moment, acts[how])

        deadline = time.monotonic() + 20  # a helper may be at its end
        while str(path) in _links() and time.monotonic() < deadline:
            time.sleep(0.001)
        assert str(path) not in _links(), moment
        if not interrupted:
            break

    assert np.array_equal(image[:], pixels)
