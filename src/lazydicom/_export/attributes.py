"""Which attributes an export takes along."""

from typing import Any, Literal, TypeAlias

from lazydicom._array import DicomArray
from lazydicom._zarr_metadata import technical_attributes

Metadata: TypeAlias = Literal["none", "technical", "full"]


def exported_attributes(array: DicomArray, metadata: Metadata) -> dict[str, Any]:
    """Collect attributes as JSON has them.

    Parameters
    ----------
    array : DicomArray
        What is exported.
    metadata : {"none", "technical", "full"}
        ``"technical"`` takes the attributes of `TECHNICAL_ATTRIBUTES` that the array
        has; ``"full"`` adds the data set of each instance, in the DICOM JSON model
        (PS3.18 annex F), with all that it says about the patient.

    Raises
    ------
    ValueError
        If `metadata` is something else.
    """
    if metadata == "none":
        return {}
    if metadata not in {"technical", "full"}:
        message = f"Expected metadata 'none', 'technical' or 'full', found {metadata!r}"
        raise ValueError(message)
    attributes = technical_attributes(array.attrs)
    if metadata == "full":
        datasets = (image.header.dataset for image in array.images)
        attributes["dicom"] = [dataset.to_json_dict() for dataset in datasets]
    return attributes
