"""The process behind `isolation`: decodes what a pipe asks for, until the pipe closes.

Started as ``python -m lazydicom._decode.worker PIPE MEMORY``, two numbers of open files.
"""

import pickle
import resource
import signal
import sys
from contextlib import suppress
from dataclasses import replace
from mmap import mmap
from multiprocessing.connection import Connection
from typing import Any, Final

import numpy as np

from lazydicom._decode.frame import decode_encapsulated
from lazydicom.errors import DecodeError, LazyDicomError

_MEMORY: Final = 4 << 30
"""Address space that a worker may take in all: 4 GiB, the frame and its codestream included."""


def serve(pipe: "Connection[Any, Any]", file: int) -> None:
    """Send back, for each request, what went wrong, or `None`."""
    memory = None
    while True:
        try:
            request = pickle.loads(pipe.recv_bytes())  # noqa: S301 (our own parent)
        except EOFError:
            return
        size = request[0]
        if memory is None or len(memory) < size:
            memory = mmap(file, size)
        pipe.send(_decode(memory, request))


def _decode(memory: mmap, request: tuple[Any, ...]) -> LazyDicomError | None:
    _, length, format_, shape, dtype = request
    out = np.ndarray(shape, dtype, memory)
    data = memory[out.nbytes : out.nbytes + length]
    try:
        decode_encapsulated(data, replace(format_, isolation="none"), out)
    except LazyDicomError as error:
        return error
    except MemoryError:
        return DecodeError("The codestream asks for too much memory")
    return None


def _limit() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for who started it
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _, allowed = resource.getrlimit(resource.RLIMIT_AS)
    most = _MEMORY if allowed == resource.RLIM_INFINITY else min(_MEMORY, allowed)
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


if __name__ == "__main__":
    _limit()
    with suppress(OSError):  # nobody waits for the response any more
        serve(Connection(int(sys.argv[1])), int(sys.argv[2]))
