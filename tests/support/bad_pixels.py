"""Native files whose Image Pixel attributes contradict the standard or the bytes.

PS3.3 §C.7.6.3. `bad_files.BAD_FILES` holds them all.
"""

from __future__ import annotations

import struct
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from dicom_files import element, make_native, stored_pixels

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pixel_layout import Geometry

SAMPLES_PER_PIXEL: Final = 0x00280002
PHOTOMETRIC_INTERPRETATION: Final = 0x00280004
PLANAR_CONFIGURATION: Final = 0x00280006
NUMBER_OF_FRAMES: Final = 0x00280008
ROWS: Final = 0x00280010
COLUMNS: Final = 0x00280011
BITS_ALLOCATED: Final = 0x00280100
BITS_STORED: Final = 0x00280101
PIXEL_REPRESENTATION: Final = 0x00280103

RGB: Final[Geometry] = {"samples_per_pixel": 3, "bits_allocated": 8}
YBR_FULL: Final[Geometry] = {**RGB, "photometric_interpretation": "YBR_FULL"}
YBR_422: Final[Geometry] = {**RGB, "photometric_interpretation": "YBR_FULL_422"}
YBR_422_EVEN: Final[Geometry] = {**YBR_422, "columns": 6}
YBR_422_WORDS: Final[Geometry] = {**YBR_422_EVEN, "bits_allocated": 16}
YBR_422_PLANES: Final[Geometry] = {**YBR_422_EVEN, "planar_configuration": 1}
YBR_WORDS: Final[Geometry] = {**YBR_FULL, "bits_allocated": 16}
YBR_SIGNED: Final[Geometry] = {**YBR_FULL, "pixel_representation": 1}
FRAME: Final = 4 * 5 * 2

REQUIRED: Final = {
    "SamplesPerPixel": SAMPLES_PER_PIXEL,
    "PhotometricInterpretation": PHOTOMETRIC_INTERPRETATION,
    "Rows": ROWS,
    "Columns": COLUMNS,
    "BitsAllocated": BITS_ALLOCATED,
    "BitsStored": BITS_STORED,
    "PixelRepresentation": PIXEL_REPRESENTATION,
}

MAY_LACK: Final = frozenset(
    ("SamplesPerPixel", "PhotometricInterpretation", "PixelRepresentation")
)
"""What is not in doubt where gray pixels have the right length."""

# 65535 is also what a writer makes of -1.
WRONG_VALUES: Final = {
    "SamplesPerPixel": (0, 2, 4, 65535),
    "Rows": (0, 65535),
    "Columns": (0, 65535),
    "BitsAllocated": (0, 3, 12, 65, 65535),
    "BitsStored": (0, 17, 65535),
    "PixelRepresentation": (2, 65535),
}

WRONG_FRAMES: Final = {
    "negative": "-3",
    "a word": "abc",
    "two values": "4\\5",
    "a fraction": "2.5",
    "1e9": "1000000000",
    "more than 64 bits": "99999999999999999999",
    "a Python literal": "1_0",
    "hexadecimal": "0x3",
}


def us(tag: int, *values: int) -> bytes:
    """Encode unsigned shorts."""
    return element(tag, "US", struct.pack(f"<{len(values)}H", *values))


def _with(tag: int, encoded: bytes | None, **geometry: Any) -> Callable[[], bytes]:  # noqa: ANN401 - the values of Geometry
    return partial(make_native, elements={tag: encoded}, **geometry)


def _short(count: int, **geometry: Any) -> Callable[[], bytes]:  # noqa: ANN401 - the values of Geometry
    value = stored_pixels(**geometry).tobytes()[:-count]
    return partial(make_native, pixel_bytes=value, pad=False, **geometry)


def _missing() -> Iterable[tuple[str, Callable[[], bytes]]]:
    for keyword, tag in REQUIRED.items():
        if keyword in MAY_LACK:
            continue
        vr = "CS" if tag == PHOTOMETRIC_INTERPRETATION else "US"
        yield f"{keyword} is missing", _with(tag, None)
        yield f"{keyword} is empty", _with(tag, element(tag, vr, b""))
    yield "PlanarConfiguration is missing", _with(PLANAR_CONFIGURATION, None, **RGB)
    keyword = "PhotometricInterpretation"
    yield f"{keyword} is missing in colour", _with(REQUIRED[keyword], None, **RGB)
    yield (
        "SamplesPerPixel is missing and the length does not say it",
        _with(SAMPLES_PER_PIXEL, None, pixel_bytes=bytes(3 * FRAME + 10)),
    )


def _wrong() -> Iterable[tuple[str, Callable[[], bytes]]]:
    for keyword, values in WRONG_VALUES.items():
        tag = REQUIRED[keyword]
        for value in values:
            yield f"{keyword} is {value}", _with(tag, us(tag, value))
    for value in (2, 65535):
        wrong = us(PLANAR_CONFIGURATION, value)
        yield (
            f"PlanarConfiguration is {value}",
            _with(PLANAR_CONFIGURATION, wrong, **RGB),
        )


def _twice() -> Iterable[tuple[str, Callable[[], bytes]]]:
    for keyword in ("Rows", "Columns", "BitsAllocated", "SamplesPerPixel"):
        tag = REQUIRED[keyword]
        yield f"{keyword} stands twice", _with(tag, us(tag, 2) + us(tag, 4))
    frames = element(NUMBER_OF_FRAMES, "IS", b"3") + element(
        NUMBER_OF_FRAMES, "IS", b"2"
    )
    yield "NumberOfFrames stands twice", _with(NUMBER_OF_FRAMES, frames)


def _frames() -> Iterable[tuple[str, Callable[[], bytes]]]:
    for what, text in WRONG_FRAMES.items():
        yield (
            f"NumberOfFrames is {what}",
            partial(make_native, number_of_frames=10, declared_frames=text),
        )
    yield "NumberOfFrames is one too many", partial(make_native, declared_frames="4")


BAD_PIXELS: Final[dict[str, Callable[[], bytes]]] = {
    **dict(_missing()),
    **dict(_wrong()),
    **dict(_twice()),
    **dict(_frames()),
    "Rows has one byte": _with(ROWS, element(ROWS, "US", b"\4", pad=False)),
    "Rows and Columns are 65535 in a short file": partial(
        make_native,
        elements={ROWS: us(ROWS, 65535), COLUMNS: us(COLUMNS, 65535)},
    ),
    "Pixel Data is short by a byte": _short(1),
    "Pixel Data is short by a row": _short(2 * 5),
    "Pixel Data is short by a frame": _short(FRAME),
    "Pixel Data is short by all but a byte": _short(3 * FRAME - 1),
    "Pixel Data of one frame is short by a byte": _short(1, number_of_frames=1),
    "Pixel Data of 8 bits is short by a byte": _short(1, bits_allocated=8),
    "Pixel Data of 1 bit is short by a byte": partial(
        make_native, bits_allocated=1, rows=3, pixel_bytes=bytes(5), pad=False
    ),
    "The file ends within the last frame": lambda: make_native()[:-1],
    "The file ends within the first frame": lambda: make_native()[: -2 * FRAME - 1],
    "The file ends within the last frame of a big-endian file": lambda: make_native(
        transfer_syntax="1.2.840.10008.1.2.2"
    )[:-2],
    "YBR_FULL_422 has the length of three samples": partial(
        make_native, pixel_bytes=bytes(3 * 4 * 6 * 3), **YBR_422_EVEN
    ),
    "YBR_FULL_422 has an odd number of columns": partial(
        make_native, pixel_bytes=bytes(3 * 4 * 5 * 2), **YBR_422
    ),
    "YBR_FULL_422 has 16 bits": partial(
        make_native,
        pixel_bytes=bytes(3 * 4 * 6 * 4),
        **YBR_422_WORDS,
    ),
    "YBR_FULL_422 lies in planes": partial(
        make_native,
        pixel_bytes=bytes(3 * 4 * 6 * 2),
        **YBR_422_PLANES,
    ),
    "YBR_FULL has 16 bits": partial(make_native, **YBR_WORDS),
    "YBR_FULL is signed": partial(make_native, **YBR_SIGNED),
    "Float Pixel Data has 16 bits": _with(
        BITS_ALLOCATED, us(BITS_ALLOCATED, 16), keyword="FloatPixelData"
    ),
    "Double Float Pixel Data has 32 bits": _with(
        BITS_ALLOCATED, us(BITS_ALLOCATED, 32), keyword="DoubleFloatPixelData"
    ),
    "Float Pixel Data is short by a value": partial(
        make_native, keyword="FloatPixelData", pixel_bytes=bytes(3 * 4 * 5 * 4 - 4)
    ),
}
