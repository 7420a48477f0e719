"""References as kerchunk has them: Zarr v2 metadata, and a byte range per chunk.

JSON is version 1 of the reference specification of fsspec; Parquet is the layout that its
`LazyReferenceMapper` reads. Both are of Zarr v2: readers fail on references of v3.
"""

import base64
import io
import itertools
import json
import math
from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lazydicom._array.array import DicomArray
from lazydicom._views.references.plan import ChunkReferences
from lazydicom._views.references.urls import source_facts
from lazydicom._views.zarr_metadata import (
    auxiliary_names,
    coordinate_attributes,
    numeric_coordinates,
    technical_attributes,
)
from lazydicom.errors import UnsupportedError

RECORD_SIZE: Final = 100_000
"""References per Parquet file: 100,000 take 0.1 MB and 10 ms."""
_DIMENSIONS: Final = "_ARRAY_DIMENSIONS"


def group_documents(
    array: DicomArray, plan: ChunkReferences, name: str
) -> dict[str, Any]:
    """Write the metadata of the group, of the array and of its coordinates."""
    sources = [source_facts(image) for image in array.images]
    attributes = {**technical_attributes(array.attrs), _DIMENSIONS: list(array.dims)}
    auxiliary = auxiliary_names(array)
    if auxiliary:
        attributes["coordinates"] = auxiliary
    documents: dict[str, Any] = {
        ".zgroup": {"zarr_format": 2},
        ".zattrs": {"lazydicom_sources": sources},
        f"{name}/.zarray": _array_document(
            plan.shape, plan.chunks, plan.dtype, plan.codec, plan.fill_value
        ),
        f"{name}/.zattrs": attributes,
    }
    for other, coordinate in numeric_coordinates(array).items():
        values = _little(coordinate.values)
        documents[f"{other}/.zarray"] = _array_document(
            values.shape, values.shape, values.dtype, None, None
        )
        documents[f"{other}/.zattrs"] = {
            **coordinate_attributes(array, other),
            _DIMENSIONS: list(coordinate.dims),
        }
    return documents


def encode_json(array: DicomArray, plan: ChunkReferences, name: str) -> bytes:
    """Write everything as one JSON document."""
    documents = group_documents(array, plan, name)
    consolidated = {"zarr_consolidated_format": 1, "metadata": documents}
    documents = {**documents, ".zmetadata": consolidated}
    lines = [
        f"{json.dumps(key)}:{json.dumps(json.dumps(document, allow_nan=False))}"
        for key, document in documents.items()
    ]
    for other, values in _inline_chunks(array):
        data = base64.b64encode(values).decode()
        lines.append(f'{json.dumps(other)}:"base64:{data}"')
    lines += _chunk_lines(plan, name)
    return ('{"version":1,"refs":{' + ",\n".join(lines) + "}}").encode()


def encode_parquet(
    array: DicomArray, plan: ChunkReferences, name: str
) -> Iterator[tuple[str, bytes]]:
    """Return the files of a Parquet store; the last one makes it complete.

    Raises
    ------
    UnsupportedError
        If chunks are missing: fsspec takes no absent reference from Parquet.
    """
    if (plan.files < 0).any():
        message = "Parquet references have no holes; JSON ones do"
        raise UnsupportedError(message, url=array.images[0].url)
    for record in range(math.ceil(len(plan.files) / RECORD_SIZE)):
        part = slice(record * RECORD_SIZE, (record + 1) * RECORD_SIZE)
        yield f"{name}/refs.{record}.parq", _chunk_table(plan, part)
    for key, values in _inline_chunks(array):
        yield f"{key.rpartition('/')[0]}/refs.0.parq", _inline_table(values)
    document = {
        "metadata": group_documents(array, plan, name),
        "record_size": RECORD_SIZE,
        "zarr_consolidated_format": 1,
    }
    yield ".zmetadata", json.dumps(document, allow_nan=False).encode()


def _array_document(
    shape: tuple[int, ...],
    chunks: tuple[int, ...],
    dtype: np.dtype[Any],
    codec: Mapping[str, Any] | None,
    fill_value: float | None,
) -> dict[str, Any]:
    """Write ``.zarray``; without a fill value xarray masks nothing."""
    if fill_value is not None:
        fill_value = dtype.type(fill_value).item()  # JSON takes no number of numpy
    if fill_value is not None and not math.isfinite(fill_value):
        fill_value = str(fill_value).replace("nan", "NaN").replace("inf", "Infinity")  # type: ignore[assignment]
    return {
        "zarr_format": 2,
        "shape": shape,
        "chunks": chunks,
        "dtype": dtype.str,
        "order": "C",
        "compressor": codec,
        "filters": None,
        "fill_value": fill_value,
        "dimension_separator": ".",
    }


def _chunk_lines(plan: ChunkReferences, name: str) -> Iterator[str]:
    urls = [json.dumps(url) for url in plan.urls]
    prefix = json.dumps(f"{name}/")[:-1]
    places = itertools.product(*(map(str, range(count)) for count in plan.counts))
    columns = (plan.files.tolist(), plan.offsets.tolist(), plan.lengths.tolist())
    for place, file, offset, length in zip(places, *columns, strict=True):
        if file >= 0:
            yield f'{prefix}{".".join(place)}":[{urls[file]},{offset},{length}]'


def _inline_chunks(array: DicomArray) -> Iterator[tuple[str, bytes]]:
    """Return coordinates: they are in no file as they are."""
    for name, coordinate in numeric_coordinates(array).items():
        values = _little(coordinate.values)
        yield f"{name}/{'.'.join('0' * values.ndim)}", values.tobytes()


def _chunk_table(plan: ChunkReferences, part: slice) -> bytes:
    pa = _pyarrow()
    names = pa.array(plan.urls, pa.string())
    files = pa.array(plan.files[part].astype(np.int32))
    columns = {
        "path": pa.DictionaryArray.from_arrays(files, names),
        "offset": pa.array(plan.offsets[part]),
        "size": pa.array(plan.lengths[part]),
    }
    return _encode_table(pa.table(columns))


def _inline_table(values: bytes) -> bytes:
    pa = _pyarrow()
    columns = {
        "path": pa.array([None], pa.string()),
        "offset": pa.array([0], pa.int64()),
        "size": pa.array([0], pa.int64()),
        "raw": pa.array([values], pa.binary()),
    }
    return _encode_table(pa.table(columns))


def _encode_table(table: Any) -> bytes:  # noqa: ANN401 (pyarrow has no types)
    from pyarrow import parquet

    file = io.BytesIO()
    parquet.write_table(table, file, compression="zstd")
    return file.getvalue()


def _pyarrow() -> Any:  # noqa: ANN401 (a module)
    try:
        import pyarrow as pa
    except ImportError as error:
        message = "Parquet needs pyarrow: pip install lazydicom[references]"
        raise ImportError(message) from error
    return pa


def _little(values: NDArray[Any]) -> NDArray[Any]:
    values = np.asarray(values)
    return values.astype(values.dtype.newbyteorder("<"), copy=False)
