"""Elements and items cost little each, however many are claimed."""

from __future__ import annotations

import contextlib
import struct
import time
from typing import Final

import pytest
from dicom_elements import UNDEFINED, delimiter, element_header
from dicom_files import element, item, make_native
from traced_memory import traced

from lazydicom._bytes.open import open_source
from lazydicom._header.columns.functional_groups import functional_group_columns
from lazydicom._header.header import read_header
from lazydicom.errors import LazyDicomError, LimitError

COUNT: Final = 200_000
SAME: Final = element_header(0x00291000, "LO", 0)
PER_FRAME: Final = 0x52009230
ITEM_END: Final = struct.pack("<HHI", 0xFFFE, 0xE00D, 0)


def unlike(count: int, vr: str) -> bytes:
    tags = (0x00291000 + (k // 0xE000 << 17) + k % 0xE000 for k in range(count))
    return b"".join(element_header(tag, vr, 0) for tag in tags)


def undefined(tag: int, content: bytes) -> bytes:
    """Put content into one item; neither it nor its sequence says how long it is."""
    head = element_header(tag, "SQ", UNDEFINED) + item(length=UNDEFINED)
    return head + content + ITEM_END + delimiter()


def items_of_their_own(count: int) -> bytes:
    """Make items no two of which have the same elements."""
    pairs = ((k % 251, k // 251) for k in range(count))
    return b"".join(
        item(
            element_header(0x00291000 + a, "LO", 0)
            + element_header(0x00292000 + b, "LO", 0),
            undefined=True,
        )
        for a, b in pairs
    )


BOMBS: Final = {
    "elements": unlike(2 * COUNT, "LO"),
    "elements of one tag": SAME * COUNT,
    "elements of one tag that nobody knows": SAME.replace(b"LO", b"ZZ") * COUNT,
    "elements of an illegal VR": unlike(COUNT, "??"),
    "elements in an item": undefined(0x00281050, SAME * COUNT),
    "empty items": element(
        0x00291010, "SQ", item(undefined=True) * COUNT, undefined=True
    ),
    "empty items per frame": element(PER_FRAME, "SQ", item() * COUNT),
    "delimited items per frame": element(
        PER_FRAME, "SQ", item(undefined=True) * COUNT, undefined=True
    ),
    "elements in one item per frame": element(PER_FRAME, "SQ", item(SAME * COUNT)),
    "elements in one delimited item": undefined(PER_FRAME, SAME * COUNT),
    "unlike items per frame": element(
        PER_FRAME, "SQ", items_of_their_own(5000), undefined=True
    ),
}


@pytest.mark.filterwarnings("ignore::lazydicom.errors.LazyDicomWarning")
@pytest.mark.parametrize("name", BOMBS)
def test_many_elements_cost_little_time_and_memory(name: str) -> None:
    file = make_native(number_of_frames=1, extra_before=BOMBS[name])

    start = time.process_time()
    _read(file)
    seconds = time.process_time() - start
    _, peak = traced(lambda: _read(file))

    assert seconds < 10  # a hundred times what it takes
    assert peak < 64 * COUNT + (32 << 20)


def _read(file: bytes) -> None:
    with contextlib.suppress(LazyDicomError):
        functional_group_columns(read_header(open_source(file)))


@pytest.mark.parametrize("count", [1 << 18, 3 << 17])
def test_more_elements_than_an_image_has_are_a_limit_error(count: int) -> None:
    file = make_native(extra_before=unlike(count, "LO"))

    with pytest.raises(LimitError, match="elements"):
        read_header(open_source(file))
