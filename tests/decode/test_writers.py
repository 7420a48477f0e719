"""What other writers compress without loss comes back as it was: writer × kind of pixels."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Final

import numpy as np
import pytest
from native_originals import ORIGINALS, WRITERS, compress, write_native
from pydicom import dcmread

import lazydicom
from lazydicom.errors import LazyDicomError

if TYPE_CHECKING:
    from pathlib import Path

OFTEN: Final = (
    "8 in 8",
    "12 in 16",
    "12 in 16, signed",
    "16 in 16, signed",
    "odd size of bytes",
    "signed frames",
    "RGB by plane",
)
"""Kinds that each run tries; the others are heavy."""
_PLANES: Final = ("RGB by plane", "RGB frames by plane")
SCRAMBLED: Final = {
    **{("pydicom RLE", kind): "pydicom" for kind in _PLANES},
    **{("pydicom RLE, pylibjpeg", kind): "pydicom" for kind in _PLANES},
    ("DCMTK JPEG lossless", "RGB frames by plane"): "gdcm",
    ("DCMTK JPEG lossless, process 14", "RGB frames by plane"): "gdcm",
}
"""Where the writer itself mixes planes up; the plugin of pydicom that reads the same."""
REFUSED: Final = {
    **{
        ("GDCM JPEG 2000", f"{kind}{signed}"): "32 bits has no decoder that is right"
        for kind in ("24 in 32", "32 in 32")
        for signed in ("", ", signed")
    },
    **{
        ("pydicom RLE", f"8 in 16{signed}"): "Expected 768 bytes of an RLE segment"
        for signed in ("", ", signed")
    },
}
"""What is written so that nobody reads it, and why."""
ABORTS: Final = {
    ("highdicom RLE", kind)
    for kind in (
        "odd size of bytes",
        "8 in 16",
        "8 in 16, signed",
        "frames of bytes, odd",
        "RGB, odd size",
    )
}
"""Where the writer ends the process: an exception in C++ that nobody catches."""


def comes_back(writer: str, kind: str, folder: Path) -> bool:
    """Return whether the writer takes such pixels; fail unless they come back."""
    original = ORIGINALS[kind]
    source, target = folder / "native.dcm", folder / "compressed.dcm"
    write_native(original, source)
    if (writer, kind) in ABORTS:
        return False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # theirs
        if not compress(writer, original, source, target):
            return False
    array = lazydicom.open_image(target)
    if (writer, kind) in REFUSED:
        with pytest.raises(LazyDicomError, match=REFUSED[writer, kind]):
            array[0]
        return True

    values = np.asarray(array)

    expected = original.pixels()
    if plugin := SCRAMBLED.get((writer, kind)):
        dataset = dcmread(target)
        dataset.pixel_array_options(decoding_plugin=plugin)
        expected = dataset.pixel_array.reshape(expected.shape)
    assert values.dtype == expected.dtype
    assert np.array_equal(values, expected)
    assert array.images[0].format.transfer_syntax.codec is not None
    return True


@pytest.mark.parametrize("kind", OFTEN)
@pytest.mark.parametrize("writer", WRITERS)
def test_what_a_writer_compresses_comes_back(
    writer: str, kind: str, tmp_path: Path
) -> None:
    if not comes_back(writer, kind, tmp_path):
        pytest.skip("the writer does not take such pixels")


@pytest.mark.heavy
@pytest.mark.parametrize("kind", [kind for kind in ORIGINALS if kind not in OFTEN])
@pytest.mark.parametrize("writer", WRITERS)
def test_what_a_writer_compresses_of_rarer_kinds_comes_back(
    writer: str, kind: str, tmp_path: Path
) -> None:
    if not comes_back(writer, kind, tmp_path):
        pytest.skip("the writer does not take such pixels")
