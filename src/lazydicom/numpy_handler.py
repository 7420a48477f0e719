"""A pydicom pixel data handler for native Pixel Data, for the place of pydicom's own.

::

    pydicom.config.pixel_data_handlers = [lazydicom.numpy_handler]
    ds.pixel_array_options(use_v2_backend=True)
    ds.pixel_array

A handler does as pydicom's numpy handler, down to the words of its errors and
warnings, for people filter by them: built-in exceptions, the values of all frames in one
row, words as they stand in the file (in its byte order, unused bits and all).

It differs where pydicom 3.0.2 gives wrong pixels without saying so; the tests prove each
case, docs/how-to/pydicom-handler.md lists them.
"""

import warnings
from typing import TYPE_CHECKING, Any, Final, SupportsIndex

import numpy as np
from numpy.typing import NDArray
from pydicom.pixels.utils import get_expected_length, pixel_dtype
from pydicom.uid import UID

from lazydicom._decode.color import expand_422
from lazydicom._decode.native import swap_pairs, unpack_bits
from lazydicom._header.image_pixel import PIXEL_TAGS
from lazydicom._header.transfer_syntax import (
    DEFLATED_LITTLE,
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
)

if TYPE_CHECKING:
    from pydicom import Dataset

HANDLER_NAME: Final = "lazydicom"
DEPENDENCIES: Final = {"numpy": ("https://numpy.org/", "NumPy")}
SUPPORTED_TRANSFER_SYNTAXES: Final = [
    UID(uid)
    for uid in (IMPLICIT_LITTLE, EXPLICIT_LITTLE, DEFLATED_LITTLE, EXPLICIT_BIG)
]

_FAILED: Final = "Unable to convert the pixel data"
_NUMBERS: Final = ("BitsAllocated", "Rows", "Columns", "SamplesPerPixel")
_REQUIRED: Final = (*_NUMBERS, "PhotometricInterpretation")
_REQUIRED_WITH_INTEGERS: Final = ("PixelRepresentation", "BitsStored")


def is_available() -> bool:
    """Return True: lazydicom does not install without NumPy."""
    return True


def supports_transfer_syntax(transfer_syntax: UID) -> bool:
    """Return whether Pixel Data in this transfer syntax is native."""
    return transfer_syntax in SUPPORTED_TRANSFER_SYNTAXES


def needs_to_convert_to_RGB(ds: "Dataset") -> bool:  # noqa: N802 (pydicom's name)
    """Return False, pydicom must not convert: native YCbCr stays as it is stored."""
    del ds
    return False


def should_change_PhotometricInterpretation_to_RGB(  # noqa: N802 (pydicom's name)
    ds: "Dataset",
) -> bool:
    """Return False: the values are still those that Photometric Interpretation names."""
    del ds
    return False


def get_pixeldata(
    ds: "Dataset",
    read_only: bool = False,  # noqa: FBT001, FBT002 (pydicom's signature)
) -> NDArray[Any]:
    """Return the values of all frames in one row, in the order and the words of the file.

    Parameters
    ----------
    ds : pydicom.Dataset
        With exactly one of Pixel Data, Float Pixel Data and Double Float Pixel Data.
    read_only : bool
        True gives a read-only view of the element's bytes. 1-bit pixels and YBR_FULL_422,
        which must be unpacked, and 8-bit pixels in big endian words are copies all the
        same; of these the first two are writeable.

    Returns
    -------
    ndarray of one dimension
        In the byte order of the transfer syntax. YBR_FULL_422 has three samples per pixel
        (PS3.3 section C.7.6.3.1.2), 1-bit pixels are `uint8`.

    Raises
    ------
    AttributeError
        If a required element is missing.
    NotImplementedError
        If the transfer syntax, or the number of bits allocated, is not supported.
    ValueError
        If the length of the pixels is wrong, or an element contradicts the standard.
    """
    try:
        values = _all_values(ds)
    except (ArithmeticError, LookupError, TypeError, RecursionError) as error:
        kind = type(error).__name__  # its text may hold a value
        raise ValueError(f"{_FAILED}: {kind} for the value of an element") from None
    if should_change_PhotometricInterpretation_to_RGB(ds):
        ds.PhotometricInterpretation = "RGB"
    return values if read_only or values.flags.writeable else values.copy()


def _all_values(ds: "Dataset") -> NDArray[Any]:
    _check_transfer_syntax(ds)
    keyword = _pixel_keyword(ds)
    _check_elements(ds, keyword)
    _check_numbers(ds)
    if _photometric(ds) != _photometric(ds).upper():
        _warn("The Photometric Interpretation of the dataset is in lower case")
    return _values(ds, keyword, _stored_bytes(ds, keyword, _expected_length(ds)))


def _photometric(ds: "Dataset") -> str:
    """Return the Photometric Interpretation without the blanks around it."""
    return str(ds.PhotometricInterpretation or "").strip("\0 ")


def _expected_length(ds: "Dataset") -> int:
    """Return the bytes of all frames; pydicom knows YBR_FULL_422 to the letter only."""
    length = int(get_expected_length(ds))
    exact = ds.PhotometricInterpretation == "YBR_FULL_422"
    return length // 3 * 2 if _is_subsampled(ds) and not exact else length


def _check_transfer_syntax(ds: "Dataset") -> None:
    if not supports_transfer_syntax(ds.file_meta.TransferSyntaxUID):
        raise NotImplementedError(
            f"{_FAILED} as the transfer syntax is not supported by the numpy pixel data "
            "handler."
        )


def _pixel_keyword(ds: "Dataset") -> str:
    keywords = [keyword for keyword in PIXEL_TAGS.values() if keyword in ds]
    if len(keywords) != 1:
        raise AttributeError(
            f"{_FAILED}: one of Pixel Data, Float Pixel Data or Double Float Pixel Data "
            "must be present in the dataset"
        )
    return keywords[0]


def _check_elements(ds: "Dataset", keyword: str) -> None:
    required = [*_REQUIRED]
    if keyword == "PixelData":
        required += _REQUIRED_WITH_INTEGERS
    missing = [name for name in required if name not in ds or _is_empty(ds, name)]
    if missing:
        names = ", ".join(missing)
        raise AttributeError(
            f"{_FAILED} as the following required elements are missing from the "
            f"dataset: {names}"
        )
    if ds.SamplesPerPixel > 1 and "PlanarConfiguration" not in ds:
        raise AttributeError(
            f"{_FAILED} as the following conditionally required element is missing from "
            "the dataset: PlanarConfiguration"
        )


def _check_numbers(ds: "Dataset") -> None:
    """Refuse several values, text and the like; pydicom counts with whatever it gets."""
    for name in (*_NUMBERS, "PixelRepresentation", "NumberOfFrames"):
        value = ds.get(name)
        if value is not None and not isinstance(value, SupportsIndex):
            raise ValueError(f"{_FAILED}: {name} is no integer")


def _is_empty(ds: "Dataset", name: str) -> bool:
    """Return whether a number that the shape depends on has no value; others may be empty."""
    return name in _NUMBERS and ds[name].value is None


def _stored_bytes(ds: "Dataset", keyword: str, length: int) -> NDArray[np.uint8]:
    """View the bytes of all frames, read-only, without what pads them."""
    data = np.frombuffer(ds[keyword].value or b"", np.uint8)
    _check_length(ds, found=data.size, expected=length)
    if keyword == "PixelData" and _in_big_endian_words(ds):
        if data.size % 2:
            raise ValueError("8-bit pixels in 16-bit words have an odd length")
        data = swap_pairs(data)
    data = data[:length]
    data.setflags(write=False)
    return data


def _check_length(ds: "Dataset", *, found: int, expected: int) -> None:
    padded = expected + expected % 2
    if found == padded:
        return
    if found == expected:
        _warn("The odd length pixel data is missing a trailing padding byte")
    elif found < padded:
        raise ValueError(
            f"The length of the pixel data in the dataset ({found} bytes) doesn't match "
            f"the expected length ({padded} bytes). The dataset may be corrupted or there "
            "may be an issue with the pixel data handler."
        )
    elif _is_subsampled(ds) and 2 * found >= 3 * expected:
        _warn(
            "The Photometric Interpretation of the dataset is YBR_FULL_422, however the "
            f"length of the pixel data ({found} bytes) is a third larger than expected "
            f"({expected} bytes) which indicates that this may be incorrect. You may need "
            "to change the Photometric Interpretation to the correct value."
        )
    else:
        _warn(
            f"The length of the pixel data in the dataset ({found} bytes) indicates it "
            f"contains excess padding. {found - expected} bytes will be removed from the "
            "end of the data"
        )


def _in_big_endian_words(ds: "Dataset") -> bool:
    """Return whether pixels of at most 8 bits lie in big endian words (PS3.5 annex A.3)."""
    if ds.BitsAllocated > 8 or ds["PixelData"].VR != "OW":
        return False
    # A data set made in memory has no original encoding: its bytes lie as its transfer
    # syntax says. pydicom 3.0.2 takes it for big endian, and swaps its pixels.
    little_endian = ds.original_encoding[1]
    if little_endian is None:
        little_endian = ds.file_meta.TransferSyntaxUID.is_little_endian
    return not little_endian


def _values(ds: "Dataset", keyword: str, data: NDArray[np.uint8]) -> NDArray[Any]:
    if _is_subsampled(ds):
        data = _resample(ds, data)
    if ds.BitsAllocated == 1:
        return unpack_bits(data, 0, get_expected_length(ds, unit="pixels"))
    return data.view(pixel_dtype(ds, as_float=keyword != "PixelData"))


def _is_subsampled(ds: "Dataset") -> bool:
    return _photometric(ds).upper() == "YBR_FULL_422"


def _resample(ds: "Dataset", data: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if (ds.BitsAllocated, ds.SamplesPerPixel) != (8, 3) or data.size % 4:
        raise ValueError(
            "YBR_FULL_422 pixel data must be an even number of pixels of three samples "
            f"of 8 bits, found {ds.SamplesPerPixel} samples of {ds.BitsAllocated} bits"
        )
    pixels = np.empty((data.size // 2, 1, 3), np.uint8)
    expand_422(data, pixels)
    return pixels.reshape(-1)


def _warn(message: str) -> None:
    """Warn in the name of whoever asked for the pixels, which is pydicom itself."""
    warnings.warn(message, UserWarning, stacklevel=6)
