"""What an export takes along besides pixels: attributes, and where each frame came from."""

import math
from collections.abc import Iterable
from typing import Any, Literal, TypeAlias

import numpy as np

from lazydicom._array.computed import FrameArray
from lazydicom._array.coordinate import Coordinate
from lazydicom._array.grid import HOLE, Tiles
from lazydicom._array.image import DicomImage
from lazydicom._array.lazy_array import LazyArray
from lazydicom._header import tags
from lazydicom._views.zarr_metadata import (
    auxiliary_names,
    check_name,
    technical_attributes,
)
from lazydicom.errors import InvalidDicomError, UnsupportedError, warn

Metadata: TypeAlias = Literal["none", "technical", "full"]


def warn_of_burned_in_text(array: LazyArray) -> None:
    """Say that no attribute has to leave a file for a name to leave it."""
    if array.attrs.get("burned_in_annotation") == "YES":
        message = "Burned In Annotation is YES: pixels may show who the patient is"
        warn(message, url=array.images[0].url)


def warn_of_tilt(array: FrameArray) -> None:
    """Say that a plane is not right behind the one before: a scale cannot."""
    if "gantry_tilt" in array.attrs:
        message = (
            f"Planes are shifted by a gantry tilt of {array.attrs['gantry_tilt']:.1f}°, "
            "which OME-Zarr's scale and translation leave out; the affine has it"
        )
        warn(message, url=array.images[0].url)


def exported_attributes(
    array: LazyArray,
    metadata: Metadata,
    name: str | None = None,
    more: Iterable[str] = (),
) -> dict[str, Any]:
    """Collect attributes as JSON has them.

    Parameters
    ----------
    array : DicomArray
        What is exported.
    metadata : {"none", "technical", "full"}
        ``"technical"`` takes the attributes of `TECHNICAL_ATTRIBUTES` that the array
        has; ``"full"`` adds the data set of each instance, in the DICOM JSON model
        (PS3.18 annex F), with all that it says about the patient.
    name : str, optional
        What the array will be called in its group, beside its coordinates.
    more : iterable of str
        Coordinates that it has besides its own.

    Raises
    ------
    ValueError
        If `metadata` is something else, or `name` cannot be a name.
    """
    if metadata not in {"none", "technical", "full"}:
        message = f"Expected metadata 'none', 'technical' or 'full', found {metadata!r}"
        raise ValueError(message)
    attributes: dict[str, Any] = {}
    if name is not None:
        check_name(array, name, more)
        others = {
            **dict.fromkeys(auxiliary_names(array).split()),
            **dict.fromkeys(more),
        }
        if others:
            attributes["coordinates"] = " ".join(others)
    if metadata != "none":
        attributes |= technical_attributes(array.attrs)
    if metadata == "full":
        attributes["dicom"] = [_dicom_json(image) for image in array.images]
    return attributes


def source_labels(array: LazyArray) -> dict[str, Coordinate]:
    """Return instance and frame of each grid position; nothing and -1 for holes.

    The header of every instance is asked for its UID.

    Raises
    ------
    UnsupportedError
        If frames are tiles: coordinates along y and x count pixels.
    """
    if not isinstance(array, FrameArray) or isinstance(array.grid.layout, Tiles):
        message = "Tiles have no coordinate that says where they come from"
        raise UnsupportedError(message, url=array.images[0].url)
    uids: list[str] = []
    numbers: list[int] = []
    for image in array.images:
        found = image.header.elements.get(tags.SOP_INSTANCE_UID, "UI")
        uids += [str(found[0]) if found else ""] * len(image)
        numbers += range(len(image))
    places = array.grid.frames
    names, frames = np.array([*uids, ""]), np.array([*numbers, HOLE], np.int64)
    dims = array.dims[: places.ndim]
    return {
        "sop_instance_uid": Coordinate(dims, names[places]),
        "frame_number": Coordinate(dims, frames[places]),
    }


def _dicom_json(image: DicomImage) -> dict[str, Any]:
    """Write the data set in the DICOM JSON model.

    Raises
    ------
    InvalidDicomError
        If an element holds what its VR cannot; the error does not tell what that is.
    """
    dataset, document = image.header.dataset, {}
    for tag in dataset.keys():  # noqa: SIM118 (a Dataset iterates over its elements)
        try:
            element = dataset[tag].to_json_dict(None, 0)
        except (ValueError, TypeError, AttributeError, ArithmeticError):
            message = "Expected a value that DICOM JSON can write"
            raise InvalidDicomError(message, url=image.url, tag=int(tag)) from None
        document[f"{tag:08X}"] = _without_nan(element)
    return document


def _without_nan(value: Any) -> Any:  # noqa: ANN401 (JSON)
    """Let null stand for numbers that JSON has no word for."""
    if isinstance(value, dict):
        return {name: _without_nan(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_without_nan(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
