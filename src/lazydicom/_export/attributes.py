"""Which attributes an export takes along."""

from typing import Any, Literal, TypeAlias

from lazydicom._array import DicomArray
from lazydicom._zarr_metadata import (
    auxiliary_names,
    check_name,
    technical_attributes,
)

Metadata: TypeAlias = Literal["none", "technical", "full"]


def exported_attributes(
    array: DicomArray, metadata: Metadata, name: str | None = None
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
        check_name(array, name)
        if others := auxiliary_names(array):
            attributes["coordinates"] = others
    if metadata != "none":
        attributes |= technical_attributes(array.attrs)
    if metadata == "full":
        datasets = (image.header.dataset for image in array.images)
        attributes["dicom"] = [dataset.to_json_dict() for dataset in datasets]
    return attributes
