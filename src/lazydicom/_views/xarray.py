"""The xarray view, and the backend ``engine="lazydicom"``.

Rescale Slope and Intercept become ``scale_factor`` and ``add_offset``, Pixel Padding Value
becomes ``_FillValue``, so that xarray decodes them as it does those of a netCDF file. What
differs from frame to frame has no such attribute; it is decoded here, as lazily.
"""

import os
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, ClassVar, Final, Unpack, cast, overload

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from xarray.backends import BackendArray, BackendEntrypoint
from xarray.conventions import decode_cf_variable
from xarray.core import indexing

import lazydicom._views.accessor  # noqa: F401 (registers DataArray.dicom)
from lazydicom._array.computed import ComputedArray, FrameArray, FrameFunction
from lazydicom._bytes.deferred import deferred
from lazydicom._open.instance import OPTION_NAMES, OpenKeywords, open_options
from lazydicom._views.chunks import frame_chunks
from lazydicom._views.geometry import (
    STALE,
    array_directions,
    array_spacings,
    label_attrs,
)
from lazydicom._views.lut.kernels import mask_and_rescale
from lazydicom._views.lut.scaling import FrameScaling, frame_scaling
from lazydicom._views.segment_index import index_by_label
from lazydicom.errors import redact_url

if TYPE_CHECKING:
    from lazydicom._arrange.series import OnGap
    from lazydicom._bytes.listing import Urls
    from lazydicom._open import series as openers
    from lazydicom._views.lut import real_world
else:
    openers = deferred("lazydicom._open.series")
    real_world = deferred("lazydicom._views.lut.real_world")

_PIXELS: Final = "pixels"
"""Name of the variable."""
_SUFFIXES: Final = (".dcm", ".dicom")
_GROUPED: Final = "auto"
_SCALING: Final = frozenset(("rescale_slope", "rescale_intercept", "dose_grid_scaling"))
"""What decoded values must not carry: somebody would apply it again."""


@overload
def to_xarray(
    array: FrameArray,
    *,
    chunks: int | Mapping[Any, Any] | str | None = None,
    mask_and_scale: bool | None = None,
) -> xr.DataArray: ...


@overload
def to_xarray(
    array: Sequence[FrameArray],
    *,
    chunks: int | Mapping[Any, Any] | str | None = None,
    mask_and_scale: bool | None = None,
) -> xr.DataTree: ...


def to_xarray(
    array: FrameArray | Sequence[FrameArray],
    *,
    chunks: int | Mapping[Any, Any] | str | None = None,
    mask_and_scale: bool | None = None,
) -> xr.DataArray | xr.DataTree:
    """View an array as a `DataArray` with its axes, coordinates and attributes.

    Nothing is read until values are asked for, and then only the frames that they are in.

    Parameters
    ----------
    array : DicomArray or ComputedArray
        What `open_series` and its kin give, or a LUT makes of it; or the levels of a
        slide, which become nodes of a tree: ``tree["0"].pixels``.
    chunks : mapping, int or "auto", optional
        As in `xarray.open_dataset`: ``{}`` makes a dask array with the chunks of
        `to_dask`, ``"auto"`` joins them to what suits dask.
    mask_and_scale : bool, optional
        Rescale values, and let padding be NaN. By default the stored values stay, and
        ``scale_factor``, ``add_offset`` and ``_FillValue`` are attributes; those of a dose
        mean nothing, so it comes in gray. `xarray.open_dataset` rescales by default.

    Returns
    -------
    xarray.DataArray, or xarray.DataTree of levels

    Examples
    --------
    >>> from pydicom.data import get_testdata_file
    >>> import lazydicom
    >>> path = get_testdata_file("CT_small.dcm", download=False)
    >>> stored = lazydicom.to_xarray(lazydicom.open_series(path))
    >>> stored.dims, stored.attrs["add_offset"], stored.attrs["units"]
    (('z', 'y', 'x'), -1024.0, 'HU')
    """
    if isinstance(array, list | tuple) and all(
        isinstance(a, FrameArray) for a in array
    ):
        levels = (
            to_xarray(level, chunks=chunks, mask_and_scale=mask_and_scale).to_dataset()
            for level in array
        )
        return xr.DataTree.from_dict({f"/{k}": one for k, one in enumerate(levels)})
    if not isinstance(array, FrameArray):
        kind = type(array).__name__
        message = f"to_xarray takes what open_series and its kin return, not {kind}"
        raise TypeError(f"{message}; xarray.open_dataset takes files")
    dataset = xr.open_dataset(
        cast("Any", array),
        engine=LazyDicomBackend,
        chunks=cast("Any", chunks),
        mask_and_scale=_is_dose(array) if mask_and_scale is None else mask_and_scale,
    )
    return index_by_label(dataset[_PIXELS])


def _is_dose(array: FrameArray) -> bool:
    return "dose_grid_scaling" in array.attrs


class LazyDicomBackend(BackendEntrypoint):
    """Open files, folders and whole studies as xarray does a netCDF file."""

    description: ClassVar[str] = "DICOM series as labelled lazy arrays"
    supports_groups: ClassVar[bool] = True
    open_dataset_parameters: ClassVar[tuple[str, ...]] = (
        "filename_or_obj",
        "drop_variables",
        "mask_and_scale",
        "storage_options",
        "series",
        "on_gap",
        "fill_value",
        "source",
        *OPTION_NAMES,
    )

    def open_dataset(  # type: ignore[override]
        self,
        filename_or_obj: "Urls | FrameArray",
        *,
        drop_variables: str | Iterable[str] | None = None,
        mask_and_scale: bool = True,
        storage_options: Mapping[str, Any] | None = None,
        series: str | int | None = None,
        on_gap: "OnGap" = "error",
        fill_value: float | None = None,
        source: bool = False,
        **options: Unpack[OpenKeywords],
    ) -> xr.Dataset:
        """Open one series; options as those of `open_series`."""
        open_options("open_dataset", options, others=self.open_dataset_parameters)
        array = (
            filename_or_obj
            if isinstance(filename_or_obj, FrameArray)
            else openers.open_series(
                filename_or_obj,
                storage_options,
                series=series,
                on_gap=on_gap,
                fill_value=fill_value,
                source=source,
                **options,
            )
        )
        return _dataset(array, drop_variables, mask_and_scale=mask_and_scale)

    def open_groups_as_dict(  # type: ignore[override]
        self,
        filename_or_obj: "Urls",
        *,
        drop_variables: str | Iterable[str] | None = None,
        mask_and_scale: bool = True,
        storage_options: Mapping[str, Any] | None = None,
        on_gap: "OnGap" = "split",
        fill_value: float | None = None,
        source: bool = False,
        **options: Unpack[OpenKeywords],
    ) -> dict[str, xr.Dataset]:
        """Open all series of a study; options as those of `open_study`."""
        arrays = openers.open_study(
            filename_or_obj,
            storage_options,
            on_gap=on_gap,
            fill_value=fill_value,
            source=source,
            **options,
        )
        return {
            f"/{name}": _dataset(array, drop_variables, mask_and_scale=mask_and_scale)
            for name, array in arrays.items()
        }

    def open_datatree(  # type: ignore[override]
        self,
        filename_or_obj: "Urls",
        **options: Any,  # noqa: ANN401 (those of open_groups_as_dict)
    ) -> xr.DataTree:
        """Open all series of a study, each as a node of a tree."""
        return xr.DataTree.from_dict(
            self.open_groups_as_dict(filename_or_obj, **options)
        )

    def guess_can_open(self, filename_or_obj: object) -> bool:
        """Return by the suffix; nothing is read."""
        if not isinstance(filename_or_obj, str | os.PathLike):
            return False
        name = os.fspath(filename_or_obj)
        path = name.partition("?")[0] if isinstance(name, str) else ""
        return PurePath(path).suffix.lower() in _SUFFIXES


class _LazyFrames(BackendArray):
    """What xarray indexes: an array, read where it is asked for."""

    def __init__(self, array: FrameArray) -> None:
        self.array = array
        self.shape = array.shape
        self.dtype = array.dtype

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:  # noqa: ANN401
        support = indexing.IndexingSupport.OUTER
        pairs = zip(key.tuple, self.shape, strict=True)
        within = type(key)(tuple(_within(one, length) for one, length in pairs))
        return indexing.explicit_indexing_adapter(
            within, self.shape, support, self._read
        )

    def _read(self, key: tuple[Any, ...]) -> NDArray[Any]:
        """Read the outer product of integers, slices and lists."""
        kept = tuple(slice(k, k + 1) if _is_integer(k) else k for k in key)
        if sum(isinstance(k, np.ndarray) for k in kept) > 1:
            pairs = zip(kept, self.shape, strict=True)
            kept = np.ix_(*(np.arange(length)[k] for k, length in pairs))
        values: NDArray[Any] = self.array.read(kept, threads=_threads())
        return values[tuple(0 if _is_integer(k) else slice(None) for k in key)]


def _within(key: Any, length: int) -> Any:  # noqa: ANN401
    """Write a slice that goes backwards within its axis.

    xarray turns it round; where it is empty, it finds values that were not asked for, or fails.
    """
    if not isinstance(key, slice) or (key.step or 1) > 0:
        return key
    places = range(length)[key]
    if not places:
        return slice(0, 0, 1)
    return slice(places[0], places[-1] - 1 if places[-1] else None, places.step)


def _is_integer(key: object) -> bool:
    return isinstance(key, int | np.integer)


def _threads() -> int | None:
    """Start no threads on a thread that somebody started, as dask's schedulers do."""
    alone = threading.current_thread() is threading.main_thread()
    return None if alone else 1


def _dataset(
    array: FrameArray,
    drop_variables: str | Iterable[str] | None,
    *,
    mask_and_scale: bool,
) -> xr.Dataset:
    computed = isinstance(array, ComputedArray)
    scaling = None if computed else frame_scaling(array, strict=mask_and_scale)
    per_frame = scaling is not None and scaling.per_frame
    pixels = _variable(array, scaling, mask_and_scale=mask_and_scale)
    places = array_directions(array), array_spacings(array)
    coords = {
        name: xr.Variable(one.dims, one.values, label_attrs(name, one, *places))
        for name, one in array.coords.items()
        if name not in _SCALING
    }
    if scaling is not None and per_frame and not mask_and_scale:
        coords |= _scaling_coords(array, scaling)
    dataset = xr.Dataset({_PIXELS: pixels}, coords)
    dataset.encoding["source"] = _source(array)
    dropped = [drop_variables] if isinstance(drop_variables, str) else drop_variables
    return dataset.drop_vars(dropped or [], errors="ignore")


def _variable(
    array: FrameArray, scaling: FrameScaling | None, *, mask_and_scale: bool
) -> xr.Variable:
    left_out = _SCALING | STALE
    attrs: dict[str, Any] = {k: v for k, v in array.attrs.items() if k not in left_out}
    attrs |= array_directions(array)
    encoding: dict[str, Any] = {
        "preferred_chunks": _stored_chunks(array),
        "source": _source(array),
    }
    if isinstance(array, ComputedArray) and array.function.name == "Modality LUT":
        units = frame_scaling(array, strict=False).units
        attrs |= {"units": units} if units else {}
    if isinstance(array, ComputedArray) and array.function.name == "real world values":
        units = real_world.real_world_units(array)
        attrs |= {"units": units} if units else {}
    if scaling is not None:
        attrs |= {"units": scaling.units} if scaling.units else {}
        if scaling.per_frame and mask_and_scale:
            parameters = scaling.parameters
            function = FrameFunction(
                mask_and_rescale, parameters, np.dtype(np.float64), "Modality LUT"
            )
            array = ComputedArray(array, function)
        elif not scaling.per_frame:
            attrs |= _cf_attributes(array, scaling)
    data = indexing.LazilyIndexedArray(_LazyFrames(array))
    variable = xr.Variable(array.dims, data, attrs, encoding)
    if not mask_and_scale or scaling is None:
        return variable
    return decode_cf_variable(
        _PIXELS, variable, decode_times=False, decode_timedelta=False
    )


class _PreferredChunks(dict[str, int]):
    """The least that is decoded at once along each axis, and what suits a task.

    xarray asks with a default where nobody chose a chunk, and without one to warn of chosen
    chunks that cut an item. A frame is the item; each as a chunk would be a task of its own.
    """

    def __init__(self, items: Mapping[str, int], grouped: Mapping[str, int]) -> None:
        super().__init__(items)
        self.grouped = grouped

    def get(self, key: str, default: Any = None) -> Any:  # noqa: ANN401
        """Return the chunk of `to_dask`, without a default an item."""
        if default is None:
            return super().get(key)
        return self.grouped.get(key, default)

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle both."""
        return (_PreferredChunks, (dict(self), self.grouped))


def _stored_chunks(array: FrameArray) -> _PreferredChunks:
    """Return a frame, or the tiles of a mosaic, and the chunks of `to_dask`."""
    frames = array.images[0].planes_per_frame
    items, grouped = (
        dict(zip(array.dims, frame_chunks(array, count), strict=True))
        for count in (frames, _GROUPED)
    )
    return _PreferredChunks(items, grouped)


def _cf_attributes(array: FrameArray, scaling: FrameScaling) -> dict[str, Any]:
    """Write what is the same in all frames as xarray and netCDF do."""
    attrs: dict[str, Any] = {}
    if not scaling.keeps_values:
        attrs["scale_factor"] = float(scaling.slope)
        attrs["add_offset"] = float(scaling.intercept)
    if not np.isnan(scaling.lowest):
        attrs["_FillValue"] = array.dtype.type(scaling.lowest[()])
    return attrs


def _scaling_coords(array: FrameArray, scaling: FrameScaling) -> dict[str, xr.Variable]:
    """Return what each frame would be scaled with, next to its stored values."""
    shape = array.grid.shape
    dims = array.dims[: len(shape)]
    columns = {
        "rescale_slope": scaling.slope,
        "rescale_intercept": scaling.intercept,
    }
    return {
        name: xr.Variable(dims, column.reshape(shape))
        if column.ndim
        else xr.Variable((), column)
        for name, column in columns.items()
    }


def _source(array: FrameArray) -> str:
    """Name the file, or the folder that holds all files, without a secret."""
    urls = sorted({redact_url(image.url) for image in array.images})
    if len(urls) == 1:
        return urls[0]
    return os.path.commonprefix(urls).rpartition("/")[0]  # noqa: RUF071 (URLs, cut below)
