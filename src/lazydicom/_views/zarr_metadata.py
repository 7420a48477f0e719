"""The ``zarr.json`` of an array: shape, chunks, type, codecs, names of axes, attributes."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Final

import numpy as np
import zarr
from zarr.storage import MemoryStore

from lazydicom._array.coordinate import Coordinate
from lazydicom._array.fill import FillValue
from lazydicom._array.grid import frames_within
from lazydicom._array.lazy_array import LazyArray
from lazydicom._array.work.parallel import apart
from lazydicom._header.values import TECHNICAL_ATTRIBUTES

JPEG_NAME: Final = "imagecodecs_jpeg"
"""The JPEG codec of imagecodecs, in ``zarr.json`` and among the codecs of numcodecs."""
METADATA: Final = "zarr.json"
_CHUNK_BYTES: Final = 1 << 20
"""Small frames share a chunk up to 1 MiB; larger ones have one each."""


_STRUCTURE: Final = (
    "node_type",
    "shape",
    "data_type",
    "chunk_grid",
    "chunk_key_encoding",
    "fill_value",
    "codecs",
    "dimension_names",
)
"""What readers make pixels and axes of."""
_GEOMETRY: Final = ("affine", "orientation", "spacing", "gantry_tilt")
"""What `open_series` computed: in the patient's coordinates, from positions."""


def array_metadata(
    shape: Sequence[int],
    dtype: np.dtype[Any],
    *,
    chunks: Sequence[int],
    dims: Sequence[str],
    attributes: Mapping[str, Any],
    shards: Sequence[int] | None = None,
    filters: Sequence[Any] = (),
    serializer: Any = "auto",  # noqa: ANN401 (a codec, or this word of zarr)
    compressors: Sequence[Any] = (),
    fill_value: FillValue = None,
) -> bytes:
    """Return the metadata of an array as zarr writes it.

    Without a `fill_value` it is one that pixels do not have, or 0 where all values are
    possible: nothing ever reads it, since every chunk is there.
    """
    if fill_value is None or isinstance(fill_value, tuple):
        fill_value = np.nan if dtype.kind == "f" else 0
    store: dict[str, Any] = {}
    create = partial(
        zarr.create_array,
        MemoryStore(store),
        shape=tuple(shape),
        dtype=dtype,
        chunks=tuple(chunks),
        shards=None if shards is None else tuple(shards),
        filters=tuple(filters),
        serializer=serializer,
        compressors=tuple(compressors),
        fill_value=fill_value,
        zarr_format=3,
        attributes=dict(attributes),
        dimension_names=tuple(dims),
    )
    apart(create)
    data: bytes = store[METADATA].to_bytes()
    return data


def group_metadata(arrays: Mapping[str, bytes]) -> bytes:
    """Write the metadata of a group, with that of its arrays so that one read tells all."""
    consolidated = {
        "kind": "inline",
        "must_understand": False,
        "metadata": {name: json.loads(data) for name, data in arrays.items()},
    }
    group = {
        "zarr_format": 3,
        "node_type": "group",
        "attributes": {},
        "consolidated_metadata": consolidated,
    }
    return json.dumps(group, allow_nan=False).encode()


def consolidated_metadata(group: bytes) -> dict[str, bytes] | None:
    """Return what a group says of its arrays; ``None`` where it says nothing.

    Raises
    ------
    ValueError
        If it is no group.
    """
    document = json.loads(group)
    if not isinstance(document, dict) or document.get("node_type") != "group":
        raise ValueError("Expected the metadata of a group")
    consolidated = document.get("consolidated_metadata")
    if consolidated is None:
        return None
    if not isinstance(consolidated, dict) or "metadata" not in consolidated:
        raise ValueError("Expected consolidated metadata")
    arrays = dict(consolidated["metadata"])
    return {
        name: json.dumps(one, allow_nan=False).encode() for name, one in arrays.items()
    }


def structure(metadata: bytes) -> bytes:
    """Return what a ``zarr.json`` says besides attributes, which may be added later on.

    Other writers space and order JSON in their own way.
    """
    try:
        document = json.loads(metadata)
    except ValueError:
        return metadata
    if not isinstance(document, dict):
        return metadata
    known = {name: document.get(name) for name in _STRUCTURE}
    return json.dumps(known, sort_keys=True).encode()


def grouped_frames(array: LazyArray) -> int:
    """Return how many frames share a chunk."""
    return frames_within(array, _CHUNK_BYTES)


def chunk_lengths(array: LazyArray, frames: int) -> tuple[int, ...]:
    """Return the length of a chunk of whole frames on each axis.

    Raises
    ------
    ValueError
        If `frames` is less than 1.
    """
    if frames < 1:
        message = f"Expected frames_per_chunk of 1 or more, found {frames}"
        raise ValueError(message)
    return array.chunk_frames(frames)


def view_objects(
    array: LazyArray, chunks: Sequence[int], name: str | None
) -> dict[str, bytes]:
    """Make all objects of a store but the chunks of pixels.

    Without a name that is the ``zarr.json`` of the array; with one, a group that holds the
    array and its coordinates.
    """
    attributes = technical_attributes(array.attrs)
    auxiliary = auxiliary_names(array)
    if name is not None and auxiliary:
        attributes["coordinates"] = auxiliary
    metadata = array_metadata(
        array.shape,
        array.dtype,
        chunks=chunks,
        dims=array.dims,
        attributes=attributes,
        fill_value=array.fill_value,
    )
    if name is None:
        return {METADATA: metadata}
    return group_objects(array, name, metadata)


def group_objects(
    array: LazyArray,
    name: str,
    metadata: bytes,
    more: Mapping[str, Coordinate] | None = None,
) -> dict[str, bytes]:
    """Make all objects of a group but the chunks of pixels.

    `metadata` is the ``zarr.json`` of the array, which stands there by its name, with the
    coordinates beside it, and those that the caller asks for.
    """
    arrays, values = {name: metadata}, {}
    for other, coordinate in {**numeric_coordinates(array), **(more or {})}.items():
        attributes = coordinate_attributes(array, other)
        stored = _stored(coordinate, attributes)
        arrays[other], values[_only_chunk(other, coordinate)] = stored
    named = {f"{one}/{METADATA}": data for one, data in arrays.items()}
    return {METADATA: group_metadata(arrays), **named, **values}


def technical_attributes(attrs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes that are in the tables, and that JSON has a word for."""
    names = (*TECHNICAL_ATTRIBUTES, *_GEOMETRY)
    named = {name: _json(attrs[name]) for name in names if name in attrs}
    return {name: value for name, value in named.items() if value is not None}


def check_name(array: LazyArray, name: str, more: Iterable[str] = ()) -> None:
    """Refuse what cannot name the array of a group.

    Raises
    ------
    ValueError
        If it is no plain name, that of a coordinate, or of what else stands in a store.
    """
    if not name.isprintable() or not name or set(name) & set("/\\:"):
        raise ValueError(f"Expected a plain name of an array, found {name!r}")
    if name == METADATA or name.startswith((".", "__", "lazydicom.")):
        raise ValueError(f"Expected another name: {name!r} means something in a store")
    if name in (*array.coords, *more):
        raise ValueError(f"Expected another name: {name!r} is a coordinate")


def numeric_coordinates(array: LazyArray) -> dict[str, Coordinate]:
    """Choose the coordinates that may leave: numbers, never UIDs.

    The words along an axis, such as M and P for magnitude and phase, become numbers.
    """
    numeric = {}
    for name, one in array.coords.items():
        if np.asarray(one.values).dtype.kind in "iuf":
            numeric[name] = one
        elif one.dims == (name,):
            numeric[name] = Coordinate(one.dims, np.arange(len(one)))
    return numeric


def coordinate_attributes(array: LazyArray, name: str) -> dict[str, Any]:
    """Return the unit, and the words that numbers stand for, as the CF conventions do."""
    coordinate = array.coords.get(name)
    if coordinate is None:
        return {}
    if coordinate.dims != (name,):
        return {"units": coordinate.units} if coordinate.units else {}
    if np.asarray(coordinate.values).dtype.kind == "U":
        words = [word.replace(" ", "_") for word in coordinate.values.tolist()]
        flags = list(range(len(words)))
        return {"flag_values": flags, "flag_meanings": " ".join(words)}
    return {"units": coordinate.units} if coordinate.units else {}


def auxiliary_names(array: LazyArray) -> str:
    """Name the coordinates that are no axes, as the CF conventions do."""
    coordinates = numeric_coordinates(array)
    return " ".join(name for name in coordinates if name not in array.dims)


def _stored(
    coordinate: Coordinate, attributes: Mapping[str, Any]
) -> tuple[bytes, bytes]:
    """Return the metadata of a coordinate and its only chunk."""
    values = np.asarray(coordinate.values)
    if values.dtype.kind == "U":
        return _stored_text(coordinate, attributes)
    metadata = array_metadata(
        values.shape,
        values.dtype,
        chunks=values.shape,
        dims=coordinate.dims,
        attributes=attributes,
    )
    return metadata, values.astype(values.dtype.newbyteorder("<")).tobytes()


def _stored_text(
    coordinate: Coordinate, attributes: Mapping[str, Any]
) -> tuple[bytes, bytes]:
    """Return metadata and chunk of strings of any length, as zarr writes them."""
    return apart(partial(_stored_by_zarr, coordinate, attributes))


def _stored_by_zarr(
    coordinate: Coordinate, attributes: Mapping[str, Any]
) -> tuple[bytes, bytes]:
    store: dict[str, Any] = {}
    array = zarr.create_array(
        MemoryStore(store),
        shape=coordinate.values.shape,
        chunks=coordinate.values.shape,
        dtype="string",
        compressors=(),
        fill_value="",
        zarr_format=3,
        attributes=dict(attributes),
        dimension_names=coordinate.dims,
        config={"write_empty_chunks": True},
    )
    array[...] = coordinate.values.astype(object)
    metadata: bytes = store.pop(METADATA).to_bytes()
    (chunk,) = store.values()
    return metadata, chunk.to_bytes()


def _only_chunk(name: str, coordinate: Coordinate) -> str:
    return "/".join((name, "c", *"0" * len(coordinate.dims)))


def _json(value: object) -> Any:  # noqa: ANN401 (JSON)
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, list | tuple):
        values = [_json(one) for one in value]
        return None if None in values else values
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, str | int | float) else None
