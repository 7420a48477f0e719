"""The bad files are bad in the way they say, the odd ones hold what they promise."""

from __future__ import annotations

import re
import warnings
from io import BytesIO

import numpy as np
import pytest
from bad_files import BAD_FILES
from odd_files import ODD_FILES
from pydicom import dcmread

# pydicom's own limits; the pixels are compared with those that were written.
UNREAD = {
    *(name for name in ODD_FILES if re.search("missing|empty|VR '|order|endian", name)),
    "PhotometricInterpretation in lower case",
    "PhotometricInterpretation with blanks around",
    "a second Transfer Syntax",
    "no Transfer Syntax",
    "no preamble, no File Meta",
    "File Meta without preamble",
    "a frame more than declared",
    "three frames and no NumberOfFrames",
}
SLOW = {"The deflated data set is a bomb"}
SLOW_BY_PEER = {"100,000 empty items for three frames"}
"""It takes pydicom ten seconds."""


def test_a_bad_file_is_small_and_always_the_same() -> None:
    for name in BAD_FILES.keys() - SLOW:
        file = BAD_FILES[name].make()

        assert file == BAD_FILES[name].make(), name
        assert len(file) < 10_000_000, name


def test_the_bomb_is_small() -> None:
    assert len(BAD_FILES["The deflated data set is a bomb"].make()) < 500_000


def test_no_two_bad_files_are_the_same() -> None:
    files = [BAD_FILES[name].make() for name in BAD_FILES.keys() - SLOW]

    assert len(set(files)) == len(files)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.heavy) if name in SLOW_BY_PEER else name
        for name in sorted(ODD_FILES.keys() - UNREAD)
    ],
)
def test_an_odd_file_holds_its_pixels(name: str) -> None:
    odd = ODD_FILES[name]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pixels = dcmread(BytesIO(odd.make())).pixel_array

    assert np.array_equal(pixels.reshape(odd.pixels.shape), odd.pixels)
