"""Files of encapsulated Pixel Data, with any offset table (PS3.5 §A.4).

>>> file = make_encapsulated([b"frame 0", b"frame 1"], fragments_per_frame=2)
"""

from __future__ import annotations

import struct
from itertools import accumulate
from typing import TYPE_CHECKING, Literal, Unpack

from dicom_elements import RLE, UNDEFINED, delimiter, dicom_file, element, item
from pixel_layout import header, layout

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pixel_layout import Geometry

Table = Literal["basic", "empty", "extended"]


def make_encapsulated(
    frames: Sequence[bytes],
    *,
    fragments_per_frame: int = 1,
    table: Table = "basic",
    offsets: Sequence[int] | None = None,
    lengths: Sequence[int] | None = None,
    delimited: bool = True,
    value: bytes | None = None,
    declared_frames: str | None = "{}",
    elements: Mapping[int, bytes | None] | None = None,
    extra_before: bytes = b"",
    trailing: bytes = b"",
    **geometry: Unpack[Geometry],
) -> bytes:
    """Make a file of encoded frames, by default RLE with 4 rows of 5 columns.

    Parameters
    ----------
    frames
        The codestream of each frame.
    offsets, lengths
        What the table says, instead of the truth.
    value
        The value of Pixel Data, instead of the items of `frames`.
    """
    geometry["number_of_frames"] = len(frames)
    geometry.setdefault("transfer_syntax", RLE)
    made = layout(**geometry)
    fragments = [split(frame, fragments_per_frame) for frame in frames]
    basic = offsets if table == "basic" else None
    if value is None:
        value = encapsulate(fragments, table=table, offsets=basic, delimited=delimited)
    if table == "extended":
        extra_before += extended_offset_table(
            fragments, offsets=offsets, lengths=lengths
        )
    dataset = (
        header(made, declared_frames, elements)
        + extra_before
        + element(0x7FE00010, "OB", value, length=UNDEFINED, pad=False)
        + trailing
    )
    return dicom_file(dataset, transfer_syntax=made.transfer_syntax)


def encapsulate(
    frames: Sequence[Sequence[bytes]],
    *,
    table: Table = "basic",
    offsets: Sequence[int] | None = None,
    delimited: bool = True,
) -> bytes:
    """Make the value of encapsulated Pixel Data from the fragments of each frame.

    An extended table stands in elements of its own (`extended_offset_table`) and
    leaves the basic one empty (PS3.3 §C.7.6.3.1.8).
    """
    if offsets is None:
        offsets = _frame_offsets(frames) if table == "basic" else []
    basic = item(struct.pack(f"<{len(offsets)}I", *offsets))
    items = (item(_even(fragment)) for frame in frames for fragment in frame)
    return basic + b"".join(items) + (delimiter() if delimited else b"")


def extended_offset_table(
    frames: Sequence[Sequence[bytes]],
    *,
    offsets: Sequence[int] | None = None,
    lengths: Sequence[int] | None = None,
) -> bytes:
    """Make the elements (7FE0,0001) and (7FE0,0002)."""
    offsets = _frame_offsets(frames) if offsets is None else offsets
    # The standard has one fragment per frame here; else what its items span.
    lengths = [_extended_length(f) for f in frames] if lengths is None else lengths
    return element(
        0x7FE00001, "OV", struct.pack(f"<{len(offsets)}Q", *offsets)
    ) + element(0x7FE00002, "OV", struct.pack(f"<{len(lengths)}Q", *lengths))


def split(frame: bytes, number_of_fragments: int) -> list[bytes]:
    """Cut an encoded frame into fragments of even length, the last one excepted.

    >>> split(b"abcdefg", 2)
    [b'abcd', b'efg']
    """
    step = -(-len(frame) // number_of_fragments)
    step += step % 2
    return [frame[k * step : (k + 1) * step] for k in range(number_of_fragments)]


def _frame_offsets(frames: Sequence[Sequence[bytes]]) -> list[int]:
    spans = [sum(8 + len(_even(part)) for part in frame) for frame in frames]
    return list(accumulate(spans, initial=0))[:-1]


def _extended_length(frame: Sequence[bytes]) -> int:
    if len(frame) == 1:
        return len(frame[0])
    return sum(8 + len(_even(part)) for part in frame) - 8


def _even(value: bytes) -> bytes:
    return value + bytes(len(value) % 2)
