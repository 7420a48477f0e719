"""Who asks the wrong function is told the right one."""

from __future__ import annotations

from typing import Any

import pytest
from pydicom.data import get_testdata_file

import lazydicom
from lazydicom.errors import InvalidDicomError

CT = get_testdata_file("CT_small.dcm", download=False)
DOSE = get_testdata_file("rtdose.dcm", download=False)


@pytest.mark.parametrize("urls", [CT, DOSE, [CT, DOSE]])
def test_images_that_are_no_slide_are_sent_to_their_own_functions(urls: Any) -> None:  # noqa: ANN401
    with pytest.raises(InvalidDicomError, match="found other; open_image and open_se"):
        lazydicom.open_slide(urls)


@pytest.mark.parametrize("name", [CT, [CT], {"1-CT": CT}, None])
def test_a_table_of_segments_is_not_made_of_names(name: Any) -> None:  # noqa: ANN401
    with pytest.raises(TypeError, match="segment_table takes a DicomArray"):
        lazydicom.segment_table(name)
