"""Decoding in a worker process: a codestream that crashes a decoder kills only that.

Each thread has a worker of its own, which lives until the thread ends. Frames travel
through memory that both share, which has no name and goes with them; over the pipe goes
JSON: their sizes, and what went wrong. A worker whose decoder was taken over can give wrong
pixels; nothing that it sends is run, mapped, or longer than `MAX_RESPONSE`.
"""

import json
import os
import signal
import sys
import threading
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final
from weakref import finalize

import numpy as np
from numpy.typing import NDArray

from lazydicom._bytes.source import BytesLike
from lazydicom._decode.format import FrameFormat
from lazydicom.errors import (
    DecodeError,
    InvalidDicomError,
    LazyDicomError,
    LimitError,
    UnsupportedError,
)

if TYPE_CHECKING:
    import subprocess
    from multiprocessing.connection import Connection

TIMEOUT_S: Final = 60.0
"""Seconds that a worker may take for one frame."""
MAX_RESPONSE: Final = 1 << 14
"""Bytes that a worker may send."""
MAX_MESSAGE: Final = 1000
"""Characters of what went wrong."""
_MOST_ODD: Final = 8
_WORKER: Final = "lazydicom._decode.worker"
_ERRORS: Final[dict[str, type[LazyDicomError]]] = {
    error.__name__: error
    for error in (DecodeError, InvalidDicomError, LimitError, UnsupportedError)
}
"""All that decoding may raise."""
_PAGE: Final = 1 << 16
_workers: Final = threading.local()


def decode_isolated(
    data: BytesLike, format_: FrameFormat, out: NDArray[Any]
) -> tuple[str, ...]:
    """Decode one frame in the worker of this thread; return what is odd about it.

    Raises
    ------
    DecodeError
        If the frame does not decode, or the worker dies of it or takes too long. The next
        frame gets a new worker.
    UnsupportedError
        If this platform cannot hand a pipe to a process that it starts.
    """
    worker: Worker | None = getattr(_workers, "worker", None)
    if worker is None or worker.process_id != os.getpid() or worker.dead:
        worker = _workers.worker = Worker()
    return worker.decode(data, format_, out)


class Worker:
    """A process that decodes one frame after the other."""

    def __init__(self) -> None:
        if os.name != "posix":
            raise UnsupportedError('isolation="process" needs a POSIX system')
        self.process_id = os.getpid()
        """Of the process that may use it: a fork must not."""
        self.dead = False
        from multiprocessing import Pipe  # deferred, with subprocess: 15 ms
        from subprocess import DEVNULL, Popen

        here, there = Pipe()
        self._file = _open_memory()
        with there:
            files = [there.fileno(), self._file]
            self._process = Popen(  # noqa: S603 (nothing but our own module)
                [sys.executable, "-m", _WORKER, *map(str, files)],
                pass_fds=files,
                stdin=DEVNULL,
                env=os.environ
                | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            )
        self._pipe = here
        self._size = 0
        self._end = finalize(
            self, _stop, self._process, here, self._file, self.process_id
        )

    @property
    def worker_id(self) -> int:
        """Process id of the worker."""
        return self._process.pid

    def decode(
        self, data: BytesLike, format_: FrameFormat, out: NDArray[Any]
    ) -> tuple[str, ...]:
        """Decode one frame; see `decode_isolated`."""
        size = self._shared(out.nbytes + len(data))
        self._write(data, out.nbytes)
        request = {
            "size": size,
            "length": len(data),
            "format": asdict(format_),
            "shape": out.shape,
            "dtype": out.dtype.str,
        }
        odd = self._taken(self._ask(json.dumps(request).encode()))
        self._read(out)
        return odd

    def _ask(self, request: bytes) -> bytes:
        response = b""
        try:
            self._pipe.send_bytes(request)
            responded = self._pipe.poll(TIMEOUT_S)
            if responded:
                response = self._pipe.recv_bytes(MAX_RESPONSE)
        except (EOFError, OSError) as error:
            raise self._lost("died") from error
        except (
            BaseException
        ):  # Ctrl-C: a response nobody took would be the next frame's
            self._lost("was left")
            raise
        if not responded:
            raise self._lost(f"takes more than {TIMEOUT_S:g} s")
        return response

    def _taken(self, response: bytes) -> tuple[str, ...]:
        """Raise the error that a response names, or return what is odd.

        It is data of a stranger.
        """
        try:
            failure = json.loads(response)
            name, message, odd = failure["error"], failure["message"], failure["odd"]
            error = None if name is None else _ERRORS[name]
            texts = [_shown(text) for text in (message, *odd[:_MOST_ODD])]
        except (ValueError, LookupError, TypeError, RecursionError):
            raise self._lost("sent what no decoder does") from None
        if error is not None:
            raise error(texts[0])
        return tuple(texts[1:])

    def _shared(self, length: int) -> int:
        """Return the size of the shared memory, which holds `length` bytes; it grows."""
        if self._size < length:
            self._size = -(-length * 3 // 2 // _PAGE) * _PAGE
            os.ftruncate(self._file, self._size)
        return self._size

    def _write(self, data: BytesLike, offset: int) -> None:
        left = memoryview(data)
        while left:
            done = os.pwrite(self._file, left, offset)
            left, offset = left[done:], offset + done

    def _read(self, out: NDArray[Any]) -> None:
        """Copy the frame: memory that a worker may cut is never mapped here."""
        left, offset = out.reshape(-1).view(np.uint8).data, 0
        while left:
            done = os.preadv(self._file, [left], offset)
            if not done:
                raise self._lost("cut the memory of the frame")
            left, offset = left[done:], offset + done

    def _lost(self, what: str) -> DecodeError:
        self.dead = True
        self._end()
        code = self._process.returncode
        if what == "died" and code is not None:
            what += f" of {signal.Signals(-code).name}" if code < 0 else f" ({code})"
        return DecodeError(f"The process that decodes {what}")


def _shown(text: object) -> str:
    """Return a text that is short and printable."""
    if not isinstance(text, str):
        raise TypeError
    return "".join(one if one.isprintable() else "?" for one in text[:MAX_MESSAGE])


def _open_memory() -> int:
    """Open a file without a name, in memory where the system has such."""
    if sys.platform == "linux":
        return os.memfd_create("lazydicom")
    from tempfile import TemporaryFile

    with TemporaryFile() as file:
        return os.dup(file.fileno())


def _stop(
    process: "subprocess.Popen[bytes]", pipe: "Connection", file: int, process_id: int
) -> None:
    pipe.close()
    os.close(file)
    if os.getpid() != process_id:
        return  # a fork has only a copy
    from subprocess import TimeoutExpired

    with suppress(TimeoutExpired):
        process.wait(0.2)
    process.kill()
    process.wait()
