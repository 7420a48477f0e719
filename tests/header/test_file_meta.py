"""Where a data set begins and how it is written, whatever File Meta says."""

from __future__ import annotations

import warnings
from typing import Final

import numpy as np
import pytest
from dicom_files import (
    DEFLATED,
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    element,
    file_meta,
    make_native,
    stored_pixels,
)

import lazydicom
from lazydicom.errors import LazyDicomWarning, UnsupportedError

PIXELS: Final = stored_pixels()
NATIVE: Final = (EXPLICIT_LITTLE, IMPLICIT_LITTLE, EXPLICIT_BIG)


def _implicit_meta(transfer_syntax: str) -> bytes:
    """Make a File Meta group in implicit VR, as some writers do."""
    uid = element(0x00020010, "UI", transfer_syntax.encode(), implicit=True)
    version = element(0x00020001, "OB", b"\0\1", implicit=True)
    length = len(version + uid).to_bytes(4, "little")
    return element(0x00020000, "UL", length, implicit=True) + version + uid


@pytest.mark.parametrize("syntax", [*NATIVE, DEFLATED])
@pytest.mark.parametrize("preamble", [True, False])
@pytest.mark.parametrize("group_length", [None, 0, 4, 100_000, 0xFFFFFFFF])
def test_the_group_length_of_file_meta_may_be_wrong(
    syntax: str,
    preamble: bool,
    group_length: int | None,
) -> None:
    meta = file_meta(syntax, group_length=group_length)
    file = make_native(transfer_syntax=syntax, file_meta=meta, preamble=preamble)

    array = lazydicom.open_image(file)

    assert array.images[0].header.transfer_syntax.uid == syntax
    assert np.array_equal(array, PIXELS)


@pytest.mark.parametrize("syntax", NATIVE)
@pytest.mark.parametrize("preamble", [True, False])
def test_without_file_meta_the_data_set_tells(
    syntax: str,
    preamble: bool,
) -> None:
    file = make_native(transfer_syntax=syntax, file_meta=False, preamble=preamble)

    with pytest.warns(LazyDicomWarning, match="No transfer syntax"):
        array = lazydicom.open_image(file)

    assert array.images[0].header.transfer_syntax.uid == syntax
    assert np.array_equal(array, PIXELS)


@pytest.mark.parametrize("syntax", NATIVE)
def test_file_meta_may_be_in_implicit_vr(syntax: str) -> None:
    file = make_native(transfer_syntax=syntax, file_meta=_implicit_meta(syntax))

    array = lazydicom.open_image(file)

    assert array.images[0].header.transfer_syntax.uid == syntax
    assert np.array_equal(array, PIXELS)


@pytest.mark.parametrize("declared", [EXPLICIT_LITTLE, IMPLICIT_LITTLE, None])
@pytest.mark.parametrize("written", [EXPLICIT_LITTLE, IMPLICIT_LITTLE])
def test_the_data_set_is_believed_where_another_vr_form_is_declared(
    declared: str | None, written: str
) -> None:
    file = make_native(transfer_syntax=written, file_meta=file_meta(declared))

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        array = lazydicom.open_image(file)

    assert [one.category for one in said] == [LazyDicomWarning] * (declared != written)
    assert np.array_equal(array, PIXELS)


@pytest.mark.parametrize("syntax", [EXPLICIT_LITTLE, IMPLICIT_LITTLE])
@pytest.mark.parametrize("swapped", [False, True])
def test_the_data_set_is_believed_where_another_byte_order_is_declared(
    syntax: str,
    swapped: bool,
) -> None:
    written, declared = (EXPLICIT_BIG, syntax)[:: -1 if swapped else 1]
    file = make_native(transfer_syntax=written, file_meta=file_meta(declared))

    with pytest.warns(LazyDicomWarning, match="declared"):
        array = lazydicom.open_image(file)

    assert array.images[0].header.transfer_syntax.uid == written
    assert np.array_equal(array, PIXELS)


@pytest.mark.parametrize("uid", ["1.2.3", "", "1.2.840.10008.1.2.1.77"])
def test_an_unknown_transfer_syntax_is_named(uid: str) -> None:
    file = make_native(file_meta=file_meta(uid or "9.9"))

    with pytest.raises(UnsupportedError, match=r"\(0002,0010\)"):
        lazydicom.open_image(file)


def test_a_uid_may_be_padded_with_anything_usual() -> None:
    for padding in (b"\0", b" ", b"\0\0\0", b"  "):
        uid = element(0x00020010, "UI", EXPLICIT_LITTLE.encode() + padding)

        array = lazydicom.open_image(make_native(file_meta=uid))

        assert np.array_equal(array, PIXELS)
