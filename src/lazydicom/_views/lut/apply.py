"""Modality LUT, VOI LUT and palette as lazy functions over arrays of any kind.

They compute what pydicom's `apply_modality_lut`, `apply_voi_lut` and `apply_color_lut` do, with
the parameters that the file gives each frame.
"""

from functools import partial
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lazydicom._array.computed import ComputedArray, FrameArray, FrameFunction, Name
from lazydicom._array.frame_table import FrameTable
from lazydicom._header import tags
from lazydicom._views.dask import is_dask_array, map_frames
from lazydicom._views.lut.kernels import (
    NARROWEST,
    WINDOWS,
    LookupTable,
    look_up,
    rescale,
)
from lazydicom._views.lut.parameters import (
    frame_columns,
    modality_tables,
    on_grid,
    output_ranges,
    palette_of,
    rescale_columns,
    tables_of,
    voi_tables,
)
from lazydicom.errors import InvalidDicomError, UnsupportedError

WindowChoice: TypeAlias = int | tuple[float, float]
_GRAY: Final = frozenset(("MONOCHROME1", "MONOCHROME2"))
_FLOAT64: Final = np.dtype(np.float64)


def apply_modality_lut(
    values: Any,  # noqa: ANN401 (DicomArray, ndarray, dask array)
    *,
    like: FrameArray | None = None,
    at: Any = ...,  # noqa: ANN401 (an index expression)
) -> Any:  # noqa: ANN401
    """Turn stored values into those that the modality means, such as HU (PS3.3 C.11.1).

    Parameters
    ----------
    values : DicomArray, ndarray or dask.array.Array
        Stored values. A `DicomArray` knows its own parameters.
    like : DicomArray, optional
        Whose parameters to use for `values` of another kind; of its shape, or of that
        of ``like[at]``.
    at : index expression
        What part of `like` the values are.

    Returns
    -------
    ComputedArray, ndarray or dask.array.Array
        Of the kind that came in; float64 where Rescale Slope and Intercept are
        applied, integers of a Modality LUT, and the values as they are where the file has
        neither. A `ComputedArray` is lazy: it indexes like the `DicomArray`, and
        `to_dask` and `to_xarray` take it.

    Raises
    ------
    LazyDicomError
        If the LUT of a file contradicts the standard, or only some files have one.

    Examples
    --------
    >>> from pydicom.data import get_testdata_file
    >>> import lazydicom
    >>> path = get_testdata_file("CT_small.dcm", download=False)
    >>> array = lazydicom.open_image(path)
    >>> hounsfield = lazydicom.apply_modality_lut(array)
    >>> array[0, 60, 60], hounsfield[0, 60, 60]
    (np.int16(1013), np.float64(-11.0))
    """
    array = parameters_of(values, like)
    return apply_function(values, _modality(array), array, at)


def apply_voi_lut(
    values: Any,  # noqa: ANN401
    *,
    window: WindowChoice = 0,
    like: FrameArray | None = None,
    at: Any = ...,  # noqa: ANN401
) -> Any:  # noqa: ANN401
    """Spread the values of interest over the range of the display (PS3.3 C.11.2).

    Parameters
    ----------
    values : DicomArray, ComputedArray, ndarray or dask.array.Array
        What `apply_modality_lut` gives. To a `DicomArray`, which holds stored values,
        the Modality LUT is applied first: windows count in its units.
    window : int or (center, width)
        Which of the VOI LUTs of the file or, where it has none, of its windows; or a window
        of your own.
    like, at
        As in `apply_modality_lut`.

    Returns
    -------
    ComputedArray, ndarray or dask.array.Array
        Of the kind that came in; float64 for windows, integers of a VOI LUT, and the
        values as they are where the file has neither.

    Raises
    ------
    UnsupportedError
        If the image is in colour, or the VOI LUT Function is not known.
    InvalidDicomError
        If a window is too narrow, or is not there.

    Examples
    --------
    >>> from pydicom.data import get_testdata_file
    >>> import lazydicom
    >>> path = get_testdata_file("CT_small.dcm", download=False)
    >>> array = lazydicom.open_image(path)
    >>> lung = lazydicom.apply_voi_lut(array, window=(-600, 1500))
    >>> lung.shape, lung.dtype
    ((1, 128, 128), dtype('float64'))
    """
    array = parameters_of(values, like)
    if _is_stored(values):
        values = apply_modality_lut(values)
    return apply_function(values, _voi(array, window), array, at)


def apply_palette(
    values: Any,  # noqa: ANN401
    *,
    like: FrameArray | None = None,
    at: Any = ...,  # noqa: ANN401
) -> Any:  # noqa: ANN401
    """Turn the stored values of PALETTE COLOR into RGB or RGBA (PS3.3 C.7.6.3.1.5).

    Parameters
    ----------
    values, like, at
        As in `apply_modality_lut`.

    Returns
    -------
    ComputedArray, ndarray or dask.array.Array
        Of the kind that came in, with an axis ``'sample'`` at the end.

    Raises
    ------
    InvalidDicomError
        If the file has no palette.

    Examples
    --------
    >>> from pydicom.data import get_testdata_file
    >>> import lazydicom
    >>> path = get_testdata_file("examples_palette.dcm", download=False)
    >>> array = lazydicom.open_image(path)
    >>> lazydicom.apply_palette(array)[0, 100, 100]
    array([0, 0, 0], dtype=uint16)
    """
    array = parameters_of(values, like)
    tables = tables_of(array, list(map(palette_of, array.frames.images)), "palette")
    if tables is None:
        url = array.images[0].url
        raise InvalidDicomError(
            "No palette", url=url, tag=tags.RED_PALETTE_COLOR_LOOKUP_TABLE_DESCRIPTOR
        )
    return apply_function(values, _look_up(tables, "palette"), array, at)


def parameters_of(values: Any, like: FrameArray | None) -> FrameArray:  # noqa: ANN401
    """Return the array whose headers hold."""
    if like is not None:
        return like
    if isinstance(values, FrameArray):
        return values
    message = "a DicomArray, or like= the array that the values are of"
    raise TypeError(f"Expected {message}, found {type(values).__name__}")


def _is_stored(values: Any) -> bool:  # noqa: ANN401
    return isinstance(values, FrameArray) and not isinstance(values, ComputedArray)


def apply_function(
    values: Any,  # noqa: ANN401
    function: FrameFunction | None,
    array: FrameArray,
    at: Any,  # noqa: ANN401
) -> Any:  # noqa: ANN401
    """Apply a function in the way of each kind of array."""
    if function is None:
        return values
    if isinstance(values, ComputedArray) and not (
        function.name == "VOI LUT" and values.function.name == "Modality LUT"
    ):
        message = f"a {values.function.name} is applied already"
        raise TypeError(f"A {function.name} is for stored values, {message}")
    if isinstance(values, FrameArray):
        return ComputedArray(values, function)
    shape = np.broadcast_to(False, array.shape)[at].shape  # noqa: FBT003
    if any(one.ndim for one in function.parameters) and np.shape(values) != shape:
        message = f"Expected values of shape {shape}, found {np.shape(values)}"
        raise ValueError(f"{message}: tell with at= which part of like= they are")
    function = function.at(at, array.shape)
    if is_dask_array(values):
        return map_frames(values, function)
    return function(np.asarray(values))


def _modality(array: FrameArray) -> FrameFunction | None:
    tables = tables_of(array, modality_tables(array), "Modality LUT")
    if tables is not None:
        return _look_up(tables, "Modality LUT")
    columns = rescale_columns(array)
    if columns is None:
        return None
    slope, intercept = (on_grid(column, array) for column in columns)
    return FrameFunction(rescale, (slope, intercept), _FLOAT64, "Modality LUT")


def _voi(array: FrameArray, window: WindowChoice) -> FrameFunction | None:
    if isinstance(window, int):
        tables = tables_of(array, voi_tables(array, window), "VOI LUT")
        if tables is not None:
            return _look_up(tables, "VOI LUT")
    names = ("window_center", "window_width", "voi_lut_function")
    centers, widths, functions = frame_columns(array, *names)
    if isinstance(window, int):
        if np.isnan(centers).all() or np.isnan(widths).all():
            return None
        center, width = _chosen(centers, window, array), _chosen(widths, window, array)
    else:
        center, width = (np.asarray(float(one)) for one in window)
    function = _window_function(functions, array)
    _check_window(width, function, array)
    parameters = (center, width, *_display_range(array))
    return FrameFunction(WINDOWS[function], parameters, _FLOAT64, "VOI LUT")


def _display_range(array: FrameArray) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return what a window maps its ends to: 0 and 1 for pixels of floating point."""
    if any(image.format.pixel.dtype.kind == "f" for image in array.images):
        return np.asarray(0.0), np.asarray(1.0)
    lowest, highest = output_ranges(array)
    return on_grid(lowest, array), on_grid(highest, array)


def _chosen(column: NDArray[Any], number: int, array: FrameArray) -> NDArray[Any]:
    """Return one of several values of each frame, the only one where there is one."""
    several = column.shape[1] > 1 and not np.isnan(column[:, 1:]).all()
    if several and not 0 <= number < column.shape[1]:
        message = f"Expected window {number}, found {column.shape[1]}"
        raise InvalidDicomError(
            message, url=array.images[0].url, tag=tags.WINDOW_CENTER
        )
    chosen = column[:, number if several else 0]
    if np.isnan(chosen).any():
        row, table = int(np.flatnonzero(np.isnan(chosen))[0]), array.frames
        message, url = f"Only some frames have window {number}", _url_of(table, row)
        raise InvalidDicomError(message, url=url, frame=int(table.frame[row]))
    return on_grid(chosen, array)


def _url_of(table: FrameTable, row: int) -> str:
    return str(table.images[table.image[row]].url)


def _window_function(functions: NDArray[Any], array: FrameArray) -> str:
    names = {str(name).upper() or "LINEAR" for name in np.unique(functions)}
    url = array.images[0].url
    if len(names) > 1 or not names <= WINDOWS.keys():
        known = ", ".join(sorted(names & WINDOWS.keys()))
        message = f"VOI LUT Function: {known or 'none that is known'}"
        if len(names) > 1:
            message += ", not the same in all frames"
        raise UnsupportedError(message, url=url, tag=tags.VOI_LUT_FUNCTION)
    kinds = {image.format.pixel.photometric_interpretation for image in array.images}
    if not kinds <= _GRAY:
        message = f"A window is for MONOCHROME1 and MONOCHROME2, not {sorted(kinds)}"
        raise UnsupportedError(message, url=url, tag=tags.PHOTOMETRIC_INTERPRETATION)
    return names.pop()


def _check_window(width: NDArray[Any], function: str, array: FrameArray) -> None:
    least = NARROWEST.get(function)
    if (width < least).any() if least else (width <= 0).any():
        message = f"{function} window of width {width.min():g}"
        raise InvalidDicomError(message, url=array.images[0].url, tag=tags.WINDOW_WIDTH)


def _look_up(
    found: tuple[tuple[LookupTable, ...], NDArray[Any]], name: Name
) -> FrameFunction:
    tables, which = found
    looks = {(table.entries.dtype, table.entries.shape[1:]) for table in tables}
    if len(looks) > 1:
        raise UnsupportedError(f"Instances have a {name} of different types")
    (dtype, rest), *_ = looks
    kernel = partial(look_up, tables=tables)
    return FrameFunction(
        kernel, (which,), dtype, name, samples=rest[0] if rest else None
    )
