"""Elements and items cost little each, however many are claimed."""

from __future__ import annotations

import contextlib
import time
from functools import cache
from typing import Any, Final

import pytest
from dicom_elements import UNDEFINED, delimiter, element_header
from dicom_files import (
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    element,
    file_meta,
    item,
    make_native,
)
from traced_memory import traced

from lazydicom._bytes.open import open_source
from lazydicom._header.columns.functional_groups import functional_group_columns
from lazydicom._header.header import read_header
from lazydicom.errors import LazyDicomError, LimitError

COUNT: Final = 12_000
PER_FRAME: Final = 0x52009230


def sequences(count: int, vr: str, form: dict[str, bool]) -> bytes:
    """Make empty sequences that do not say how long they are."""
    empty = item(undefined=True, big_endian=form.get("big_endian", False))
    end = delimiter(big_endian=form.get("big_endian", False))
    return b"".join(
        element_header(0x00291000 + k, vr, UNDEFINED, **form) + empty + end
        for k in range(count)
    )


def bombs(form: dict[str, bool], count: int = COUNT) -> dict[str, bytes]:
    """Make elements and items in great number, written in one of the forms."""
    big: Any = {"big_endian": form.get("big_endian", False)}
    same = element_header(0x00291000, "LO", 0, **form)
    rising = b"".join(
        element_header(0x00291000 + (k // 0xE000 << 17) + k % 0xE000, "LO", 0, **form)
        for k in range(2 * count)
    )
    item_end = element_header(0xFFFEE00D, "", 0, implicit=True, **big)

    def undefined(tag: int, content: bytes) -> bytes:
        head = element_header(tag, "SQ", UNDEFINED, **form)
        start = item(length=UNDEFINED, **big)
        return head + start + content + item_end + delimiter(**big)

    def in_sequence(tag: int, items: bytes, *, delimited: bool = False) -> bytes:
        return element(tag, "SQ", items, undefined=delimited, **form)

    few = count // 20
    own = b"".join(
        item(
            element_header(0x00291000 + k % 251, "LO", 0, **form)
            + element_header(0x00292000 + k // 251, "LO", 0, **form),
            undefined=True,
            **big,
        )
        for k in range(few)
    )
    longs = element_header(0x00291000, "OB", 0, **form) * count
    return {
        "elements": rising,
        "elements of one tag": same * count,
        "elements of a VR that nobody knows": rising.replace(b"LO", b"ZZ"),
        "elements of an illegal VR": rising.replace(b"LO", b"??"),
        "elements in an item": undefined(0x00281050, same * count),
        "elements of long VRs in an item": undefined(0x00281050, longs),
        "empty items": in_sequence(0x00291010, item(**big) * count, delimited=True),
        "delimited items": in_sequence(
            0x00291010, item(undefined=True, **big) * count, delimited=True
        ),
        "unlike items": in_sequence(0x00291010, own, delimited=True),
        "empty sequences": sequences(few, "SQ", form),
        "empty sequences in an item": undefined(0x00281050, sequences(few, "SQ", form)),
        "empty items per frame": in_sequence(PER_FRAME, item(**big) * count),
        "delimited items per frame": in_sequence(
            PER_FRAME, item(undefined=True, **big) * count, delimited=True
        ),
        "elements in one item per frame": in_sequence(
            PER_FRAME, item(same * count, **big)
        ),
        "elements in one delimited item": undefined(PER_FRAME, same * count),
        "unlike items per frame": in_sequence(PER_FRAME, own, delimited=True),
        "sequences in one item per frame": undefined(
            PER_FRAME, sequences(few, "SQ", form)
        ),
        "sequences of unknown VR": sequences(few, "UN", form),
    }


FORMS: Final[dict[str, tuple[str, dict[str, bool]]]] = {
    "explicit": (EXPLICIT_LITTLE, {}),
    "implicit": (IMPLICIT_LITTLE, {"implicit": True}),
    "big endian": (EXPLICIT_BIG, {"big_endian": True}),
}
KINDS: Final = list(bombs({}, count=20))
FEW: Final = (
    "elements",
    "delimited items per frame",
    "sequences in one item per frame",
)
"""Kinds that are written in every form; those left out are `heavy`."""
CASES: Final = [
    pytest.param(form, kind, marks=[] if few else pytest.mark.heavy)
    for form in FORMS
    for kind in KINDS
    for few in [form == "explicit" or kind in FEW]
]


@cache
def bombs_of(form: str) -> dict[str, bytes]:
    return bombs(FORMS[form][1])


@pytest.mark.filterwarnings("ignore::lazydicom.errors.LazyDicomWarning")
@pytest.mark.parametrize(("form", "name"), CASES)
def test_many_elements_cost_little_time_and_memory(form: str, name: str) -> None:
    file = make_native(
        number_of_frames=1,
        extra_before=bombs_of(form)[name],
        transfer_syntax=FORMS[form][0],
    )

    start = time.process_time()
    _, peak = traced(lambda: _read(file))
    seconds = time.process_time() - start

    assert seconds < 10  # a hundred times what it takes
    assert peak < 64 * COUNT + (48 << 20)


def _read(file: bytes) -> None:
    with contextlib.suppress(LazyDicomError):
        functional_group_columns(read_header(open_source(file)))


@pytest.mark.filterwarnings("ignore::lazydicom.errors.LazyDicomWarning")
@pytest.mark.parametrize("vr", ["LO", "UI", "OB"])
def test_more_elements_of_group_2_than_anybody_writes_are_a_limit_error(
    vr: str,
) -> None:
    many = element_header(0x00020010, vr, 0) * 2000

    with pytest.raises(LimitError, match="group 0002"):
        read_header(open_source(make_native(file_meta=file_meta() + many)))


@pytest.mark.parametrize("count", [1 << 18, 3 << 17])
def test_more_elements_than_an_image_has_are_a_limit_error(count: int) -> None:
    rising = (0x00291000 + (k // 0xE000 << 17) + k % 0xE000 for k in range(count))
    elements = b"".join(element_header(tag, "LO", 0) for tag in rising)
    file = make_native(extra_before=elements)

    with pytest.raises(LimitError, match="elements"):
        read_header(open_source(file))
