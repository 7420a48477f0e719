"""Every native file that others ship gives the pixels that pydicom gives."""

from __future__ import annotations

import subprocess
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

import fsspec
import numpy as np
import pytest
from dicom_files import make_native, stored_pixels
from pydicom import dcmread
from pydicom.pixels.utils import pixel_array
from pydicom.uid import ImplicitVRLittleEndian
from real_files import NATIVE, files_of, first_of_each_series, of_each_series, real_file
from tools import require_program, require_shared_data

import lazydicom
from lazydicom.errors import LazyDicomError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray
    from pydicom import Dataset

FILES: Final = files_of(*NATIVE)

KNOWN_GAPS: Final = {
    "shared/08_no_preamble/sample-op.lei": "pydicom wants a Transfer Syntax UID",
    "pydicom-data/OT-PAL-8-face.dcm": "pydicom wants a Transfer Syntax UID",
}
"""Files that we read and pydicom 3.0.2 does not; each reason is proven below."""

REFUSED: Final = {
    "pydicom/test_files/badVR.dcm": r"\(0028,0008\)",
    "pydicom/test_files/nested_priv_SQ.dcm": r"\(0028,0100\)",
    "pydicom/test_files/MR_truncated.dcm": "Expected 8192 bytes",
    "shared/09_malformed/secondary_capture_rgb.dcm": r"\(0028,0006\)",
}
"""Files with native Pixel Data that both of us refuse, and what we say."""

pytestmark = [
    pytest.mark.filterwarnings("ignore::lazydicom.errors.LazyDicomWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning:pydicom"),
]


def _memory_url(path: Path) -> str:
    name = f"oracle/{path.name}"
    fsspec.filesystem("memory").pipe(f"/{name}", path.read_bytes())
    return f"memory://{name}"


ROUTES: Final[dict[str, Callable[[Path], Any]]] = {
    "path": lambda path: path,
    "bytes": lambda path: path.read_bytes(),
    "url": _memory_url,
    "dataset": lambda path: dcmread(path, force=True),
}


def _oracle(dataset: Dataset) -> NDArray[Any] | None:
    """Give pydicom's stored values in native byte order, None where it has none."""
    try:
        values = dataset.pixel_array
    except (AttributeError, ValueError, NotImplementedError):
        return None
    return values.astype(values.dtype.newbyteorder("="), copy=False)


def _assert_same(ours: NDArray[Any], theirs: NDArray[Any], *, converted: bool) -> None:
    assert ours.dtype == theirs.dtype
    assert ours.shape == theirs.shape
    if converted:
        assert np.abs(ours.astype(np.int16) - theirs).max() <= 1
    else:
        assert np.array_equal(ours, theirs, equal_nan=ours.dtype.kind == "f")


@pytest.mark.parametrize("name", of_each_series(FILES))
def test_every_frame_equals_pydicom_by_every_route(name: str) -> None:
    path = FILES[name]
    dataset = dcmread(path, force=True)
    theirs = _oracle(dataset)
    if theirs is None:
        assert not _opens(path), "give KNOWN_GAPS the reason"
        return
    converted = "YBR" in dataset.PhotometricInterpretation

    for route in ROUTES.values():
        array = lazydicom.open_image(route(path))
        theirs = theirs.reshape(array.shape)

        _assert_same(np.asarray(array), theirs, converted=converted)
        for k, frame in enumerate(theirs):
            _assert_same(array[k], frame, converted=converted)
            _assert_same(array.images[0].frame(k), frame, converted=converted)


def _opens(path: Path) -> bool:
    try:
        lazydicom.open_image(path)
    except LazyDicomError:
        return False
    return True


def test_the_oracle_has_seen_many_files() -> None:
    require_shared_data()

    seen = [name for name in first_of_each_series(FILES) if _opens(FILES[name])]

    assert len(seen) >= 130


@pytest.mark.parametrize("name", KNOWN_GAPS)
def test_a_file_that_pydicom_refuses_has_the_pixels_it_gives_once_told(
    name: str,
) -> None:
    if name.startswith("shared"):
        require_shared_data()
    dataset = dcmread(real_file(name), force=True)
    assert _oracle(dataset) is None
    dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian

    array = lazydicom.open_image(real_file(name))

    assert np.array_equal(array[0], dataset.pixel_array)


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_without_readable_pixels_is_refused_with_the_reason(name: str) -> None:
    if name.startswith("shared"):
        require_shared_data()

    with pytest.raises(LazyDicomError, match=REFUSED[name]):
        lazydicom.open_image(real_file(name))


def test_packed_frames_that_begin_inside_a_byte_come_out_where_pydicom_fails() -> None:
    geometry: Any = {"rows": 3, "columns": 5, "bits_allocated": 1}
    file = make_native(number_of_frames=9, **geometry)
    stored = stored_pixels(number_of_frames=9, **geometry)

    array = lazydicom.open_image(file)

    assert all(np.array_equal(array[k], stored[k]) for k in range(9))
    assert np.array_equal(dcmread(BytesIO(file)).pixel_array, stored)
    with pytest.raises(ValueError, match="reshape"):  # its single-frame route
        pixel_array(BytesIO(file), index=1)


def test_packed_bits_in_big_endian_words_are_those_that_dcmtk_writes(
    tmp_path: Path,
) -> None:
    program = require_program("dcmconv")
    geometry: Any = {"rows": 3, "columns": 5, "bits_allocated": 1}
    little, big = tmp_path / "little.dcm", tmp_path / "big.dcm"
    little.write_bytes(make_native(vr="OW", number_of_frames=9, **geometry))
    stored = stored_pixels(number_of_frames=9, **geometry)

    subprocess.run([program, "+tb", little, big], check=True)

    assert np.array_equal(lazydicom.open_image(big), stored)
    assert np.array_equal(lazydicom.open_image(big)[4], stored[4])
    assert not np.array_equal(dcmread(big).pixel_array, stored)  # swaps 8 bits only


def test_packed_bits_in_bytes_are_the_same_in_either_byte_order() -> None:
    little = lazydicom.open_image(real_file("pydicom-data/liver.dcm"))
    big = lazydicom.open_image(real_file("pydicom-data/liver_expb.dcm"))

    assert big.images[0].header.pixel_data.vr == "OB"
    assert np.array_equal(little, big)
