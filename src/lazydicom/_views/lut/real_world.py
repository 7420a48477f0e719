"""Real World Value Mapping: stored values as quantities with a unit (PS3.3 C.7.6.16.2.11)."""

from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lazydicom._array.computed import FrameArray, FrameFunction
from lazydicom._array.frame_table import FrameTable
from lazydicom._array.image import DicomImage
from lazydicom._header import tags
from lazydicom._header.header import read_sequence
from lazydicom._views.lut.apply import apply_function, parameters_of
from lazydicom._views.lut.parameters import on_grid
from lazydicom.errors import InvalidDicomError

if TYPE_CHECKING:
    from pydicom import Dataset

_SEQUENCE: Final = tags.REAL_WORLD_VALUE_MAPPING_SEQUENCE
_LIMITS: Final = ("RealWorldValueFirstValueMapped", "RealWorldValueLastValueMapped")
_COLUMNS: Final = ("real_world_slope", "real_world_intercept")


class Mapping(NamedTuple):
    """Slope, intercept, and the stored values that are mapped, NaN where not said."""

    slope: float
    intercept: float
    first: float
    last: float


class Lut(NamedTuple):
    """A value of the real world for each stored value from `first` on."""

    first: float
    values: NDArray[np.float64]


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
        If a frame has no mapping, or files have several LUTs.

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
    table_of_values = _common_lut(array.frames)
    if table_of_values is not None:
        look_up = partial(look_up_values, lut=table_of_values.values)
        first_mapped = (np.array(table_of_values.first),)
        mapped = FrameFunction(
            look_up, first_mapped, np.dtype(np.float64), "real world values"
        )
        return apply_function(values, mapped, array, at)
    columns = _mappings(array.frames)
    unknown = np.flatnonzero(np.isnan(columns[:, :2]).any(axis=1))
    if len(unknown):
        table, row = array.frames, int(unknown[0])
        url, frame = table.images[table.image[row]].url, int(table.frame[row])
        message = "No Real World Value Mapping by slope and intercept"
        raise InvalidDicomError(message, url=url, frame=frame, tag=_SEQUENCE)
    parameters = tuple(on_grid(column, array) for column in columns.T)
    function = FrameFunction(
        map_values, parameters, np.dtype(np.float64), "real world values"
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


def look_up_values(
    values: NDArray[Any], first: NDArray[Any], *, lut: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return what a table says of stored values, NaN outside of it.

    >>> look_up_values(np.array([4, 5, 7]), np.array(5.0), lut=np.array([0.5, 0.7]))
    array([nan, 0.5, nan])
    """
    stored = np.asarray(values)
    places = stored.astype(np.int64) - np.int64(first)
    inside = (places >= 0) & (places < len(lut)) & (stored == places + first)
    looked_up: NDArray[np.float64] = np.where(
        inside, lut[np.where(inside, places, 0)], np.nan
    )
    return looked_up


def real_world_units(array: FrameArray) -> str:
    """Return the unit of real world values as a UCUM code, nothing where frames differ."""
    table = array.frames
    codes = set(table.text("real_world_units").tolist()) - {""}
    for image in _with_sequence(table):
        for item in list(read_sequence(image.header, _SEQUENCE))[:1]:
            units = item.get("MeasurementUnitsCodeSequence") or []
            codes |= {str(one.get("CodeValue", "")) for one in units[:1]}
    return codes.pop() if len(codes) == 1 else ""


def _mappings(table: FrameTable) -> NDArray[np.float64]:
    """Return slope, intercept, first and last value of each frame."""
    columns = np.full((len(table), len(Mapping._fields)), np.nan)
    for column, name in enumerate(_COLUMNS):
        columns[:, column] = table.numbers(name)[:, 0]
    holds = table.instances["has_real_world_values"][:, 0]
    for row in np.flatnonzero(holds).tolist():
        columns[table.image == row] = _mapping_of(table.images[row])
    return columns


def _common_lut(table: FrameTable) -> Lut | None:
    """Return the table that all files have in common, ``None`` where none has one.

    Raises
    ------
    InvalidDicomError
        If only some have one, they differ, or one is not as long as it says.
    """
    images = _with_sequence(table)
    luts = [_lut_of(image) for image in images]
    known = [lut for lut in luts if lut is not None]
    if not known:
        return None
    same = all(lut.first == known[0].first for lut in known)
    same = same and all(np.array_equal(lut.values, known[0].values) for lut in known)
    if len(known) < len(table.images) or not same:
        message = "Files with several LUTs of real world values, open them one by one"
        raise InvalidDicomError(message, url=images[0].url, tag=_SEQUENCE)
    return known[0]


def _lut_of(image: DicomImage) -> Lut | None:
    """Read the LUT of the first mapping at the top level."""
    for item in list(read_sequence(image.header, _SEQUENCE))[:1]:
        lut = np.array(item.get("RealWorldValueLUTData") or [], np.float64).ravel()
        if not lut.size:
            return None
        first, last = (_limit(item, keyword) for keyword in _LIMITS)
        if last - first + 1 != lut.size:
            message = (
                f"Expected a LUT from first to last value, found {lut.size} values"
            )
            raise InvalidDicomError(message, url=image.url, tag=_SEQUENCE)
        return Lut(first, lut)
    return None


def _with_sequence(table: FrameTable) -> list[DicomImage]:
    holds = table.instances["has_real_world_values"][:, 0].tolist()
    return [image for image, held in zip(table.images, holds, strict=True) if held]


def _mapping_of(image: DicomImage) -> Mapping:
    """Read the first mapping at the top level."""
    items = list(read_sequence(image.header, _SEQUENCE))
    if not items:
        return Mapping(*[float("nan")] * 4)
    item = items[0]
    limits = [_limit(item, keyword) for keyword in _LIMITS]
    slope = _number(item, "RealWorldValueSlope")
    return Mapping(slope, _number(item, "RealWorldValueIntercept"), *limits)


def _limit(item: "Dataset", keyword: str) -> float:
    plain = _number(item, keyword)
    double = keyword.replace("RealWorldValue", "DoubleFloatRealWorldValue")
    return _number(item, double) if np.isnan(plain) else plain


def _number(item: "Dataset", keyword: str) -> float:
    value = item.get(keyword)
    return float("nan") if value is None or value == "" else float(value)
