"""Values of 12 bits allocated share bytes, as ACR-NEMA and early files have them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from dicom_files import EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE, make_native
from wide_codestreams import pixels_of_bits

import lazydicom
from lazydicom.errors import InvalidDicomError, LazyDicomError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


def _pack(values: NDArray[Any], *, big: bool) -> bytes:
    """Pack bit by bit: slow, and as the standard says it (PS3.5 annex D)."""
    bits = (values.reshape(-1, 1).astype(np.int64) >> np.arange(12)) & 1
    data = np.packbits(bits.reshape(-1).astype(np.uint8), bitorder="little").tobytes()
    data += bytes(len(data) % 2)
    return np.frombuffer(data, "<u2").byteswap().tobytes() if big else data


@pytest.mark.parametrize("shape", [(3, 16, 24), (3, 5, 7), (4, 1, 1), (2, 3, 3)])
@pytest.mark.parametrize("stored", [10, 12])
@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("syntax", [EXPLICIT_LITTLE, IMPLICIT_LITTLE, EXPLICIT_BIG])
def test_values_that_share_bytes_come_apart(
    syntax: str, stored: int, shape: tuple[int, ...], tmp_path: Path, *, signed: bool
) -> None:
    source = pixels_of_bits(stored, signed=signed).reshape(-1)
    values = np.resize(source[::-1], shape)
    file = make_native(
        transfer_syntax=syntax,
        number_of_frames=shape[0],
        rows=shape[1],
        columns=shape[2],
        bits_allocated=12,
        bits_stored=stored,
        pixel_representation=int(signed),
        vr="OW",
        pixel_bytes=_pack(values, big=syntax == EXPLICIT_BIG),
    )
    (tmp_path / "a.dcm").write_bytes(file)

    for place in (file, tmp_path / "a.dcm"):
        array = lazydicom.open_image(place)

        assert array.dtype == values.dtype
        assert np.array_equal(np.asarray(array), values)
        for k, frame in enumerate(values):  # odd ones begin in the middle of a byte
            assert np.array_equal(array[k], frame)
        assert np.array_equal(array[1, :2, -1:], values[1, :2, -1:])
    assert np.array_equal(lazydicom.to_dask(array).compute(), values)


@pytest.mark.parametrize("bits", [2, 4, 10, 14, 20])
def test_other_widths_are_refused(bits: int) -> None:
    with pytest.raises(InvalidDicomError, match="1, 12 or a multiple of 8"):
        lazydicom.open_image(make_native(bits_allocated=bits, pixel_bytes=bytes(100)))


def test_a_frame_that_is_cut_is_an_error() -> None:
    file = make_native(bits_allocated=12, pixel_bytes=bytes(80), vr="OW")

    with pytest.raises(LazyDicomError):
        lazydicom.open_image(file)
