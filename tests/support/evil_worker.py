"""A worker whose decoder was taken over; started in place of `lazydicom._decode.worker`.

What it answers is named by the environment variable EVIL_ANSWER.
"""

from __future__ import annotations

import json
import os
import pickle
import sys
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final


class RunsCode:
    """Unpickling it makes a file."""

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path(os.environ.get("EVIL_FILE", "evil")),)


def said(error: object, message: object = "m") -> bytes:
    return json.dumps({"error": error, "message": message, "odd": []}).encode()


ANSWERS: Final = {
    "a pickle that runs code": pickle.dumps(RunsCode()),
    "no JSON": b"\xff\xfe",
    "nothing": b"",
    "a list": b"[1, 2]",
    "no message": b'{"error": null}',
    "a class of Python": said("SystemExit"),
    "a class of ours that no decoder raises": said("SourceError"),
    "a dotted name": said("os.system"),
    "a name that is none": said(["DecodeError"]),
    "a message that is none": said("DecodeError", {"a": 1}),
    "a deep nest": b"[" * 16_000,
    "a long number": b'{"error": null, "message": ' + b"9" * 9000 + b"}",
    "a long message": said("DecodeError", "x" * (1 << 24)),
    "oddities that are no texts": b'{"error": null, "message": "", "odd": [1]}',
    "an oddity without end": b'{"error": null, "message": "", "odd": {"a": 1}}',
    "success": said(None),
}
"""By what it is; each is no answer of an honest worker but the last."""


def main() -> None:
    pipe = Connection[Any, Any](int(sys.argv[1]))
    pipe.recv_bytes()
    os.ftruncate(int(sys.argv[2]), 0)  # a parent that had it mapped would die
    pipe.send_bytes(ANSWERS[os.environ["EVIL_ANSWER"]])
    pipe.close()


if __name__ == "__main__":
    main()
