"""Values of elements, from the bytes that writers leave."""

from __future__ import annotations

import math
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lazydicom._header.values import decode_values


@pytest.mark.parametrize(
    ("vr", "data", "values"),
    [
        ("US", b"\1\2", (0x0201,)),
        ("US", b"\1\2\3\4", (0x0201, 0x0403)),
        ("SS", b"\xff\xff", (-1,)),
        ("UL", b"\1\0\0\0", (1,)),
        ("FD", struct.pack("<d", 0.1), (0.1,)),
        ("US", b"", ()),
        ("US", b"\1", ()),
        ("IS", b"12", (12,)),
        ("IS", b" +12 ", (12,)),
        ("IS", b"12\0", (12,)),
        ("IS", b"3.0", (3,)),
        ("IS", b"1\\-2 ", (1, -2)),
        ("IS", b"", ()),
        ("IS", b"  ", ()),
        ("DS", b"1e3\\ -.5", (1000.0, -0.5)),
        ("CS", b"MONOCHROME2 ", ("MONOCHROME2",)),
        ("CS", b"ORIGINAL\\PRIMARY\\", ("ORIGINAL", "PRIMARY", "")),
        ("UI", b"1.2.840\0", ("1.2.840",)),
        ("LO", b"\xe4\xf6", ("äö",)),
    ],
)
def test_values_are_decoded(vr: str, data: bytes, values: tuple[Any, ...]) -> None:
    assert decode_values(vr, data) == values


def test_an_empty_decimal_among_others_is_no_number() -> None:
    first, second = decode_values("DS", b"\\2")

    assert math.isnan(float(first))
    assert second == 2


@pytest.mark.parametrize(
    ("vr", "data"),
    [
        ("IS", b"abc"),
        ("IS", b"2.5"),
        ("IS", b"1_0"),
        ("IS", b"0x3"),
        ("IS", b"inf"),
        ("IS", b"nan"),
        ("IS", b"1\\\\2"),
        ("DS", b"1,5"),
        ("DS", b"1_0"),
    ],
)
def test_text_that_is_no_number_is_a_value_error(vr: str, data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode_values(vr, data)


@given(values=st.lists(st.integers(0, 0xFFFF), max_size=4))
def test_numbers_have_the_byte_order_of_the_file(values: list[int]) -> None:
    big = struct.pack(f">{len(values)}H", *values)
    little = struct.pack(f"<{len(values)}H", *values)

    assert decode_values("US", big, little_endian=False) == tuple(values)
    assert decode_values("US", little) == tuple(values)


@given(vr=st.sampled_from(("US", "FD", "IS", "DS", "CS", "UI")), data=st.binary())
def test_any_bytes_are_values_or_a_value_error(vr: str, data: bytes) -> None:
    try:
        values = decode_values(vr, data)
    except ValueError:
        return
    assert isinstance(values, tuple)
