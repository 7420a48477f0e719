"""Values that stand above other bits, as ACR-NEMA and early DICOM had them."""

from __future__ import annotations

from typing import Any, Final

import imagecodecs
import numpy as np
import pytest
from dicom_files import EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE, make_native
from encapsulated_files import make_encapsulated
from odd_files import HIGH_BIT
from pixel_layout import layout
from wide_codestreams import ENCODERS, pixels_of_bits

import lazydicom
from lazydicom.errors import DecodeError, LazyDicomWarning

WARNING: Final = "HighBit is .* values are shifted down"


def _high_bit(value: int, syntax: str = EXPLICIT_LITTLE) -> dict[int, bytes | None]:
    return {HIGH_BIT: layout(transfer_syntax=syntax).us(HIGH_BIT, value)}


@pytest.mark.parametrize("syntax", [EXPLICIT_LITTLE, IMPLICIT_LITTLE, EXPLICIT_BIG])
@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize(("bits", "high"), [(12, 15), (10, 13), (8, 15), (15, 15)])
def test_values_that_stand_at_the_top_are_shifted_down(
    bits: int, high: int, syntax: str, *, signed: bool
) -> None:
    values = pixels_of_bits(bits, signed=signed)
    words = (values << high + 1 - bits).view(np.uint16) & ((1 << high + 1) - 1)
    file = make_native(
        np.stack([words] * 3),
        transfer_syntax=syntax,
        bits_stored=bits,
        elements=_high_bit(high, syntax)
        | {0x00280103: layout(transfer_syntax=syntax).us(0x00280103, int(signed))},
    )

    with pytest.warns(LazyDicomWarning, match=WARNING):
        array = lazydicom.open_image(file)

    assert array.dtype == values.dtype
    assert np.array_equal(np.asarray(array), [values] * 3)
    assert np.array_equal(array[1, 2:7, 3:9], values[2:7, 3:9])


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("name", ENCODERS)
def test_codestreams_of_such_words_are_shifted_too(name: str, *, signed: bool) -> None:
    values = pixels_of_bits(12, signed=signed)
    uid, encode = ENCODERS[name]
    geometry: Any = {"transfer_syntax": uid, "pixel_representation": int(signed)}
    file = make_encapsulated(
        [encode((values << 4).view(np.uint16))],
        rows=16,
        columns=24,
        bits_stored=12,
        elements=_high_bit(15),
        **geometry,
    )

    with pytest.warns(LazyDicomWarning, match=WARNING):
        array = lazydicom.open_image(file)

    assert np.array_equal(array[0], values)


@pytest.mark.parametrize("values", [[1, 2, 3], [4095, 0, 0], [0x1230, 0x4560, 0x0001]])
def test_bits_in_use_below_the_values_are_an_error(values: list[int]) -> None:
    words = np.array(values, np.uint16).reshape(1, 1, 3)
    file = make_native(words, bits_stored=12, elements=_high_bit(15))
    with pytest.warns(LazyDicomWarning, match="HighBit"):
        array = lazydicom.open_image(file)

    for read in (lambda: array[0], lambda: np.asarray(array), lambda: array[0, :, 1:]):
        with pytest.raises(DecodeError, match=r"HighBit is 15 .* in use.*frame 0"):
            read()


def test_a_codestream_that_holds_the_stored_bits_alone_knows_no_high_bit() -> None:
    values = pixels_of_bits(12, signed=False)
    data = bytes(
        imagecodecs.jpeg2k_encode(
            values, level=0, codecformat="j2k", reversible=True, bitspersample=12
        )
    )
    geometry: Any = {"transfer_syntax": ENCODERS["JPEG 2000"][0]}
    file = make_encapsulated(
        [data], rows=16, columns=24, bits_stored=12, elements=_high_bit(15), **geometry
    )
    with pytest.warns(LazyDicomWarning, match="HighBit"):
        array = lazydicom.open_image(file)

    assert np.array_equal(array[0], values)
