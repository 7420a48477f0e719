"""Whatever pydicom raises for odd bytes is an error of ours."""

from __future__ import annotations

import struct

import pytest
from dicom_files import element, item, make_native, sequence

import lazydicom
from lazydicom._bytes.open import open_source
from lazydicom._header.header import read_header
from lazydicom.errors import LazyDicomError

pytestmark = pytest.mark.filterwarnings("ignore::lazydicom.errors.LazyDicomWarning")

DESCRIPTOR = element(0x00283002, "US", struct.pack("<3H", 4, 0, 16))


@pytest.mark.parametrize("vr", [b"O\1", b"O\0", b"\0\0", b"??", b"ZZ", b"SQ", b"DS"])
def test_a_lut_of_an_odd_vr_is_there_or_an_error_of_ours(vr: bytes) -> None:
    data = element(0x00283006, "OW", bytes(8)).replace(b"OW", vr)
    file = make_native(extra_before=sequence(0x00283010, DESCRIPTOR + data))

    try:
        lazydicom.apply_voi_lut(lazydicom.open_image(file))
    except LazyDicomError as error:
        assert "<bytes>" in str(error)  # noqa: PT017 (one or the other)


@pytest.mark.parametrize("value", [b"abc", b"\0" * 9, item(b"\xff" * 8)])
@pytest.mark.parametrize("vr", ["US", "FD", "SQ", "UN", "LO"])
def test_unlike_elements_are_in_the_dataset_or_an_error_of_ours(
    vr: str, value: bytes
) -> None:
    again = element(0x00291010, vr, value, pad=False)
    file = make_native(extra_before=element(0x00291010, "LO", b"first") + again * 2)
    header = read_header(open_source(file))

    try:
        dataset = header.dataset
    except LazyDicomError as error:
        assert "<bytes>" in str(error)  # noqa: PT017 (one or the other)
    else:
        assert dataset[0x00291010].value == "first"
