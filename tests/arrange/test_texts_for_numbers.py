"""Text where nuclear medicine and mappings have numbers is no number, and nobody quotes it."""

from __future__ import annotations

import pytest
from pydicom import Dataset
from pydicom.dataelem import DataElement
from pydicom.sequence import Sequence

from lazydicom._arrange.kinds.nuclear import _items, _number, _numbers
from lazydicom._views.lut.mappings import _number as _mapped_number

WINDOW = 0x00540014


@pytest.mark.parametrize("value", ["CNRY^JOE", ["1", "2"], "", None])
def test_text_is_no_number(value: object) -> None:
    item = Dataset()
    item[WINDOW] = DataElement(WINDOW, "LO", value)

    for number in (_number, _mapped_number):
        found = number(item, "EnergyWindowLowerLimit")
        assert found != found  # noqa: PLR0124 (NaN)


def test_text_is_no_sequence_and_no_numbers() -> None:
    item = Dataset()
    for tag in (0x00540013, 0x00200032):
        item[tag] = DataElement(tag, "LO", "CNRY^JOE")

    assert _items(item, "EnergyWindowRangeSequence") == []
    assert len(_numbers(item, "ImagePositionPatient")) == 0


def test_numbers_and_items_are_read() -> None:
    item, inner = Dataset(), Dataset()
    inner.EnergyWindowLowerLimit = 126.5
    item.EnergyWindowRangeSequence = Sequence([inner])
    item.ImagePositionPatient = [1, 2.5, -3]

    (one,) = _items(item, "EnergyWindowRangeSequence")
    assert _number(one, "EnergyWindowLowerLimit") == 126.5
    assert _numbers(item, "ImagePositionPatient").tolist() == [1, 2.5, -3]
