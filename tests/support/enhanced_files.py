"""Enhanced multi-frame files: functional groups per frame, and files of any size.

PS3.3 §C.7.6.16 and §C.7.6.17. One item of the per-frame sequence is encoded
once; the others are copies of its bytes in which the numbers are overwritten.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Final, Unpack

import numpy as np
from dicom_elements import IMPLICIT_LITTLE, element, item, sequence
from dicom_files import make_native
from pixel_layout import layout

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray
    from pixel_layout import Geometry

ENHANCED_MR: Final = b"1.2.840.10008.5.1.4.1.1.4.1"
POSITION_MARK: Final = b"POSITION"
INDEX_MARK: Final = 0x5A5AA5A5
SLICE_MM: Final = 0.5


def make_enhanced(
    pixels: NDArray[Any] | None = None,
    *,
    undefined: bool = True,
    pixel_bytes: bytes | None = None,
    elements: Mapping[int, bytes | None] | None = None,
    **geometry: Unpack[Geometry],
) -> bytes:
    """Make an Enhanced MR file, a stack whose frames lie `SLICE_MM` apart."""
    if pixels is not None:
        geometry["number_of_frames"] = pixels.shape[0]
    made = layout(**geometry)
    implicit = made.transfer_syntax == IMPLICIT_LITTLE
    groups = shared_groups(undefined=undefined, implicit=implicit) + per_frame_groups(
        made.number_of_frames, undefined=undefined, implicit=implicit
    )
    return make_native(
        pixels,
        pixel_bytes=pixel_bytes,
        elements={**_enhanced_elements(implicit=implicit), **(elements or {})},
        extra_before=groups,
        **geometry,
    )


def write_enhanced(
    path: str | os.PathLike[str],
    *,
    frame: Callable[[int], NDArray[Any]] | None = None,
    undefined: bool = True,
    **geometry: Unpack[Geometry],
) -> int:
    """Write a file of up to 4 GiB frame by frame, and return its size.

    Without `frame` the pixels are zeros that take no room on the disk.
    """
    made = layout(**geometry)
    assert not made.big_endian
    head = make_enhanced(pixel_bytes=b"", undefined=undefined, **geometry)
    length = int(np.prod(made.shape, dtype=np.int64)) * made.dtype.itemsize
    assert length % 2 == 0, "padding is make_enhanced's"
    with open(path, "wb") as file:  # noqa: PTH123 - a PathLike need be no Path
        file.write(head[:-4] + struct.pack("<I", length))
        if frame is None:
            file.truncate(len(head) + length)
        else:
            file.writelines(
                frame(number).astype(made.dtype).tobytes()
                for number in range(made.number_of_frames)
            )
        return file.seek(0, 2)


def per_frame_groups(
    number_of_frames: int, *, undefined: bool, implicit: bool = False
) -> bytes:
    """Make (5200,9230) with one item of eight sequences per frame."""
    content = _frame_item(undefined=undefined, implicit=implicit)
    template = np.frombuffer(item(content, undefined=undefined), np.uint8)
    items = np.tile(template, (number_of_frames, 1))
    numbers = np.arange(1, number_of_frames + 1, dtype="<u4")
    for start in _find_all(template.tobytes(), struct.pack("<I", INDEX_MARK)):
        items[:, start : start + 4] = numbers.view(np.uint8).reshape(-1, 4)
    width = len(POSITION_MARK)
    positions = np.char.mod(f"%-{width}.1f", (numbers - 1.0) * SLICE_MM).astype("S")
    start = template.tobytes().index(POSITION_MARK)
    items[:, start : start + width] = positions.view(np.uint8).reshape(-1, width)
    value = items.tobytes()
    return element(0x52009230, "SQ", value, implicit=implicit, undefined=undefined)


def shared_groups(*, undefined: bool, implicit: bool = False) -> bytes:
    """Make (5200,9229) with one Frame Anatomy Sequence."""
    laterality = element(0x00209072, "CS", b"U", implicit=implicit)
    anatomy = sequence(0x00209071, laterality, undefined=undefined, implicit=implicit)
    return sequence(0x52009229, anatomy, undefined=undefined, implicit=implicit)


def _frame_item(*, undefined: bool, implicit: bool) -> bytes:
    def of(tag: int, vr: str, value: bytes) -> bytes:
        return element(tag, vr, value, implicit=implicit)

    index = struct.pack("<I", INDEX_MARK)
    groups = {
        0x00189112: of(0x00180080, "DS", b"2000")  # MR Timing and Related Parameters
        + of(0x00180091, "IS", b"1")
        + of(0x00181314, "DS", b"90"),
        0x00189114: of(0x00189082, "FD", struct.pack("<d", 30.0)),  # MR Echo
        0x00209111: of(0x00209056, "SH", b"1")  # Frame Content
        + of(0x00209057, "UL", index)
        + of(0x00209157, "UL", struct.pack("<I", 1) + index),
        0x00209113: of(0x00200032, "DS", b"-100\\-120.5\\" + POSITION_MARK),
        0x00209116: of(0x00200037, "DS", rb"1\0\0\0\1\0"),  # Plane Orientation
        0x00289110: of(0x00180050, "DS", b"0.5")  # Pixel Measures
        + of(0x00280030, "DS", rb"0.75\0.75"),
        0x00289132: of(0x00281050, "DS", b"600") + of(0x00281051, "DS", b"1600"),
        0x00289145: of(0x00281052, "DS", b"0")  # Pixel Value Transformation
        + of(0x00281053, "DS", b"1")
        + of(0x00281054, "LO", b"US"),
    }
    return b"".join(
        sequence(tag, content, undefined=undefined, implicit=implicit)
        for tag, content in groups.items()
    )


def _enhanced_elements(*, implicit: bool) -> dict[int, bytes]:
    dimensions = [
        element(0x00209165, "AT", _tag(pointer), implicit=implicit)
        + element(0x00209167, "AT", _tag(0x00209111), implicit=implicit)
        for pointer in (0x00209056, 0x00209057)
    ]
    return {
        0x00080016: element(0x00080016, "UI", ENHANCED_MR, implicit=implicit),
        0x00080060: element(0x00080060, "CS", b"MR", implicit=implicit),
        0x00209222: sequence(0x00209222, *dimensions, implicit=implicit),
    }


def _tag(tag: int) -> bytes:
    return struct.pack("<HH", tag >> 16, tag & 0xFFFF)


def _find_all(data: bytes, mark: bytes) -> list[int]:
    return [k for k in range(len(data)) if data.startswith(mark, k)]
