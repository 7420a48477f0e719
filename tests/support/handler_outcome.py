"""What a caller sees of a pixel data handler, and whether two of them differ."""

from __future__ import annotations

import warnings
from io import BytesIO
from typing import TYPE_CHECKING, Any, NamedTuple

from dicom_files import make_native
from pydicom import dcmread
from pydicom.pixel_data_handlers import numpy_handler as pydicoms

from lazydicom import numpy_handler as ours

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    import numpy as np
    from pixel_layout import Geometry
    from pydicom import Dataset


def dataset_of(file: bytes) -> Dataset:
    """Read a data set that asks handlers for its pixels."""
    dataset = dcmread(BytesIO(file))
    dataset.pixel_array_options(use_v2_backend=True)
    return dataset


def make_dataset(**wrong: object) -> Dataset:
    """Read a data set of 3 frames of 4 × 5 words; None deletes an element."""
    dataset = dataset_of(make_native())
    for keyword, value in wrong.items():
        if value is None:
            delattr(dataset, keyword)
        else:
            setattr(dataset, keyword, value)
    return dataset


def make_422(pixel_bytes: bytes) -> Dataset:
    """Read a data set of one frame of 2 × 2 pixels that share their chrominance."""
    geometry: Geometry = {
        "number_of_frames": 1,
        "rows": 2,
        "columns": 2,
        "samples_per_pixel": 3,
        "bits_allocated": 8,
        "photometric_interpretation": "YBR_FULL_422",
    }
    file = make_native(pixel_bytes=pixel_bytes, **geometry)
    return dataset_of(file)


class Outcome(NamedTuple):
    """All that a caller sees of a handler."""

    warned: set[tuple[type[Warning], str]]
    error: tuple[type[Exception], str] | None
    values: tuple[bytes, np.dtype[Any], tuple[int, ...]] | None = None
    writeable: bool | None = None


def outcome_of(handler: ModuleType, dataset: Dataset, *, read_only: bool) -> Outcome:
    """Ask a handler for pixels, and note all that comes of it."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            row = handler.get_pixeldata(dataset, read_only=read_only)
        except (AttributeError, NotImplementedError, TypeError, ValueError) as error:
            row, failure = None, (type(error), str(error))
    warned = {(warning.category, str(warning.message)) for warning in caught}
    if row is None:
        return Outcome(warned, failure)
    values = (row.tobytes(), row.dtype, row.shape)
    return Outcome(warned, None, values, row.flags.writeable)


def assert_no_difference(make: Callable[[], Dataset]) -> None:
    """Compare our handler with pydicom's, values to words, for both `read_only`."""
    for read_only in (False, True):
        theirs = outcome_of(pydicoms, make(), read_only=read_only)
        assert outcome_of(ours, make(), read_only=read_only) == theirs
