"""Who interrupts a read far away ends it: nothing asks on behind its back."""

from __future__ import annotations

import signal
import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from retry_waits import shorten_stalls

import lazydicom

if TYPE_CHECKING:
    from collections.abc import Iterator


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
