"""Real World Value Mapping: stored values as quantities with a unit (PS3.3 C.7.6.16.2.11)."""

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lazydicom._array.computed import FrameArray, FrameFunction
from lazydicom._array.frame_table import FrameTable
from lazydicom._array.image import DicomImage
from lazydicom._header.dataset import read_sequence
from lazydicom._views.lut.apply import apply_function, parameters_of
from lazydicom._views.lut.mappings import SEQUENCE, frame_mappings
from lazydicom._views.lut.parameters import on_grid
from lazydicom.errors import InvalidDicomError


def apply_real_world_values(
    values: Any,  # noqa: ANN401 (DicomArray, ndarray, dask array)
    *,
    like: FrameArray | None = None,
    at: Any = ...,  # noqa: ANN401 (an index expression)
) -> Any:  # noqa: ANN401
    """Turn stored values into those of the real world, by slope and intercept, or by a LUT.

    The first mapping of a file holds, or that of each frame. What it does not map is NaN.

    Parameters
    ----------
    values, like, at
        As in `apply_modality_lut`; the values are stored ones.

    Returns
    -------
    ComputedArray, ndarray or dask.array.Array
        Of the kind that came in, float64; `real_world_units` names the unit.

    Raises
    ------
    InvalidDicomError
        If a frame has no mapping, or a LUT is not as long as it says.

    Examples
    --------
    >>> import numpy as np, pydicom, lazydicom
    >>> from pydicom.data import get_testdata_file
    >>> dataset = pydicom.dcmread(get_testdata_file("CT_small.dcm", download=False))
    >>> item = pydicom.Dataset()
    >>> item.RealWorldValueSlope, item.RealWorldValueIntercept = 0.5, 1.0
    >>> dataset.RealWorldValueMappingSequence = [item]
    >>> array = lazydicom.open_image(dataset)
    >>> array[0, 0, 0], lazydicom.apply_real_world_values(array)[0, 0, 0]
    (np.int16(175), np.float64(88.5))
    """
    array = parameters_of(values, like)
    mappings = frame_mappings(array.frames)
    by_slope = np.isnan(mappings.slope) | np.isnan(mappings.intercept)
    unknown = np.flatnonzero(by_slope & (mappings.number < 0))
    if len(unknown):
        table, row = array.frames, int(unknown[0])
        url, frame = table.images[table.image[row]].url, int(table.frame[row])
        message = "No Real World Value Mapping by slope and intercept, or by a LUT"
        raise InvalidDicomError(message, url=url, frame=frame, tag=SEQUENCE)
    columns: tuple[NDArray[Any], ...] = (
        mappings.slope,
        mappings.intercept,
        mappings.first,
        mappings.last,
    )
    convert = map_values
    if mappings.luts:
        columns = (*columns, mappings.number)
        convert = partial(map_or_look_up, luts=tuple(mappings.luts))
    function = FrameFunction(
        convert,
        tuple(on_grid(column, array) for column in columns),
        np.dtype(np.float64),
        "real world values",
    )
    return apply_function(values, function, array, at)


def map_values(
    values: NDArray[Any],
    slope: NDArray[Any],
    intercept: NDArray[Any],
    first: NDArray[Any],
    last: NDArray[Any],
) -> NDArray[np.float64]:
    """Return mapped values, NaN outside of what is mapped.

    >>> none = np.array(np.nan)
    >>> map_values(np.array([1, 2, 3]), np.array(2.0), np.array(1.0), np.array(2), none)
    array([nan,  5.,  7.])
    """
    stored = np.asarray(values).astype(np.float64)
    outside = (stored < first) | (stored > last)  # of NaN, neither
    mapped: NDArray[np.float64] = stored * slope + intercept
    mapped[outside] = np.nan
    return mapped


def map_or_look_up(
    values: NDArray[Any],
    *parameters: NDArray[Any],
    luts: tuple[NDArray[np.float64], ...],
) -> NDArray[np.float64]:
    """Return what the LUT of each frame says; where it has none, slope and intercept.

    Parameters are those of `map_values`, and the number of the LUT of each frame.

    >>> none, first = np.array(np.nan), np.array(5.0)
    >>> lut = (np.array([0.5, 0.7]),)
    >>> stored = np.array([4, 5, 7])
    >>> map_or_look_up(stored, none, none, first, np.array(6.0), np.array(0), luts=lut)
    array([nan, 0.5, nan])
    """
    slope, intercept, first, last, number = parameters
    mapped = map_values(values, slope, intercept, first, last)
    numbers = np.broadcast_to(number, mapped.shape)
    for which, lut in enumerate(luts):
        own = numbers == which
        if own.any():
            mapped[own] = look_up(values, first, lut)[own]
    return mapped


def look_up(
    values: NDArray[Any], first: NDArray[Any], lut: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return what a table says of stored values, NaN outside of it.

    >>> look_up(np.array([4, 5, 7]), np.array(5.0), np.array([0.5, 0.7]))
    array([nan, 0.5, nan])
    """
    places = np.asarray(values).astype(np.float64) - first
    inside = (places >= 0) & (places < len(lut)) & (places == np.rint(places))
    rows = np.where(inside, places, 0).astype(np.int64)
    looked_up: NDArray[np.float64] = np.where(inside, lut[rows], np.nan)
    return looked_up


def real_world_units(array: FrameArray) -> str:
    """Return the unit of real world values as a UCUM code, nothing where frames differ."""
    table = array.frames
    codes = set(table.text("real_world_units").tolist()) - {""}
    for image in _with_sequence(table):
        for item in list(read_sequence(image.header, SEQUENCE))[:1]:
            units = item.get("MeasurementUnitsCodeSequence") or []
            codes |= {str(one.get("CodeValue", "")) for one in units[:1]}
    return codes.pop() if len(codes) == 1 else ""


def _with_sequence(table: FrameTable) -> list[DicomImage]:
    holds = table.instances["has_real_world_values"][:, 0].tolist()
    return [image for image, held in zip(table.images, holds, strict=True) if held]
