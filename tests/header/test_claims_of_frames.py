"""What frames say of themselves takes memory in proportion to the bytes that say it."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pytest
from bombs import long_item, per_frame, text_item
from dicom_files import element, item, make_native
from traced_memory import traced

import lazydicom
from lazydicom._bytes.open import open_source
from lazydicom._header.columns.column import shared_text
from lazydicom._header.columns.functional_groups import functional_group_columns
from lazydicom._header.header import read_header
from lazydicom.errors import LimitError

if TYPE_CHECKING:
    from collections.abc import Sequence

SHARED: Final = 0x52009229
FRAMES: Final = 60_000


def columns_of(data: bytes) -> dict[str, Any]:
    return functional_group_columns(read_header(open_source(data)))


def stacked(stack: str, number: int, *, undefined: bool) -> bytes:
    """Write the groups of a frame: Stack ID and In-Stack Position Number."""
    content = element(0x00209056, "SH", stack.encode() + b" " * (len(stack) % 2))
    content += element(0x00209057, "UL", struct.pack("<I", number))
    frame = element(
        0x00209111, "SQ", item(content, undefined=undefined), undefined=undefined
    )
    return item(frame, undefined=undefined)


@pytest.mark.parametrize("undefined", [False, True])
@pytest.mark.parametrize(
    "lengths",
    [
        [2] * 100,
        [2] * 70 + [4] + [2] * 70,
        [2, 4] * 60,
        [2, 2, 4, 4] * 40,
        [2] * 300 + [6] * 300 + [2],
    ],
    ids=["alike", "one other", "in turn", "in pairs", "two runs"],
)
def test_items_of_any_lengths_are_each_read(
    lengths: Sequence[int], undefined: bool
) -> None:
    texts = [f"{k % 10:0{length}}" for k, length in enumerate(lengths)]
    items = b"".join(
        stacked(text, k, undefined=undefined) for k, text in enumerate(texts)
    )

    columns = columns_of(per_frame(items, len(lengths), undefined=undefined))

    assert columns["stack_id"].tolist() == texts
    assert columns["in_stack_position"][:, 0].tolist() == list(range(len(lengths)))


def test_items_that_only_begin_and_end_alike_are_each_read() -> None:
    inner = element(0x00209056, "SH", b"ab") + element(0x00209057, "UL", b"\1\0\0\0")
    other = element(0x00209056, "SH", b"cd") + element(0x00209057, "UL", b"\2\0\0\0")
    items = [item(element(0x00209111, "SQ", item(one))) for one in (inner, other)]

    columns = columns_of(per_frame((items[0] * 50 + items[1]) * 9, 9 * 51))

    assert columns["stack_id"].tolist() == (["ab"] * 50 + ["cd"]) * 9
    assert columns["in_stack_position"][:, 0].tolist() == ([1] * 50 + [2]) * 9


def test_one_long_text_makes_no_other_row_long() -> None:
    header = read_header(
        open_source(per_frame(text_item(2) * FRAMES + text_item(2000), FRAMES + 1))
    )

    columns, peak = traced(lambda: functional_group_columns(header))

    assert columns["stack_id"][0] == "xx"
    assert columns["stack_id"][-1] == "x" * 128
    assert sum(column.nbytes for column in columns.values()) <= 64 * FRAMES
    assert peak < 64e6


def test_a_text_that_all_frames_have_is_kept_once() -> None:
    column = shared_text(np.array(["x" * 100, "y" * 40] * 500))

    assert len({id(text) for text in column}) == 2


def test_what_frames_share_takes_a_row_however_many_they_are() -> None:
    data = make_native(
        rows=1,
        columns=1,
        bits_allocated=8,
        number_of_frames=4 * FRAMES,
        extra_before=element(SHARED, "SQ", long_item()),
    )
    array = lazydicom.open_image(data)

    table, peak = traced(lambda: array.frames)

    assert table.numbers("slice_thickness").shape == (4 * FRAMES, 1)
    assert (table.text("frame_type") == table.text("frame_type")[0]).all()
    assert peak < 64 * 4 * FRAMES


def test_one_frame_of_all_attributes_among_many_of_none_is_a_limit_error() -> None:
    data = per_frame(item() * 300_000 + long_item(), 300_001)

    with pytest.raises(LimitError, match=r"attributes of 300001 frames.*at byte \d+"):
        columns_of(data)


def test_frames_of_all_attributes_each_are_read() -> None:
    columns = columns_of(per_frame(long_item() * 20_000, 20_000))

    assert len(columns) > 40
    assert all(len(column) == 20_000 for column in columns.values())
