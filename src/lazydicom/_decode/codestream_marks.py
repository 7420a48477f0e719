"""How the codestream of a frame begins and ends, by codec family.

It tells which fragments belong together where no table does (PS3.5 annex A.4).
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from lazydicom._decode.codec import Codec
from lazydicom._decode.codecs.registry import CODECS

_END_MARKER: Final = 0xD9FF
"""EOI of JPEG and JPEG-LS, EOC of JPEG 2000, as a little-endian number."""
_WORD: Final = 8
_MOST_JOINED: Final = 7
"""Fragments behind one of 1 byte that its 8 bytes may come from; empty ones make none."""


def is_one_fragment(codec: str) -> bool:
    """Return whether each frame is one fragment by the standard."""
    return codec in CODECS and CODECS[codec].one_fragment


def is_marked(codec: str) -> bool:
    """Return whether anything tells where a codestream begins or ends."""
    return codec in CODECS and CODECS[codec].marked


def is_evident(codec: str) -> bool:
    """Return whether a fragment shows by itself that it is a whole frame."""
    return codec in CODECS and CODECS[codec].evident


def begins(codec: str, head: bytes) -> bool:
    """Return whether a codestream begins so."""
    return codec in CODECS and head.startswith(CODECS[codec].first_bytes)


def begin(codec: str, heads: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Return which fragments begin as a codestream does, by their first 8 bytes.

    Never, for a codec whose codestream has no mark of its own.
    """
    matches = np.zeros(len(heads), np.bool_)
    for mark in CODECS[codec].first_bytes if codec in CODECS else ():
        mask = np.uint64((1 << 8 * len(mark)) - 1)
        matches |= (heads & mask) == np.uint64(int.from_bytes(mark, "little"))
    return matches


def end(codec: str, tails: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Return which fragments end as a codestream does, by their last 8 bytes.

    Up to six bytes of padding may follow the marker.
    """
    matches = np.zeros(len(tails), np.bool_)
    if codec in CODECS and CODECS[codec].ends_with_marker:
        for padding in range(7):
            matches |= tails >> np.uint64(8 * (6 - padding)) == _END_MARKER
    return matches


def after_end(codec: str, tails: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Return which fragments follow the end of a codestream; the first one does."""
    return np.concatenate((np.ones(1, np.bool_), end(codec, tails)[:-1]))


def frame_starts(
    codec: str, heads: NDArray[np.uint64], tails: NDArray[np.uint64]
) -> NDArray[np.intp] | None:
    """Return at which fragments frames begin, ``None`` where the bytes leave a doubt.

    A frame must begin as a codestream does, right after the end of another one, and
    nowhere else: both marks have to agree at every fragment.
    """
    firsts = begin(codec, heads)
    if is_one_fragment(codec):
        return np.arange(len(heads)) if firsts.all() else None
    sure = np.array_equal(firsts, after_end(codec, tails))
    return np.flatnonzero(firsts) if sure else None


def is_one_codestream(codec: str, fragments: list[memoryview]) -> bool:
    """Return whether fragments are one whole codestream, as far as it shows."""
    if codec not in CODECS:
        return False
    if len(fragments) == 1:
        return _is_whole(CODECS[codec], fragments[0])
    if not CODECS[codec].ends_with_marker:
        return False
    lengths = np.array([len(part) for part in fragments], np.uint32)
    own_heads = [int.from_bytes(part[:8], "little") for part in fragments]
    own_tails = [_high_bytes(part[-8:]) for part in fragments]
    heads = joined_heads(np.array(own_heads, np.uint64), lengths)
    ends = joined_tails(np.array(own_tails, np.uint64), lengths)
    starts = frame_starts(codec, heads, ends)
    return starts is not None and len(starts) == 1 and bool(end(codec, ends)[-1])


def joined_heads(
    heads: NDArray[np.uint64], lengths: NDArray[np.uint32]
) -> NDArray[np.uint64]:
    """Fill up the heads of fragments of less than 8 bytes from those behind them."""
    if lengths.min(initial=_WORD) >= _WORD:
        return heads
    short, bits = _short(lengths)
    own = heads[short] & ((np.uint64(1) << bits) - np.uint64(1))
    joined = np.append(heads, np.uint64(0))
    for _ in range(_MOST_JOINED):
        joined[short] = own | joined[short + 1] << bits
    return joined[:-1]


def joined_tails(
    tails: NDArray[np.uint64], lengths: NDArray[np.uint32]
) -> NDArray[np.uint64]:
    """Fill up the tails of fragments of less than 8 bytes from those before them."""
    if lengths.min(initial=_WORD) >= _WORD:
        return tails
    short, bits = _short(lengths)
    own = tails[short] >> (np.uint64(64) - bits) << (np.uint64(64) - bits)
    joined = np.append(np.uint64(0), tails)
    for _ in range(_MOST_JOINED):
        joined[short + 1] = own | joined[short] >> bits
    return joined[1:]


def _short(lengths: NDArray[np.uint32]) -> tuple[NDArray[np.intp], NDArray[np.uint64]]:
    """Return which fragments have less than 8 bytes, and how many bits each has."""
    short = np.flatnonzero(lengths < _WORD)
    return short, 8 * lengths[short].astype(np.uint64)


def _is_whole(codec: Codec, codestream: memoryview) -> bool:
    if not codec.marked:
        return True
    first = bytes(codestream[:8]).startswith(codec.first_bytes)
    last = bytes(codestream[-8:]).rstrip(b"\0")
    return first and (not codec.ends_with_marker or last.endswith(b"\xff\xd9"))


def _high_bytes(data: memoryview) -> int:
    """Read up to 8 bytes as the high end of a little-endian number of 8."""
    return int.from_bytes(data, "little") << 8 * (8 - len(data))
