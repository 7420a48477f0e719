"""Which attributes an export takes along."""

import math
from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

from lazydicom._array import DicomArray
from lazydicom._attributes import TECHNICAL_ATTRIBUTES

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
    attributes = _technical(array.attrs)
    if metadata == "full":
        datasets = (image.header.dataset for image in array.images)
        attributes["dicom"] = [dataset.to_json_dict() for dataset in datasets]
    return attributes


def _technical(attrs: Mapping[str, Any]) -> dict[str, Any]:
    """Let nothing out that is not in the table, and nothing that JSON has no word for."""
    named = {name: _json(attrs[name]) for name in TECHNICAL_ATTRIBUTES if name in attrs}
    return {name: value for name, value in named.items() if value is not None}


def _json(value: object) -> Any:  # noqa: ANN401 (JSON)
    if isinstance(value, list | tuple):
        values = [_json(one) for one in value]
        return None if None in values else values
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, str | int | float) else None
