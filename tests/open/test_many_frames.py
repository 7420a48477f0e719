"""A header may claim as many frames as it likes; what that costs is bounded."""

import tracemalloc

import pytest
from dicom_elements import DEFLATED, EXPLICIT_LITTLE
from dicom_files import make_native

import lazydicom
from lazydicom._array.grid import MAX_PLACES
from lazydicom.errors import LimitError


@pytest.mark.parametrize(("syntax", "bits"), [(DEFLATED, 8), (EXPLICIT_LITTLE, 1)])
def test_more_frames_than_a_grid_is_made_for_are_refused(
    syntax: str, bits: int
) -> None:
    frames = MAX_PLACES + 1
    pixels = bytes((frames * bits + 15) // 16 * 2)
    file = make_native(
        rows=1,
        columns=1,
        number_of_frames=frames,
        bits_allocated=bits,
        pixel_bytes=pixels,
        transfer_syntax=syntax,
    )

    tracemalloc.start()
    with pytest.raises(
        LimitError, match=f"at most {MAX_PLACES} frames, found {frames}"
    ):
        lazydicom.open_image(file)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 64 << 20
