"""Native files of many kinds, and the programs and libraries that compress them."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from pydicom import Dataset, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID
from tools import require_program

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_NATIVE: Final = UID("1.2.840.10008.1.2.1")
_JPEG: Final = "1.2.840.10008.1.2.4."


@dataclass(frozen=True, slots=True)
class Original:
    """What a native file holds."""

    bits: int
    allocated: int
    signed: bool = False
    samples: int = 1
    planar: int = 0
    frames: int = 1
    shape: tuple[int, int] = (24, 32)

    def pixels(self) -> NDArray[Any]:
        """Make values of all bits, smooth with some noise."""
        rows, columns = self.shape
        z, y, x, s = np.mgrid[: self.frames, :rows, :columns, : self.samples]
        unit = 0.5 + 0.48 * np.sin(x / 5 + s) * np.cos(y / 4 + z)
        low = -(1 << self.bits - 1) if self.signed else 0
        noise = np.random.default_rng(self.bits).uniform(-0.02, 0.02, unit.shape)
        values = (unit + noise).clip(0, 1) * ((1 << self.bits) - 1) + low
        kind = f"{'i' if self.signed else 'u'}{max(self.allocated // 8, 1)}"
        made: NDArray[Any] = values.round().astype(kind)
        return made[..., 0] if self.samples == 1 else made


def _originals() -> dict[str, Original]:
    gray = {
        f"{bits} in {allocated}{', signed' * signed}": Original(
            bits, allocated, bool(signed)
        )
        for bits, allocated in (
            (7, 8), (8, 8), (8, 16), (9, 16), (10, 16), (12, 16), (15, 16), (16, 16),
            (24, 32), (32, 32),
        )
        for signed in (0, 1)
    }  # fmt: skip
    return gray | {
        "1 bit": Original(1, 1),
        "1 in 8": Original(1, 8),
        "odd size": Original(12, 16, shape=(17, 23)),
        "odd size of bytes": Original(8, 8, shape=(17, 23)),
        "one pixel": Original(12, 16, shape=(1, 1)),
        "frames": Original(12, 16, frames=3),
        "frames of bytes, odd": Original(8, 8, frames=3, shape=(17, 23)),
        "signed frames": Original(12, 16, signed=True, frames=3),
        "RGB": Original(8, 8, samples=3),
        "RGB, odd size": Original(8, 8, samples=3, shape=(17, 23)),
        "RGB by plane": Original(8, 8, samples=3, planar=1),
        "RGB frames by plane": Original(8, 8, samples=3, planar=1, frames=2),
        "RGB, 16 bits": Original(16, 16, samples=3),
    }


ORIGINALS: Final = _originals()


def write_native(original: Original, path: Path) -> None:
    """Write an original as Explicit VR Little Endian."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = _NATIVE
    dataset.SOPClassUID = UID("1.2.840.10008.5.1.4.1.1.7")
    dataset.SOPInstanceUID = UID("1.2.3")
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.SamplesPerPixel = original.samples
    dataset.PhotometricInterpretation = "RGB" if original.samples > 1 else "MONOCHROME2"
    if original.samples > 1:
        dataset.PlanarConfiguration = original.planar
    if original.frames > 1:
        dataset.NumberOfFrames = original.frames
    dataset.Rows, dataset.Columns = original.shape
    dataset.BitsAllocated, dataset.BitsStored = original.allocated, original.bits
    dataset.HighBit = original.bits - 1
    dataset.PixelRepresentation = int(original.signed)
    data = _laid_out(original).tobytes()
    dataset.PixelData = data + bytes(len(data) % 2)
    dataset["PixelData"].VR = "OW" if original.allocated > 8 else "OB"
    dataset.save_as(path, enforce_file_format=True)


def _laid_out(original: Original) -> NDArray[Any]:
    pixels = original.pixels()
    if original.allocated == 1:
        return np.packbits(pixels.reshape(-1), bitorder="little")
    return np.moveaxis(pixels, -1, 1) if original.planar else pixels


# --- who compresses ---------------------------------------------------------------------

PROGRAMS: Final = {
    "DCMTK JPEG lossless": "dcmcjpeg +e1",
    "DCMTK JPEG lossless, process 14": "dcmcjpeg +el",
    "DCMTK JPEG-LS": "dcmcjpls",
    "DCMTK JPEG-LS, raw precision": "dcmcjpls +pr",
    "DCMTK RLE": "dcmcrle",
    "GDCM JPEG lossless": "gdcmconv --jpeg",
    "GDCM JPEG-LS": "gdcmconv --jpegls",
    "GDCM JPEG 2000": "gdcmconv --j2k",
    "GDCM RLE": "gdcmconv --rle",
}
PYDICOM: Final = {
    "pydicom RLE": ("1.2.840.10008.1.2.5", "pydicom"),
    "pydicom RLE, pylibjpeg": ("1.2.840.10008.1.2.5", "pylibjpeg"),
    "pydicom JPEG-LS": (f"{_JPEG}80", "pyjpegls"),
    "pydicom JPEG 2000": (f"{_JPEG}90", "pylibjpeg"),
}
HIGHDICOM: Final = {
    "highdicom RLE": "1.2.840.10008.1.2.5",
    "highdicom JPEG-LS": f"{_JPEG}80",
    "highdicom JPEG 2000": f"{_JPEG}90",
}
WRITERS: Final = (*PROGRAMS, *PYDICOM, *HIGHDICOM)


def compress(writer: str, original: Original, source: Path, target: Path) -> bool:
    """Compress a native file; return whether that writer takes such pixels."""
    if writer in PROGRAMS:
        return _by_program(PROGRAMS[writer], source, target)
    dataset = dcmread(source)
    try:
        if writer in PYDICOM:
            uid, plugin = PYDICOM[writer]
            dataset.compress(UID(uid), encoding_plugin=plugin)
        else:
            _by_highdicom(dataset, original, HIGHDICOM[writer])
    except Exception:  # noqa: BLE001 (whatever a writer raises, it does not take them)
        return False
    dataset.save_as(target, enforce_file_format=True)
    return True


def _by_program(command: str, source: Path, target: Path) -> bool:
    program, *options = command.split()
    done = subprocess.run(
        [require_program(program), *options, source, target],
        check=False,
        capture_output=True,
        timeout=60,
    )
    taken = done.returncode == 0 and target.exists()
    meta = dcmread(target, force=True).file_meta if taken else FileMetaDataset()
    return UID(meta.get("TransferSyntaxUID", _NATIVE)).is_encapsulated


def _by_highdicom(dataset: Dataset, original: Original, uid: str) -> None:
    from highdicom.frame import encode_frame

    pixels = original.pixels()
    streams = [
        encode_frame(
            frame,
            transfer_syntax_uid=uid,
            bits_allocated=original.allocated,
            bits_stored=original.bits,
            photometric_interpretation=_meaning(original, uid),
            pixel_representation=int(original.signed),
            planar_configuration=0 if original.samples > 1 else None,
        )
        for frame in pixels
    ]
    dataset.PixelData = encapsulate(streams)
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    dataset.file_meta.TransferSyntaxUID = UID(uid)
    dataset.PhotometricInterpretation = _meaning(original, uid)
    if original.samples > 1:
        dataset.PlanarConfiguration = 0


def _meaning(original: Original, uid: str) -> str:
    if original.samples == 1:
        return "MONOCHROME2"
    return "YBR_RCT" if uid == f"{_JPEG}90" else "RGB"
