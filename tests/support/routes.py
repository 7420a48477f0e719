"""Every route from DICOM to somebody else's pixels: each gives the pixels it arrives with."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Final

import fsspec
import icechunk
import imagecodecs.numcodecs
import numpy as np
import tensorstore
import virtualizarr
import xarray as xr
import zarr
from obspec_utils.registry import ObjectStoreRegistry
from obstore.store import LocalStore

import lazydicom
from lazydicom.virtual import DicomParser

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from lazydicom import DicomArray

    Route = Callable[[DicomArray, Path], NDArray[Any]]

imagecodecs.numcodecs.register_codecs(verbose=False)


def by_numpy(array: DicomArray, _: Path) -> NDArray[Any]:
    return np.asarray(array)


def by_dask(array: DicomArray, _: Path) -> NDArray[Any]:
    values: NDArray[Any] = lazydicom.to_dask(array).compute()
    return values


def by_zarr_store(array: DicomArray, _: Path) -> NDArray[Any]:
    return read_all(zarr.open_array(lazydicom.ZarrStore(array), mode="r"))


def by_xarray_on_store(array: DicomArray, _: Path) -> NDArray[Any]:
    store = lazydicom.ZarrStore(array, frames_per_chunk=2, name="pixels")
    values: NDArray[Any] = xr.open_zarr(store)["pixels"].to_numpy()
    return values


def by_copy(array: DicomArray, folder: Path) -> NDArray[Any]:
    lazydicom.to_zarr(array, folder / "copy.zarr", overwrite=True)
    return read_all(zarr.open_array(folder / "copy.zarr", mode="r"))


def by_sharded_copy_in_tensorstore(array: DicomArray, folder: Path) -> NDArray[Any]:
    path = folder / "sharded.zarr"
    lazydicom.to_zarr(array, path, chunks=1, shards=2, overwrite=True)
    return read_by_tensorstore(path)


def by_copy_in_tensorstore(array: DicomArray, folder: Path) -> NDArray[Any]:
    path = folder / "plain.zarr"
    lazydicom.to_zarr(array, path, chunks=1, overwrite=True)
    return read_by_tensorstore(path)


def by_json(array: DicomArray, folder: Path) -> NDArray[Any]:
    path = folder / "references.json"
    lazydicom.to_references(array, path, overwrite=True)
    return read_references(str(path))


def by_json_in_xarray(array: DicomArray, folder: Path) -> NDArray[Any]:
    path = folder / "references.json"
    lazydicom.to_references(array, path, overwrite=True)
    store = fsspec.get_mapper("reference://", fo=str(path))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of zarr, about stores of fsspec
        data = xr.open_dataset(store, engine="zarr", zarr_format=2, consolidated=True)
        values: NDArray[Any] = data["pixels"].to_numpy()
    return values


def by_parquet(array: DicomArray, folder: Path) -> NDArray[Any]:
    path = folder / "references.parq"
    lazydicom.to_references(array, path, overwrite=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of pandas, about the engine that fsspec chose
        return read_references(str(path))


def by_icechunk(array: DicomArray, _: Path) -> NDArray[Any]:
    return read_icechunk(commit_to_icechunk(f"file://{array.images[0].url}"))


def commit_to_icechunk(url: str) -> icechunk.Repository:
    """Refer to the frames of a file in a new repository."""
    place = url.rpartition("/")[0] + "/"
    registry = ObjectStoreRegistry({"file://": LocalStore()})
    data = virtualizarr.open_virtual_dataset(url, registry, DicomParser())
    config = icechunk.RepositoryConfig.default()
    store = icechunk.local_filesystem_store(place.removeprefix("file://"))
    container = icechunk.VirtualChunkContainer(place, store)
    config.set_virtual_chunk_container(container)
    repository = icechunk.Repository.create(
        icechunk.in_memory_storage(),
        config,
        authorize_virtual_chunk_access={place: None},
    )
    session = repository.writable_session("main")
    data.vz.to_icechunk(session.store)
    session.commit("Refer to a DICOM file")
    return repository


def read_icechunk(repository: icechunk.Repository) -> NDArray[Any]:
    read_only = repository.readonly_session("main")
    opened = xr.open_zarr(read_only.store, consolidated=False)
    values: NDArray[Any] = opened["pixels"].to_numpy()
    return values


COPIES_AND_VIEWS: Final[dict[str, Route]] = {
    "numpy": by_numpy,
    "dask": by_dask,
    "ZarrStore": by_zarr_store,
    "xarray on ZarrStore": by_xarray_on_store,
    "to_zarr": by_copy,
    "to_zarr, TensorStore": by_copy_in_tensorstore,
    "to_zarr sharded, TensorStore": by_sharded_copy_in_tensorstore,
}
REFERENCES: Final[dict[str, Route]] = {
    "JSON": by_json,
    "JSON, xarray": by_json_in_xarray,
    "Parquet": by_parquet,
    "Icechunk": by_icechunk,
}


def read_all(array: Any) -> NDArray[Any]:  # noqa: ANN401 (zarr's)
    values: NDArray[Any] = np.asarray(array[...])
    return values


def read_by_tensorstore(path: Path) -> NDArray[Any]:
    store = {"driver": "file", "path": str(path)}
    opened = tensorstore.open({"driver": "zarr3", "kvstore": store}).result()
    values: NDArray[Any] = opened.read().result()
    return values


def read_references(url: str) -> NDArray[Any]:
    store = fsspec.get_mapper("reference://", fo=url, remote_protocol="file")
    group = zarr.open_group(store, mode="r", zarr_format=2)
    return read_all(group["pixels"])


def fingerprint(values: NDArray[Any]) -> tuple[str, tuple[int, ...], str]:
    """Tell type, shape and pixels, whatever the byte order."""
    from hashlib import sha256

    little = np.ascontiguousarray(values.astype(values.dtype.newbyteorder("<")))
    return (little.dtype.str, little.shape, sha256(little.tobytes()).hexdigest())
