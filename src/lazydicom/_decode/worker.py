"""The process behind `isolation`: decodes what a pipe asks for, until the pipe closes.

Started as ``python -m lazydicom._decode.worker PIPE MEMORY``, two numbers of open files.
"""

import json
import resource
import signal
import sys
from contextlib import suppress
from dataclasses import fields
from mmap import mmap
from multiprocessing.connection import Connection
from typing import Any, Final

import numpy as np

from lazydicom._decode.format import FrameFormat
from lazydicom._decode.frame import decode_encapsulated
from lazydicom._decode.isolation import MAX_MESSAGE
from lazydicom._header.image_pixel import ImagePixel
from lazydicom._header.transfer_syntax import TransferSyntax
from lazydicom.errors import DecodeError, LazyDicomError

_MEMORY: Final = 4 << 30
"""Address space that a worker may take in all: 4 GiB, the frame and its codestream included."""


def serve(pipe: "Connection[Any, Any]", file: int) -> None:
    """Send back, for each request, what went wrong, or was odd."""
    memory = None
    while True:
        try:
            request = json.loads(pipe.recv_bytes())
        except EOFError:
            return
        if memory is None or len(memory) < request["size"]:
            memory = mmap(file, request["size"])
        pipe.send_bytes(json.dumps(_decode(memory, request)).encode())


def _decode(memory: mmap, request: dict[str, Any]) -> dict[str, Any]:
    """Decode one frame; return an error, or what is odd."""
    out = np.ndarray(request["shape"], request["dtype"], memory)
    data = memory[out.nbytes : out.nbytes + request["length"]]
    try:
        odd = decode_encapsulated(data, _format_of(request["format"]), out)
    except LazyDicomError as error:
        name, message = type(error).__name__, error.message[:MAX_MESSAGE]
        return {"error": name, "message": message, "odd": []}
    except MemoryError:
        message = "The codestream asks for too much memory"
        return {"error": DecodeError.__name__, "message": message, "odd": []}
    return {"error": None, "message": "", "odd": odd}


def _format_of(values: dict[str, Any]) -> FrameFormat:
    return FrameFormat(
        **values
        | {
            "pixel": ImagePixel(**values["pixel"]),
            "transfer_syntax": _syntax_of(values["transfer_syntax"]),
            "isolation": "none",
        }
    )


def _syntax_of(values: dict[str, Any]) -> TransferSyntax:
    """Return a transfer syntax by what it is made of; some of its fields follow from others."""
    made_of = (one.name for one in fields(TransferSyntax) if one.init)
    return TransferSyntax(**{name: values[name] for name in made_of})


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
