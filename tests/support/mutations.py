"""Decode mutated codestreams in a child process, and count what becomes of them.

``python tests/support/mutations.py process 20000`` runs the long campaign, for every family.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import warm_process
from codec_frames import decode, make_frame

from lazydicom._decode import isolation
from lazydicom.errors import LazyDicomError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from codec_frames import Frame

    from lazydicom._decode.format import Isolation

FAMILIES: Final = {
    "rle": ("1.2.840.10008.1.2.5 12 in 16 bits", "1.2.840.10008.1.2.5 RGB"),
    "jpeg": (
        "1.2.840.10008.1.2.4.50 RGB",
        "1.2.840.10008.1.2.4.51 12 in 16 bits",
        "1.2.840.10008.1.2.4.53 8 bits",
    ),
    "jpeg lossless": (
        "1.2.840.10008.1.2.4.70 12 in 16 bits",
        "1.2.840.10008.1.2.4.57 RGB",
    ),
    "jpeg-ls": (
        "1.2.840.10008.1.2.4.80 12 in 16 bits",
        "1.2.840.10008.1.2.4.81 RGB",
    ),
    "jpeg-2000": (
        "1.2.840.10008.1.2.4.90 12 in 16 bits",
        "1.2.840.10008.1.2.4.91 RGB",
    ),
    "htj2k": (
        "1.2.840.10008.1.2.4.201 12 in 16 bits",
        "1.2.840.10008.1.2.4.201 32 bits",
        "1.2.840.10008.1.2.4.203 RGB",
    ),
    "jpeg-xl": (
        "1.2.840.10008.1.2.4.110 12 in 16 bits",
        "1.2.840.10008.1.2.4.112 RGB",
    ),
    "deflate": ("1.2.840.10008.1.2.8.1 12 in 16 bits",),
}
"""Cases that stand for a codec family; seeds take them in turn."""

CHILD: Final = """
import os, sys
os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # libraries talk
from mutations import decode_mutations
decode_mutations(*sys.argv[1:])
"""
_INTERESTING: Final = (0x00, 0x01, 0x7F, 0x80, 0xFF)
_HANGS_AFTER_S: Final = 20.0


def mutate(data: bytes, seed: int) -> bytes:
    """Change a codestream in one to four places, often in its first bytes."""
    random = np.random.default_rng(seed)
    mutated = bytearray(data)
    for _ in range(random.integers(1, 5)):
        head = random.random() < 0.5
        at = int(random.integers(min(len(mutated), 128) if head else len(mutated)))
        _change(mutated, at, random)
    return bytes(mutated)


def _change(data: bytearray, at: int, random: np.random.Generator) -> None:
    length = int(random.integers(1, 17))
    match int(random.integers(6)):
        case 0:
            data[at] ^= 1 << int(random.integers(8))
        case 1:
            data[at] = int(random.integers(256))
        case 2:
            data[at] = int(random.choice(_INTERESTING))
        case 3:
            del data[at : at + length]
        case 4:
            data[at:at] = random.bytes(length)
        case _:
            source = int(random.integers(len(data)))
            data[at : at + length] = data[source : source + length]


def run_campaign(family: str, count: int, mode: Isolation) -> Counter[str]:
    """Decode `count` mutations in child processes; a new one follows one that dies."""
    outcomes: Counter[str] = Counter()
    start = 0
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        while start < count:
            log.write_text("")
            outcome = _watch([family, str(start), str(count), mode, str(log)], log)
            lines = log.read_text().splitlines()
            outcomes.update(line.partition(" ")[2] for line in lines if " " in line)
            if outcome is None:
                break
            start = int(lines[-1].partition(" ")[0]) + 1 if lines else count
            outcomes[outcome] += 1
    return outcomes


def _watch(arguments: list[str], log: Path) -> str | None:
    """Wait for a child; tell what killed it."""
    child, stdout = warm_process.start(CHILD, *arguments)
    stdout.close()
    size, since = -1, time.monotonic()
    while child.exitcode is None:
        child.join(0.05)
        if log.stat().st_size != size:
            size, since = log.stat().st_size, time.monotonic()
        elif time.monotonic() - since > _HANGS_AFTER_S + 10:
            child.kill()
            child.join()
            return "hang"
    if child.exitcode < 0:
        return f"signal {-child.exitcode}"
    return None if child.exitcode == 0 else f"exit {child.exitcode}"


def decode_mutations(
    family: str, start: str, count: str, mode: Isolation, log: str
) -> None:
    """Decode, and note each outcome in `log`."""
    isolation.TIMEOUT_S = _HANGS_AFTER_S  # type: ignore[misc]
    frames = [make_frame(case) for case in FAMILIES[family]]
    with Path(log).open("ab", buffering=0) as lines:  # a crash loses nothing
        for seed in range(int(start), int(count)):
            lines.write(b"%d" % seed)
            frame = frames[seed % len(frames)]
            lines.write(f" {_outcome(frame, seed, mode)}\n".encode())


def _outcome(frame: Frame, seed: int, mode: Isolation) -> str:
    data = mutate(frame.data, seed)
    try:
        values = decode(data, replace(frame.format, isolation=mode))
    except LazyDicomError as error:
        what = str(error)
        return "worker lost" if "process that decodes" in what else "refused"
    except Exception as error:  # noqa: BLE001 (that there is none is what is counted)
        return f"foreign {type(error).__name__}"
    return "same" if np.array_equal(values, frame.values) else "decoded"


def main() -> None:
    """Run what the arguments say."""
    mode, count = sys.argv[1:3]
    families: Iterator[str] = iter(sys.argv[3:] or FAMILIES)
    for family in families:
        start = time.monotonic()
        outcomes = run_campaign(family, int(count), mode)  # type: ignore[arg-type]
        took = time.monotonic() - start
        line = json.dumps(dict(sorted(outcomes.items())))
        print(f"{family:14} {took:7.1f} s  {line}", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
