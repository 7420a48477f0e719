"""Every encapsulated file that others ship gives the pixels that its oracle gives."""

from __future__ import annotations

import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pytest
from oracle_plugins import JPEG, ORACLES
from pydicom import dcmread
from pydicom.pixels.utils import iter_pixels
from real_files import files_of, real_file
from tools import require_program, require_shared_data

import lazydicom
from lazydicom._header.transfer_syntax import TRANSFER_SYNTAXES
from lazydicom.errors import DecodeError, LazyDicomError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from pydicom import Dataset

FILES: Final = files_of(
    *(uid for uid, syntax in TRANSFER_SYNTAXES.items() if not syntax.native)
)
_ONE_CT: Final = "shared/04_transfer_syntaxes/one_ct_every_syntax/CTImage.dcm_JPEG"
_MULTI: Final = "shared/05_encapsulated_multiframe/"

DCMTK_KNOWS: Final = {
    "pydicom/test_files/JPEG-lossy.dcm": "12 bits",
    "pydicom/test_files/JPGExtended.dcm": "12 bits",
    f"{_ONE_CT}Process2_4TransferSyntax_{JPEG}51.dcm": "12 bits",
    f"{_ONE_CT}Process6_8TransferSyntax_{JPEG}53.dcm": "spectral selection",
    f"{_ONE_CT}Process10_12TransferSyntax_{JPEG}55.dcm": "full progression",
    "shared/04_transfer_syntaxes/other/RG2_JPLY_fixed.dcm": "12 bits",
    f"{_MULTI}CT0012.fragmented_no_bot_jpeg_baseline.51.dcm": "12 bits",
}
"""JPEG that pydicom 3.0.2 does not decode; DCMTK does."""

KNOWN_GAPS: Final = DCMTK_KNOWS | {
    "shared/02_segmentation/liver_nonbyte_aligned_rle.dcm": "1-bit RLE",
    "shared/02_segmentation/liver_deflate.dcm": "deflated frames",
}
"""Files that we read and pydicom 3.0.2 does not; each is proven below."""

LOSSY: Final = ("50", "51", "53", "55")
"""JPEG decoders differ by one: in rounding, and where YCbCr becomes RGB."""

pytestmark = [
    pytest.mark.filterwarnings("ignore::lazydicom.errors.LazyDicomWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning:pydicom"),
]


def _oracle(dataset: Dataset) -> NDArray[Any] | None:
    for plugin in ORACLES.get(dataset.file_meta.TransferSyntaxUID, ()):
        dataset.pixel_array_options(decoding_plugin=plugin)
        with suppress(AttributeError, ValueError, NotImplementedError, RuntimeError):
            return dataset.pixel_array
    return None


LARGE: Final = (
    "color3d_jpeg_baseline.dcm",
    "RG1_J2KR.dcm",
    "RG1_J2KI.dcm",
)
"""Files that take seconds; of each kind there is a smaller one."""


def _assert_same(ours: NDArray[Any], theirs: NDArray[Any], *, lossy: bool) -> None:
    assert ours.dtype == theirs.dtype
    assert ours.shape == theirs.shape
    if lossy:
        assert np.abs(ours.astype(np.int32) - theirs).max() <= 1
    else:
        assert np.array_equal(ours, theirs)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(one, marks=[pytest.mark.heavy] * one.endswith(LARGE))
        for one in FILES
    ],
)
def test_every_frame_equals_pydicom(name: str) -> None:
    path = FILES[name]
    dataset = dcmread(path, force=True)
    theirs = _oracle(dataset)
    if theirs is None:
        assert name in KNOWN_GAPS or not _decodes(path), "give KNOWN_GAPS the reason"
        return
    lossy = dataset.file_meta.TransferSyntaxUID.removeprefix(JPEG) in LOSSY

    array = lazydicom.open_image(path)

    values = np.asarray(array)
    _assert_same(values, theirs.reshape(array.shape), lossy=lossy)
    for k in {*range(0, len(values), max(len(values) // 8, 1)), len(values) - 1}:
        assert np.array_equal(array[k], values[k])


def test_frames_of_a_long_film_equal_pydicom() -> None:
    path = FILES["pydicom-data/color3d_jpeg_baseline.dcm"]
    frames = [0, 1, 57, 118, 119]

    array = lazydicom.open_image(path)

    theirs = iter_pixels(path, indices=frames, decoding_plugin="gdcm")
    for k, expected in zip(frames, theirs, strict=True):
        _assert_same(array[k], expected, lossy=True)


def _decodes(path: Path) -> bool:
    try:
        np.asarray(lazydicom.open_image(path))
    except LazyDicomError:
        return False
    return True


def test_the_oracle_has_seen_many_files() -> None:
    require_shared_data()

    assert len(FILES) >= 125


@pytest.mark.parametrize("name", DCMTK_KNOWS)
def test_jpeg_that_pydicom_lacks_equals_dcmtk(name: str, tmp_path: Path) -> None:
    path = _shipped(name)
    dataset = dcmread(path)
    assert _oracle(dataset) is None

    array = lazydicom.open_image(path)

    theirs = _converted(["dcmdjpeg"], path, tmp_path).reshape(array.shape)
    _assert_same(np.asarray(array), theirs, lossy=True)


def test_packed_rle_of_a_segmentation_equals_its_native_twin() -> None:
    folder = require_shared_data("02_segmentation")

    rle = lazydicom.open_image(folder / "liver_nonbyte_aligned_rle.dcm")
    native = lazydicom.open_image(folder / "liver_nonbyte_aligned.dcm")

    assert np.array_equal(np.asarray(rle), np.asarray(native))
    assert np.asarray(rle).any()


def test_deflated_frames_of_a_segmentation_equal_its_twin_in_jpeg_2000() -> None:
    folder = require_shared_data("02_segmentation")

    deflated = lazydicom.open_image(folder / "liver_deflate.dcm")
    twin = lazydicom.open_image(folder / "liver_j2k.dcm")

    assert np.array_equal(np.asarray(deflated), np.asarray(twin))
    assert np.asarray(deflated).any()


def test_a_header_that_was_overwritten_with_a_delimiter_is_refused_early() -> None:
    path = real_file("pydicom/test_files/JPEG2000-embedded-sequence-delimiter.dcm")

    array = lazydicom.open_image(path)

    with pytest.raises(DecodeError, match="14540801"):  # tiles
        np.asarray(array)


def test_frames_of_another_size_than_the_header_says_are_an_error() -> None:
    path = require_shared_data("09_malformed", "multiframe.dcm")
    array = lazydicom.open_image(path)

    with pytest.raises(DecodeError, match="55 columns"):
        np.asarray(array)


DCMTK: Final = {
    "jpeg .50": ("dcmdjpeg", "pydicom/test_files/SC_rgb_dcmtk_+eb+cr.dcm"),
    "jpeg .50 ybr": ("dcmdjpeg", "pydicom/test_files/SC_rgb_dcmtk_+eb+cy+n1.dcm"),
    "jpeg .57": ("dcmdjpeg", f"{_ONE_CT}Process14TransferSyntax_{JPEG}57.dcm"),
    "jpeg .70": ("dcmdjpeg", f"{_ONE_CT}Process14SV1TransferSyntax_{JPEG}70.dcm"),
    "jpeg .70 8 bits": ("dcmdjpeg", "pydicom-data/JPGLosslessP14SV1_1s_1f_8b.dcm"),
    "jpeg .70 rgb": ("dcmdjpeg", "pydicom/test_files/SC_rgb_jpeg_gdcm.dcm"),
    "jpeg-ls .80": ("dcmdjpls", f"{_ONE_CT}LSLosslessTransferSyntax_{JPEG}80.dcm"),
    "jpeg-ls .80 planes": (
        "dcmdjpls",
        "shared/04_transfer_syntaxes/jpegls_interleave/JLSL_RGB_ILV0.dcm",
    ),
    "jpeg-ls .81": ("dcmdjpls", "pydicom/test_files/SC_rgb_jls_lossy_line.dcm"),
    "jpeg-ls .81 16 bits": ("dcmdjpls", "pydicom/test_files/JPEGLSNearLossless_16.dcm"),
    "rle": ("dcmdrle", "pydicom/test_files/MR_small_RLE.dcm"),
    "rle rgb": ("dcmdrle", "pydicom/test_files/SC_rgb_rle_16bit_2frame.dcm"),
    "rle 32 bits": ("dcmdrle", "pydicom/test_files/rtdose_rle.dcm"),
}
"""One or more files of each transfer syntax that DCMTK decodes."""

GDCM: Final = {
    "jpeg .50": "shared/05_encapsulated_multiframe/1.2.840.113543.6.6.1.1.2."
    "2415947926921624359.201235357587280",
    "jpeg .57": f"{_ONE_CT}Process14TransferSyntax_{JPEG}57.dcm",
    "jpeg .70": "pydicom-data/JPEG-LL.dcm",
    "jpeg-ls .80": f"{_MULTI}CT1_UNC.fragmented_bot_jpeg_ls.80.dcm",
    "jpeg-ls .81": "pydicom/test_files/JPEGLSNearLossless_08.dcm",
    "jpeg 2000 .90": "pydicom-data/693_J2KR.dcm",
    "jpeg 2000 .90 rgb": "pydicom-data/US1_J2KR.dcm",
    "jpeg 2000 .91": "pydicom-data/MR2_J2KI.dcm",
    "rle": "pydicom-data/emri_small_RLE.dcm",
    "rle 8 bits": "pydicom-data/OBXXXX1A_rle_2frame.dcm",
}
"""One or more files of each transfer syntax that GDCM decodes."""


@pytest.mark.parametrize("case", DCMTK)
def test_dcmtk_agrees(case: str, tmp_path: Path) -> None:
    program, name = DCMTK[case]
    path = _shipped(name)

    array = np.asarray(lazydicom.open_image(path))

    theirs = _converted([program], path, tmp_path).reshape(array.shape)
    _assert_same(array, theirs, lossy="jpeg .50" in case)


@pytest.mark.parametrize("case", GDCM)
def test_gdcm_agrees(case: str, tmp_path: Path) -> None:
    path = _shipped(GDCM[case])

    array = np.asarray(lazydicom.open_image(path))

    theirs = _converted(["gdcmconv", "-w"], path, tmp_path).reshape(array.shape)
    _assert_same(array, theirs, lossy="jpeg .50" in case)


def _shipped(name: str) -> Path:
    if name.startswith("shared"):
        require_shared_data()
    return real_file(name)


def _converted(command: list[str], path: Path, folder: Path) -> NDArray[Any]:
    """Let another program decode a file, in a process of its own."""
    target = folder / "native.dcm"
    subprocess.run(
        [require_program(command[0]), *command[1:], path, target],
        check=True,
        capture_output=True,
        timeout=60,
    )
    return dcmread(target).pixel_array
