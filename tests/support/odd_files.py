"""Files that say something odd and are read all the same.

`ODD_FILES[name]` has the bytes, the pixels that must come out, and the warning
that says what is odd; None where there is nothing to say.
"""

from __future__ import annotations

import struct
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from bad_files import HEADER, PIXEL_DATA, icon_sequence, nested_sequences
from bad_pixels import MAY_LACK, REQUIRED, us
from dicom_elements import (
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    UNDEFINED,
    delimiter,
    element_header,
    item,
)
from dicom_files import (
    dicom_file,
    element,
    file_meta,
    make_native,
    sequence,
    stored_pixels,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

HIGH_BIT: Final = 0x00280102
PRIVATE: Final = 0x00291010
PER_FRAME: Final = 0x52009230
ROWS: Final = 0x00280010
FRAMES: Final = 0x00280008
PHOTOMETRIC: Final = 0x00280004
CENTER: Final = 0x00281050


class OddFile(NamedTuple):
    """A file that is not as it should be, and whose pixels are beyond doubt."""

    make: Callable[[], bytes]
    pixels: NDArray[Any]
    """What the file holds, of shape (frames, rows, columns[, samples])."""
    warning: str | None = None
    """Pattern of the warning."""


def _odd_bytes(*, pad: bool) -> bytes:
    return make_native(number_of_frames=1, rows=3, bits_allocated=8, pad=pad)


def _private_elements(count: int) -> bytes:
    numbers = (divmod(k, 0xE000) for k in range(count))
    tags = (0x00291000 + (group << 17) + number for group, number in numbers)
    return b"".join(element(tag, "LO", b"private") for tag in tags)


def _high_bits_set() -> bytes:
    pixels = stored_pixels(bits_stored=12) | np.uint16(0xA000)
    return make_native(pixel_bytes=pixels.astype("<u2").tobytes(), bits_stored=12)


def cs(value: bytes) -> bytes:
    """Encode a Photometric Interpretation."""
    return element(PHOTOMETRIC, "CS", value)


def _short_form(vr: str) -> bytes:
    return element_header(0x00091010, vr, 4) + b"abcd"


def _long_form(vr: str, value: bytes, length: int | None = None) -> bytes:
    length = len(value) if length is None else length
    head = struct.pack("<HH2sHI", 0x0009, 0x1010, vr.encode(), 0, length)
    return head + value


PIXELS: Final = stored_pixels()
ONE: Final = stored_pixels(number_of_frames=1)
ODD_LENGTH: Final = stored_pixels(number_of_frames=1, rows=3, bits_allocated=8)

WARNED: Final = {
    "excess padding": OddFile(
        partial(make_native, pixel_bytes=PIXELS.tobytes() + bytes(10)),
        PIXELS,
        r"(?i)10 bytes.*padding|padding.*10 bytes",
    ),
    "a frame more than declared": OddFile(
        partial(make_native, declared_frames="2"), PIXELS[:2], r"(?s)\b3\b.*\b2\b"
    ),
    "three frames and no NumberOfFrames": OddFile(
        partial(make_native, declared_frames=None), PIXELS[:1], r"(?s)\b3\b.*\b1\b"
    ),
    "NumberOfFrames is 0": OddFile(
        partial(make_native, number_of_frames=1, declared_frames="0"),
        ONE,
        "NumberOfFrames",
    ),
    "NumberOfFrames is empty": OddFile(
        partial(make_native, number_of_frames=1, declared_frames=""),
        ONE,
        "NumberOfFrames",
    ),
    "SliceThickness is no number": OddFile(
        partial(make_native, elements={0x00180050: element(0x00180050, "DS", b"1,5")}),
        PIXELS,
        "slice_thickness is left out",
    ),
    "HighBit is below BitsStored": OddFile(
        partial(make_native, elements={HIGH_BIT: us(HIGH_BIT, 3)}), PIXELS, "HighBit"
    ),
    "HighBit is beyond BitsAllocated": OddFile(
        partial(make_native, elements={HIGH_BIT: us(HIGH_BIT, 65535)}),
        PIXELS,
        "HighBit",
    ),
    "explicit VR declared, implicit written": OddFile(
        partial(
            make_native,
            transfer_syntax=IMPLICIT_LITTLE,
            file_meta=file_meta(EXPLICIT_LITTLE),
        ),
        PIXELS,
        "(?i)implicit",
    ),
    "implicit VR declared, explicit written": OddFile(
        partial(make_native, file_meta=file_meta(IMPLICIT_LITTLE)),
        PIXELS,
        "(?i)explicit",
    ),
    "an item outside a sequence": OddFile(
        partial(make_native, elements={0x00091010: item(b"")}), PIXELS, "(?i)item"
    ),
    **{
        f"{keyword} is {how}": OddFile(
            partial(make_native, elements={REQUIRED[keyword]: encoded}),
            PIXELS,
            f"{keyword} is missing or empty, taken as",
        )
        for keyword in sorted(MAY_LACK)
        for how, encoded in (
            ("missing", None),
            ("empty", element(REQUIRED[keyword], "US", b"")),
        )
    },
    "Pixel Data stands before its attributes": OddFile(
        lambda: dicom_file(PIXEL_DATA + HEADER), PIXELS, "behind"
    ),
    "Pixel Data stands twice, alike": OddFile(
        partial(make_native, trailing=PIXEL_DATA), PIXELS, r"(?i)pixel data .* twice"
    ),
    "Rows stands twice, alike": OddFile(
        partial(make_native, elements={ROWS: us(ROWS, 4) * 2}),
        PIXELS,
        r"same value: \(0028,0010\)",
    ),
    "WindowCenter stands twice, unlike": OddFile(
        partial(
            make_native,
            extra_before=element(CENTER, "DS", b"40") + element(CENTER, "DS", b"60"),
        ),
        PIXELS,
        r"the first is taken: \(0028,1050\)",
    ),
    "big endian declared, little written": OddFile(
        partial(make_native, file_meta=file_meta(EXPLICIT_BIG)),
        PIXELS,
        "little endian",
    ),
    "little endian declared, big written": OddFile(
        partial(
            make_native,
            transfer_syntax=EXPLICIT_BIG,
            file_meta=file_meta(EXPLICIT_LITTLE),
        ),
        PIXELS,
        "big endian",
    ),
    "a second Transfer Syntax": OddFile(
        lambda: make_native(
            file_meta=file_meta() + file_meta(IMPLICIT_LITTLE, group_length=0)
        ),
        PIXELS,
        "Transfer Syntax UID stands twice",
    ),
    "PhotometricInterpretation in lower case": OddFile(
        partial(make_native, elements={PHOTOMETRIC: cs(b"monochrome2")}),
        PIXELS,
        "lower case",
    ),
    "no Transfer Syntax": OddFile(
        partial(make_native, file_meta=file_meta(None)), PIXELS, "(?i)transfer syntax"
    ),
    "no preamble, no File Meta": OddFile(
        lambda: HEADER + PIXEL_DATA, PIXELS, "(?i)transfer syntax"
    ),
}

SILENT: Final = {
    "MZ preamble": OddFile(
        partial(make_native, preamble=b"MZ".ljust(128, b"\x90")), PIXELS
    ),
    "TIFF preamble": OddFile(
        partial(make_native, preamble=b"II*\0".ljust(128, b"\0")), PIXELS
    ),
    "File Meta without preamble": OddFile(partial(make_native, preamble=False), PIXELS),
    "File Meta of another length": OddFile(
        partial(make_native, file_meta=file_meta(group_length=4)), PIXELS
    ),
    "one frame and no NumberOfFrames": OddFile(
        partial(make_native, number_of_frames=1, declared_frames=None), ONE
    ),
    "NumberOfFrames with spaces and sign": OddFile(
        partial(make_native, declared_frames=" +3 "), PIXELS
    ),
    "HighBit is missing": OddFile(
        partial(make_native, elements={HIGH_BIT: None}), PIXELS
    ),
    "bits above BitsStored": OddFile(_high_bits_set, stored_pixels(bits_stored=12)),
    "PhotometricInterpretation with blanks around": OddFile(
        partial(make_native, elements={PHOTOMETRIC: cs(b"  MONOCHROME2  ")}), PIXELS
    ),
    "Rows is UL": OddFile(
        partial(make_native, elements={ROWS: element(ROWS, "UL", b"\4\0\0\0")}), PIXELS
    ),
    "Rows is IS": OddFile(
        partial(make_native, elements={ROWS: element(ROWS, "IS", b"4")}), PIXELS
    ),
    "Rows is SS": OddFile(
        partial(make_native, elements={ROWS: element(ROWS, "SS", b"\4\0")}), PIXELS
    ),
    "NumberOfFrames is US": OddFile(
        partial(make_native, elements={FRAMES: us(FRAMES, 3)}), PIXELS
    ),
    "NumberOfFrames is UL": OddFile(
        partial(make_native, elements={FRAMES: element(FRAMES, "UL", b"\3\0\0\0")}),
        PIXELS,
    ),
    **{
        f"VR {vr!r} with a length of 16 bits": OddFile(
            partial(make_native, elements={0x00091010: _short_form(vr)}), PIXELS
        )
        for vr in ("??", "  ", "ZZ", "--", "us")
    },
    **{
        f"VR {vr!r} with a length of 32 bits, {len(value)} bytes": OddFile(
            partial(make_native, elements={0x00091010: _long_form(vr, value)}), PIXELS
        )
        for vr in ("ZZ", "XA", "QQ")
        for value in (b"", b"abcd", bytes(70_000))
    },
    "VR 'ZZ' of undefined length": OddFile(
        partial(
            make_native,
            extra_before=_long_form("ZZ", item(b"") + delimiter(), length=UNDEFINED),
        ),
        PIXELS,
    ),
    **{
        f"UN of undefined length, {vr} inside": OddFile(
            partial(
                make_native,
                extra_before=sequence(
                    PRIVATE,
                    element(0x00080100, vr, b"abcd"),
                    undefined=undefined,
                    vr="UN",
                )
                if undefined
                else element(
                    PRIVATE,
                    "UN",
                    item(element(0x00080100, vr, b"abcd")),
                    undefined=True,
                ),
            ),
            PIXELS,
        )
        for vr, undefined in (("SH", True), ("UT", False), ("OB", True))
    },
    "odd length, padded": OddFile(partial(_odd_bytes, pad=True), ODD_LENGTH),
    "odd length, not padded": OddFile(partial(_odd_bytes, pad=False), ODD_LENGTH),
    "an icon before the pixels": OddFile(
        partial(make_native, extra_before=icon_sequence()), PIXELS
    ),
    "sequences nested 64 deep": OddFile(
        partial(make_native, elements={0x00091010: nested_sequences(64)}), PIXELS
    ),
    "UN of undefined length": OddFile(
        partial(
            make_native,
            extra_before=sequence(
                PRIVATE,
                element(0x00100020, "LO", b"inside", implicit=True),
                undefined=True,
                vr="UN",
            ),
        ),
        PIXELS,
    ),
    "an item longer than its sequence": OddFile(
        partial(
            make_native,
            extra_before=element(PRIVATE, "SQ", item(b"abcd", length=400)),
        ),
        PIXELS,
    ),
    "an item of defined length in a sequence of undefined length": OddFile(
        partial(
            make_native,
            extra_before=element(PRIVATE, "SQ", item(b"", length=0), undefined=True),
        ),
        PIXELS,
    ),
    "padding after the pixels": OddFile(
        partial(make_native, trailing=element(0xFFFCFFFC, "OB", bytes(64))), PIXELS
    ),
    "100,000 private elements": OddFile(
        lambda: make_native(extra_before=_private_elements(100_000)), PIXELS
    ),
    "100,000 empty items for three frames": OddFile(
        lambda: make_native(
            extra_before=element(
                PER_FRAME, "SQ", item(undefined=True) * 100_000, undefined=True
            )
        ),
        PIXELS,
    ),
}

ODD_FILES: Final = WARNED | SILENT
