"""Colours by the ICC profile of an optical path (PS3.3 section C.11.15)."""

import io
from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lazydicom._array.array import DicomArray
from lazydicom._array.computed import ComputedArray, FrameFunction
from lazydicom._header import tags
from lazydicom._header.columns.sequences import sequence_values
from lazydicom.errors import InvalidDicomError, UnsupportedError


def icc_profile(array: DicomArray, *, path: int | str = 0) -> bytes | None:
    """Return the ICC profile of an optical path, ``None`` where the file holds none.

    Parameters
    ----------
    array : DicomArray
        A level of a slide, or any image of colours.
    path : int or str
        Which optical path: its number in the order of the file, or its identifier.

    Raises
    ------
    InvalidDicomError
        If the file describes no such path.
    """
    header = array.images[0].header
    wanted = [(tags.OPTICAL_PATH_IDENTIFIER,), (tags.ICC_PROFILE,)]
    items = sequence_values(header, tags.OPTICAL_PATH_SEQUENCE, wanted)
    if not items:
        return header.elements.read(tags.ICC_PROFILE) or None
    names = [bytes(name).decode("ascii", "replace").strip(" \0") for name, _ in items]
    if isinstance(path, str):
        path = names.index(path) if path in names else len(names)
    if not 0 <= path < len(items):
        message = f"Expected one of {len(items)} optical paths"
        raise InvalidDicomError(message, url=header.url)
    return bytes(items[path][1]) or None


def apply_icc(array: DicomArray, *, to: Literal["sRGB"] = "sRGB") -> ComputedArray:
    """Compute colours as they are shown, by the profile of the file.

    Needs Pillow.

    Parameters
    ----------
    array : DicomArray
        Red, green and blue of 8 bits.
    to : {"sRGB"}
        The space that the colours are wanted in.

    Returns
    -------
    ComputedArray
        Of the same shape; values are computed when they are read.

    Raises
    ------
    UnsupportedError
        If pixels are no colours of 8 bits, or optical paths have several profiles.
    InvalidDicomError
        If the file has no profile, or one that cannot be applied.
    """
    if to != "sRGB":
        raise ValueError(f"to must be 'sRGB', not {to!r}")
    url = array.images[0].url
    colored = array.dims[-1:] == ("sample",) and array.shape[-1] == 3
    if not colored or array.dtype != np.uint8:
        message = "An ICC profile is applied to red, green and blue of 8 bits"
        raise UnsupportedError(message, url=url)
    if "path" in array.dims and array.shape[array.dims.index("path")] > 1:
        raise UnsupportedError("Optical paths have a profile each: choose one", url=url)
    profile = icc_profile(array)
    if profile is None:
        raise InvalidDicomError("No ICC profile is there", url=url)
    _transform(profile, url)  # an error now, not when pixels are read
    kernel = partial(_to_srgb, profile)
    function = FrameFunction(
        kernel, (), array.dtype, "ICC profile", takes_all_samples=True
    )
    return ComputedArray(array, function)


def _to_srgb(profile: bytes, values: NDArray[Any]) -> NDArray[np.uint8]:
    """Transform colours, samples last."""
    from PIL import Image

    if not values.size:
        return values
    flat = np.ascontiguousarray(values).reshape(-1, values.shape[-2], 3)
    apply = _transform(profile, None)
    return np.asarray(apply(Image.fromarray(flat)), np.uint8).reshape(values.shape)


def _transform(profile: bytes, url: str | None) -> Callable[[Any], Any]:
    """Make what transforms pictures of Pillow.

    Raises
    ------
    InvalidDicomError
        If Pillow does not know such a profile.
    """
    try:
        from PIL import ImageCms
    except ImportError as error:
        message = "Applying an ICC profile needs Pillow: pip install lazydicom[slides]"
        raise ImportError(message) from error
    try:
        own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        srgb = ImageCms.createProfile("sRGB")
        transform = ImageCms.buildTransform(own, srgb, "RGB", "RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError) as error:
        message = "The ICC profile cannot be applied"
        raise InvalidDicomError(message, url=url) from error
    return partial(_apply, transform)


def _apply(transform: Any, picture: Any) -> Any:  # noqa: ANN401 (Pillow's own)
    return transform.apply(picture)
