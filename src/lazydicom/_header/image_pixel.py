"""The Image Pixel module as a frozen value (PS3.3 section C.7.6.3)."""

import math
from collections.abc import Mapping
from typing import Final, TypeAlias

import numpy as np

from lazydicom._bytes.cached import cached
from lazydicom._bytes.quick_dataclass import dataclass
from lazydicom._header import tags
from lazydicom.errors import InvalidDicomError, UnsupportedError

IMAGE_PIXEL_TAGS: Final = {
    "samples_per_pixel": (tags.SAMPLES_PER_PIXEL, "US"),
    "photometric_interpretation": (tags.PHOTOMETRIC_INTERPRETATION, "CS"),
    "planar_configuration": (tags.PLANAR_CONFIGURATION, "US"),
    "number_of_frames": (tags.NUMBER_OF_FRAMES, "IS"),
    "rows": (tags.ROWS, "US"),
    "columns": (tags.COLUMNS, "US"),
    "bits_allocated": (tags.BITS_ALLOCATED, "US"),
    "bits_stored": (tags.BITS_STORED, "US"),
    "high_bit": (tags.HIGH_BIT, "US"),
    "pixel_representation": (tags.PIXEL_REPRESENTATION, "US"),
}
"""Tag and VR of each attribute, by keyword in snake case."""

PIXEL_TAGS: Final = {
    tags.FLOAT_PIXEL_DATA: "FloatPixelData",
    tags.DOUBLE_FLOAT_PIXEL_DATA: "DoubleFloatPixelData",
    tags.PIXEL_DATA: "PixelData",
}
"""The three elements that may hold pixels."""

PHOTOMETRIC_INTERPRETATIONS: Final = frozenset(
    ("MONOCHROME1", "MONOCHROME2", "PALETTE COLOR", "RGB", "HSV", "ARGB", "CMYK", "XYB",
     "YBR_FULL", "YBR_FULL_422", "YBR_PARTIAL_422", "YBR_PARTIAL_420", "YBR_ICT", "YBR_RCT")
)  # fmt: skip
"""Every defined term, retired ones too (PS3.3 section C.7.6.3.1.2)."""
_UNKNOWN: Final = "UNKNOWN"
"""Stands for any other text, which may name a patient."""
_FLOAT_BITS: Final = {"FloatPixelData": 32, "DoubleFloatPixelData": 64}
_DTYPES: Final = {
    (kind, size): np.dtype(f"{kind}{size}")
    for kind, sizes in {"u": (1, 2, 4, 8), "i": (1, 2, 4, 8), "f": (4, 8)}.items()
    for size in sizes
}
_PACKED: Final = frozenset((1, 12))
"""Bits allocated of values that share bytes."""
_YBR: Final = ("YBR_FULL", "YBR_FULL_422")
_ONE_SAMPLE: Final = ("MONOCHROME1", "MONOCHROME2", "PALETTE COLOR")
_MAY_LACK: Final = {
    "samples_per_pixel": "SamplesPerPixel",
    "photometric_interpretation": "PhotometricInterpretation",
    "planar_configuration": "PlanarConfiguration",
    "pixel_representation": "PixelRepresentation",
}
"""Attributes that are filled in where they are absent and nothing is in doubt."""

Attributes: TypeAlias = Mapping[str, int | str | None]


@dataclass(frozen=True)
class ImagePixel:
    """What the Image Pixel module says about one frame, and how many there are."""

    rows: int
    columns: int
    number_of_frames: int
    """Frames declared; 1 where the element is absent."""
    samples_per_pixel: int
    photometric_interpretation: str
    planar_configuration: int
    """0: samples of a pixel side by side; 1: one plane per sample."""
    bits_allocated: int
    bits_stored: int
    pixel_representation: int
    """0: unsigned, 1: two's complement."""
    pixel_keyword: str = "PixelData"
    """PixelData, FloatPixelData or DoubleFloatPixelData."""
    high_bit: int = -1
    """The highest stored bit, where that is above BitsStored - 1; else of no importance."""

    @cached
    def low_bits(self) -> int:
        """Bits below the stored ones, as ACR-NEMA allowed them."""
        return max(self.high_bit + 1 - self.bits_stored, 0)

    @cached
    def frame_shape(self) -> tuple[int, ...]:
        """Rows and columns, and samples for colour."""
        shape = (self.rows, self.columns)
        return (
            shape if self.samples_per_pixel == 1 else (*shape, self.samples_per_pixel)
        )

    @cached
    def dtype(self) -> np.dtype[np.generic]:
        """Type of the stored values in native byte order; 1-bit pixels are `uint8`."""
        kind = "ui"[self.pixel_representation and self.bits_allocated > 1]
        if self.pixel_keyword != "PixelData":
            kind = "f"
        return _DTYPES[kind, -(-self.bits_allocated // 8)]

    @cached
    def frame_values(self) -> int:
        """Values of one decoded frame."""
        return math.prod(self.frame_shape)

    @cached
    def frame_nbytes(self) -> int:
        """Bytes of one decoded frame."""
        return self.frame_values * self.dtype.itemsize

    @cached
    def packed(self) -> bool:
        """Whether native values share bytes: one bit each, or twelve (ACR-NEMA)."""
        return self.bits_allocated % 8 > 0

    @cached
    def subsampled(self) -> bool:
        """Whether native frames hold one chrominance pair per two pixels."""
        return self.photometric_interpretation == "YBR_FULL_422"

    @cached
    def frame_bits(self) -> int:
        """Bits of one native frame in the file (PS3.5 section 8.1.1)."""
        samples = 2 if self.subsampled else self.samples_per_pixel
        return self.rows * self.columns * samples * self.bits_allocated

    @cached
    def native_nbytes(self) -> int:
        """Bytes of all native frames, one more where that is odd."""
        length = (self.frame_bits * self.number_of_frames + 7) // 8
        return length + length % 2


def make_image_pixel(
    attributes: Attributes,
    *,
    pixel_keyword: str,
    native: bool = True,
    pixel_length: int | None = None,
) -> ImagePixel:
    """Check the attributes of the module and make the value.

    What is absent is filled in where it cannot matter or something else says it; `oddities`
    names it then.

    Parameters
    ----------
    attributes : mapping of str to int, str or None
        By keyword in snake case; ``None`` or no key where the element is absent or empty.
    pixel_keyword : str
        The element that holds the pixels.
    native : bool
        Whether the pixels are in no codestream, which says some of it itself.
    pixel_length : int, optional
        Length of that element in bytes, where it is known.

    Raises
    ------
    InvalidDicomError
        If a required element is missing or has a value outside its definition.
    UnsupportedError
        If the number of bits allocated has no NumPy type.
    """
    attributes = _completed(attributes, native=native, pixel_length=pixel_length)
    bits_allocated = _required(attributes, "bits_allocated")
    pixel = ImagePixel(
        rows=_positive(attributes, "rows"),
        columns=_positive(attributes, "columns"),
        number_of_frames=_number_of_frames(attributes),
        samples_per_pixel=_samples_per_pixel(attributes),
        photometric_interpretation=_photometric(attributes),
        planar_configuration=_planar_configuration(attributes),
        bits_allocated=bits_allocated,
        bits_stored=_bits_stored(attributes, bits_allocated, pixel_keyword),
        pixel_representation=_pixel_representation(attributes, pixel_keyword),
        pixel_keyword=pixel_keyword,
        high_bit=_high_bit(attributes, bits_allocated, pixel_keyword),
    )
    _check_bits_allocated(pixel)
    _check_subsampling(pixel)
    return pixel


def oddities(attributes: Attributes, pixel: ImagePixel) -> list[str]:
    """Return what is odd about attributes that can be read all the same."""
    odd = []
    high_bit, shifted = attributes.get("high_bit"), pixel.low_bits > 0
    if high_bit is not None and high_bit != pixel.bits_stored - 1:
        odd.append(
            f"HighBit is {high_bit}, BitsStored is {pixel.bits_stored}"
            + (": values are shifted down" if shifted else "")
        )
    if attributes.get("number_of_frames") == 0:
        odd.append("NumberOfFrames is 0 or empty, taken as 1")
    photometric = attributes.get("photometric_interpretation")
    if photometric is not None and photometric != _upper(photometric):
        odd.append("PhotometricInterpretation is in lower case, read as upper case")
    if pixel.photometric_interpretation == _UNKNOWN:
        odd.append("PhotometricInterpretation is none of the defined terms")
    return odd + [
        f"{keyword} is missing or empty, taken as {getattr(pixel, name)}"
        for name, keyword in _MAY_LACK.items()
        if attributes.get(name) is None and _matters(name, pixel)
    ]


def decisive_tags(pixel: ImagePixel) -> set[int]:
    """Return the elements that decoding depends on."""
    gray = pixel.samples_per_pixel == 1
    needless = {"high_bit", *(("planar_configuration",) if gray else ())}
    return {tag for name, (tag, _) in IMAGE_PIXEL_TAGS.items() if name not in needless}


def _matters(name: str, pixel: ImagePixel) -> bool:
    """Return whether an attribute must be there for such pixels."""
    if name == "planar_configuration":
        return pixel.samples_per_pixel > 1
    return name != "pixel_representation" or pixel.pixel_keyword == "PixelData"


def _completed(
    attributes: Attributes, *, native: bool, pixel_length: int | None
) -> Attributes:
    """Fill in what ACR-NEMA did not know, and what a codestream says by itself."""
    complete = dict(attributes)
    if complete.get("samples_per_pixel") is None:
        complete["samples_per_pixel"] = _agreed_samples(
            complete, native=native, pixel_length=pixel_length
        )
    if complete["samples_per_pixel"] == 1:
        if complete.get("photometric_interpretation") is None:
            complete["photometric_interpretation"] = "MONOCHROME2"
    elif not native and complete.get("planar_configuration") is None:
        complete["planar_configuration"] = 0
    if complete.get("pixel_representation") is None:
        complete["pixel_representation"] = 0
    return complete


def _agreed_samples(
    attributes: Attributes, *, native: bool, pixel_length: int | None
) -> int | None:
    """Return the samples of a pixel that the colour space and the length agree upon."""
    photometric = _upper(attributes.get("photometric_interpretation") or "MONOCHROME2")
    samples = 1 if photometric in _ONE_SAMPLE else 3
    if not native:
        return samples
    names = ("rows", "columns", "bits_allocated")
    sizes = [attributes.get(name) for name in names]
    if pixel_length is None or not all(isinstance(size, int) for size in sizes):
        return None
    bits = math.prod(sizes) * samples * _number_of_frames(attributes)  # type: ignore[arg-type]
    length = (bits + 7) // 8
    return samples if pixel_length in {length, length + length % 2} else None


def _upper(value: int | str) -> str:
    return str(value).strip().upper()


def contradicts_pairs(pixel: ImagePixel) -> str | None:
    """Return why native pixels cannot share chrominance in pairs (PS3.3 C.7.6.3.1.2)."""
    if pixel.bits_allocated != 8:
        return f"YBR_FULL_422 of {pixel.bits_allocated} bits"
    if pixel.planar_configuration != 0:
        return "YBR_FULL_422 with samples in planes"
    if pixel.columns % 2:
        return f"YBR_FULL_422 with {pixel.columns} columns"
    return None


def _invalid(name: str, found: object, expected: str) -> InvalidDicomError:
    shown = found if isinstance(found, int) else "text"  # which may name a patient
    message = f"Expected {expected} in {name}, found {shown}"
    return InvalidDicomError(message, tag=IMAGE_PIXEL_TAGS[name][0])


def _required(attributes: Attributes, name: str) -> int:
    value = attributes.get(name)
    if value is None:
        raise InvalidDicomError(
            f"Required element {name} is missing or empty",
            tag=IMAGE_PIXEL_TAGS[name][0],
        )
    if not isinstance(value, int):
        raise _invalid(name, value, "an integer")
    return value


def _positive(attributes: Attributes, name: str) -> int:
    value = _required(attributes, name)
    if value < 1:
        raise _invalid(name, value, "1 or more")
    return value


def _number_of_frames(attributes: Attributes) -> int:
    value = attributes.get("number_of_frames")
    if not value:
        return 1
    if not isinstance(value, int) or value < 0:
        raise _invalid("number_of_frames", value, "1 or more")
    return value


def _samples_per_pixel(attributes: Attributes) -> int:
    value = _required(attributes, "samples_per_pixel")
    if value not in {1, 3}:
        raise _invalid("samples_per_pixel", value, "1 or 3")
    return value


def _photometric(attributes: Attributes) -> str:
    value = attributes.get("photometric_interpretation")
    if value is None:
        _required(attributes, "photometric_interpretation")
    text = _upper(str(value))
    return text if text in PHOTOMETRIC_INTERPRETATIONS else _UNKNOWN


def _planar_configuration(attributes: Attributes) -> int:
    if attributes.get("samples_per_pixel") == 1:
        return 0
    value = _required(attributes, "planar_configuration")
    if value not in {0, 1}:
        raise _invalid("planar_configuration", value, "0 or 1")
    return value


def _bits_stored(attributes: Attributes, bits_allocated: int, keyword: str) -> int:
    if keyword in _FLOAT_BITS:
        return bits_allocated
    value = _required(attributes, "bits_stored")
    if not 1 <= value <= bits_allocated:
        raise _invalid("bits_stored", value, f"1 to {bits_allocated}")
    return value


def _high_bit(attributes: Attributes, bits_allocated: int, keyword: str) -> int:
    """Return the highest stored bit; what cannot be one is of no importance."""
    value = attributes.get("high_bit")
    possible = isinstance(value, int) and 0 <= value < bits_allocated
    return value if possible and keyword not in _FLOAT_BITS else -1  # type: ignore[return-value]


def _pixel_representation(attributes: Attributes, keyword: str) -> int:
    if keyword in _FLOAT_BITS:
        return 0
    value = _required(attributes, "pixel_representation")
    if value not in {0, 1}:
        raise _invalid("pixel_representation", value, "0 or 1")
    return value


def _check_bits_allocated(pixel: ImagePixel) -> None:
    bits = pixel.bits_allocated
    expected = _FLOAT_BITS.get(pixel.pixel_keyword)
    if expected is not None and bits != expected:
        raise _invalid("bits_allocated", bits, f"{expected} with {pixel.pixel_keyword}")
    if bits < 1 or (pixel.packed and bits not in _PACKED):
        raise _invalid("bits_allocated", bits, "1, 12 or a multiple of 8")
    if bits not in {*_PACKED, 8, 16, 32, 64}:
        message = f"No NumPy type has {bits} bits"
        raise UnsupportedError(message, tag=IMAGE_PIXEL_TAGS["bits_allocated"][0])


def _check_subsampling(pixel: ImagePixel) -> None:
    if pixel.photometric_interpretation not in _YBR:
        return
    if pixel.samples_per_pixel != 3:
        raise _invalid("samples_per_pixel", pixel.samples_per_pixel, "3 with YCbCr")
