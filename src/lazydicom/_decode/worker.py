"""The process behind `isolation`: decodes what a pipe asks for, until the pipe closes.

Started as ``python -m lazydicom._decode.worker FD``.
"""

import pickle
import resource
import sys
from collections.abc import Sized
from dataclasses import replace
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.shared_memory import SharedMemory
from typing import Any, Final

import numpy as np

from lazydicom._decode.encapsulated import decode_encapsulated
from lazydicom.errors import DecodeError, LazyDicomError

_MEMORY: Final = 4 << 30
"""Address space that a worker may take in all: 4 GiB, the frame and its codestream included."""


def serve(pipe: "Connection[Any, Any]") -> None:
    """Answer requests with what went wrong, or `None`."""
    memory = None
    while True:
        try:
            request = pickle.loads(pipe.recv_bytes())  # noqa: S301 (our own parent)
        except EOFError:
            return
        name = request[0]
        if memory is None or memory.name != name:
            memory = _attach(name)
        pipe.send(_decode(memory, request))


def _decode(memory: SharedMemory, request: tuple[Any, ...]) -> LazyDicomError | None:
    _, length, format_, shape, dtype = request
    buffer = memory.buf
    assert buffer is not None
    out = np.ndarray(shape, dtype, buffer)
    data = bytes(buffer[out.nbytes : out.nbytes + length])
    try:
        decode_encapsulated(data, replace(format_, isolation="none"), out)
    except LazyDicomError as error:
        return error
    except MemoryError:
        return DecodeError("The codestream asks for too much memory")
    return None


def _attach(name: str) -> SharedMemory:
    """Open memory that the parent owns, and removes."""
    if sys.version_info >= (3, 13):
        return SharedMemory(name, track=False)
    # Or a tracker would be started here, and remove it when this process ends.
    resource_tracker.register = _keep_no_track
    return SharedMemory(name)


def _keep_no_track(name: Sized, rtype: str) -> None:
    """Stand in for `resource_tracker.register`."""


def _limit() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))


if __name__ == "__main__":
    _limit()
    serve(Connection(int(sys.argv[1])))
