"""Siemens mosaics whose private elements are damaged: an error of ours, or the planes."""

from __future__ import annotations

import re
import warnings

import numpy as np
import pytest
from tools import require_shared_data

import lazydicom
from lazydicom.errors import InvalidDicomError, LazyDicomWarning


def mosaic_bytes() -> bytes:
    folder = require_shared_data("10_series/siemens_mosaic_interleave")
    return min(folder.iterdir()).read_bytes()


def with_csa_value(data: bytes, name: bytes, text: bytes) -> bytes:
    """Write over the first value of a name in the CSA image header."""
    header = data.index(b"SV10")
    start = data.index(name + b"\0", header) + 84
    value = re.compile(rb"-?[0-9.]{1,12}").search(data, start + 16)
    assert value is not None
    length = max(len(value[0]), len(text))
    filled = text.ljust(length, b"\0")
    return data[: value.start()] + filled + data[value.start() + length :]


@pytest.mark.parametrize("text", [b"x", b"nan", b"inf", b"9", b"0.0"])
def test_a_damaged_normal_is_that_of_the_orientation(text: bytes) -> None:
    data = mosaic_bytes()
    whole = lazydicom.open_series(data)

    damaged = lazydicom.open_series(with_csa_value(data, b"SliceNormalVector", text))

    affine = damaged.attrs["affine"]
    np.testing.assert_allclose(affine, whole.attrs["affine"], atol=1e-3)


@pytest.mark.filterwarnings("ignore:Elements stand twice")
@pytest.mark.parametrize("text", [b"x", b"inf", b"36.5"])
def test_a_damaged_number_of_tiles_is_that_of_the_protocol(text: bytes) -> None:
    data = mosaic_bytes().replace(b"\x19\x00\x0a\x10US", b"\x19\x00\x0d\x10US")
    damaged = with_csa_value(data, b"NumberOfImagesInMosaic", text)

    assert lazydicom.open_series(damaged).shape == (36, 64, 64)


def test_a_number_of_tiles_that_does_not_fit_is_an_error() -> None:
    data = mosaic_bytes()
    at = data.index(b"\x19\x00\x0a\x10US") + 8

    for tiles in (0, 2500, 65535):
        damaged = data[:at] + tiles.to_bytes(2, "little") + data[at + 2 :]
        with pytest.raises(InvalidDicomError, match=f"mosaic of {tiles} tiles"):
            lazydicom.open_series(damaged)


def test_a_mosaic_without_orientation_has_no_geometry() -> None:
    data = mosaic_bytes()
    value = re.search(rb"\x20\x00\x37\x00DS..", data, re.DOTALL)
    assert value is not None
    length = int.from_bytes(value[0][-2:], "little")
    zeros = b"0\\0\\0\\0\\0\\0".ljust(length)
    damaged = data[: value.end()] + zeros + data[value.end() + length :]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LazyDicomWarning)
        array = lazydicom.open_series(damaged)

    assert array.dims == ("frame", "y", "x")
    assert "affine" not in array.attrs


def test_tiles_may_count_against_the_normal_of_the_orientation() -> None:
    data = mosaic_bytes()
    start = data.index(b"SliceNormalVector\0", data.index(b"SV10"))
    header = data[start : start + 400]
    turned = re.sub(rb"0\.(\d{7})\d(?=\0)", rb"-0.\1", header)
    whole = lazydicom.open_series(data)

    against = lazydicom.open_series(data[:start] + turned + data[start + 400 :])

    assert turned != header
    np.testing.assert_array_equal(np.asarray(against)[::-1], np.asarray(whole))
    first = whole.attrs["affine"] @ [0, 0, 0, 1]
    np.testing.assert_allclose(
        against.attrs["affine"] @ [0, 0, 35, 1], first, atol=1e-3
    )
