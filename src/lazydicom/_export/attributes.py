"""What an export takes along besides pixels: attributes, and where each frame came from."""

import math
from collections.abc import Iterable
from typing import Any, Literal, TypeAlias

from lazydicom._arrange.axes.labels import origin_labels
from lazydicom._array.array import DicomArray
from lazydicom._array.computed import ComputedArray
from lazydicom._array.coordinate import Coordinate
from lazydicom._array.image import DicomImage
from lazydicom._array.lazy_array import LazyArray
from lazydicom._views.zarr_metadata import (
    auxiliary_names,
    check_name,
    technical_attributes,
)
from lazydicom.errors import InvalidDicomError, warn

Metadata: TypeAlias = Literal["none", "technical", "full"]


def url_of(array: LazyArray) -> str:
    """Return the first file of an array, for messages; others have none."""
    return array.images[0].url if array.images else "<array>"


def warn_of_burned_in_text(array: LazyArray) -> None:
    """Warn that pixels may show a name though no attribute leaves the file."""
    if array.attrs.get("burned_in_annotation") == "YES":
        message = "Burned In Annotation is YES: pixels may show who the patient is"
        warn(message, url=url_of(array))


def warn_of_tilt(array: LazyArray) -> None:
    """Warn that planes are shifted against each other, which a scale cannot say."""
    if "gantry_tilt" in array.attrs:
        message = (
            f"Planes are shifted by a gantry tilt of {array.attrs['gantry_tilt']:.1f}°, "
            "which OME-Zarr's scale and translation leave out; the affine has it"
        )
        warn(message, url=url_of(array))


def exported_attributes(
    array: LazyArray,
    metadata: Metadata,
    name: str | None = None,
    more: Iterable[str] = (),
) -> dict[str, Any]:
    """Collect attributes as JSON has them.

    Parameters
    ----------
    array : LazyArray
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
        If `metadata` is something else or not to be had, or `name` cannot be a name.
    """
    if metadata not in {"none", "technical", "full"}:
        message = f"Expected metadata 'none', 'technical' or 'full', found {metadata!r}"
        raise ValueError(message)
    if metadata == "full" and not array.images:
        raise ValueError("metadata='full' needs an array of files, which have headers")
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

    Raises
    ------
    ValueError
        If no frames of files stand along the axes of the array.
    """
    if isinstance(array, ComputedArray):
        return source_labels(array.source)
    if not isinstance(array, DicomArray) or array.grid_axes != len(array.grid.shape):
        raise ValueError("source=True needs an array whose planes are frames of files")
    places = array.frames.rows_of(array.grid.numbers)
    return origin_labels(array.frames, places, array.dims[: places.ndim])


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
    """Replace numbers that JSON has no word for by null."""
    if isinstance(value, dict):
        return {name: _without_nan(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_without_nan(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
