"""Decoding in a worker process: a codestream that crashes a decoder kills only that.

Each thread has a worker of its own, which lives until the thread ends. Frames travel
through memory that both share, which has no name and goes with them; over the pipe go only
their sizes and what went wrong.
"""

import os
import pickle
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from mmap import mmap
from multiprocessing import Pipe
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any, Final
from weakref import finalize

import numpy as np
from numpy.typing import NDArray

from lazydicom._bytes.source import BytesLike
from lazydicom._decode.format import FrameFormat
from lazydicom.errors import DecodeError, LazyDicomError, UnsupportedError

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

TIMEOUT_S: Final = 60.0
"""Seconds that a worker may take for one frame."""
_WORKER: Final = "lazydicom._decode.worker"
_PAGE: Final = 1 << 16
_workers: Final = threading.local()


def decode_isolated(data: BytesLike, format_: FrameFormat, out: NDArray[Any]) -> None:
    """Decode one frame in the worker of this thread.

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
    worker.decode(data, format_, out)


class Worker:
    """A process that decodes one frame after the other."""

    def __init__(self) -> None:
        if os.name != "posix":
            raise UnsupportedError('isolation="process" needs a POSIX system')
        self.process_id = os.getpid()
        """Of the process that may use it: a fork must not."""
        self.dead = False
        here, there = Pipe()
        self._file = _open_memory()
        with there:
            files = [there.fileno(), self._file]
            self._process = subprocess.Popen(  # noqa: S603 (nothing but our own module)
                [sys.executable, "-m", _WORKER, *map(str, files)],
                pass_fds=files,
                stdin=subprocess.DEVNULL,
                env=os.environ
                | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            )
        self._pipe = here
        self._memory: mmap | None = None
        self._end = finalize(
            self, _stop, self._process, here, self._file, self.process_id
        )

    @property
    def worker_id(self) -> int:
        """Process id of the worker."""
        return self._process.pid

    def decode(self, data: BytesLike, format_: FrameFormat, out: NDArray[Any]) -> None:
        """Decode one frame; see `decode_isolated`."""
        memory = self._shared(out.nbytes + len(data))
        memory[out.nbytes : out.nbytes + len(data)] = data
        request = (len(memory), len(data), format_, out.shape, out.dtype.str)
        error = self._ask(request)
        if error is not None:
            raise error
        out[...] = np.ndarray(out.shape, out.dtype, memory)

    def _ask(self, request: tuple[Any, ...]) -> LazyDicomError | None:
        response: LazyDicomError | None = None
        try:
            self._pipe.send_bytes(pickle.dumps(request))
            answered = self._pipe.poll(TIMEOUT_S)
            if answered:
                response = self._pipe.recv()
        except (EOFError, OSError) as error:
            raise self._lost("died") from error
        except (
            BaseException
        ):  # Ctrl-C: a response nobody took would be the next frame's
            self._lost("was left")
            raise
        if not answered:
            raise self._lost(f"takes more than {TIMEOUT_S:g} s")
        return response

    def _shared(self, length: int) -> mmap:
        """Return memory of at least `length` bytes; it grows."""
        if self._memory is None or len(self._memory) < length:
            size = -(-length * 3 // 2 // _PAGE) * _PAGE
            os.ftruncate(self._file, size)
            self._memory = mmap(self._file, size)
        return self._memory

    def _lost(self, what: str) -> DecodeError:
        self.dead = True
        self._end()
        code = self._process.returncode
        if what == "died" and code is not None:
            what += f" of {signal.Signals(-code).name}" if code < 0 else f" ({code})"
        return DecodeError(f"The process that decodes {what}")


def _open_memory() -> int:
    """Open a file without a name, in memory where the system has such."""
    if sys.platform == "linux":
        return os.memfd_create("lazydicom")
    with TemporaryFile() as file:
        return os.dup(file.fileno())


def _stop(
    process: "subprocess.Popen[bytes]", pipe: "Connection", file: int, process_id: int
) -> None:
    pipe.close()
    os.close(file)
    if os.getpid() != process_id:
        return  # a fork has only a copy
    with suppress(subprocess.TimeoutExpired):
        process.wait(0.2)
    process.kill()
    process.wait()
