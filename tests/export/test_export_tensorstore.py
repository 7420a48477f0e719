"""TensorStore, which shares no code with zarr, reads the stores that we write."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tensorstore
from dicom_files import make_native
from servers import nginx

import lazydicom

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ARRAYS: dict[str, Any] = {
    "gray": {"number_of_frames": 7, "rows": 6, "columns": 5},
    "bits": {"number_of_frames": 9, "rows": 3, "columns": 5, "bits_allocated": 1},
    "float": {"keyword": "FloatPixelData", "bits_allocated": 32, "number_of_frames": 5},
}
OPTIONS: list[dict[str, Any]] = [
    {"chunks": 2},
    {"chunks": 1, "shards": 4},
    {"chunks": (2, 2, 3), "shards": (4, 4, 3), "compressors": "none"},
    {"chunks": 2, "shards": 4, "compressors": "gzip"},
    {"chunks": 2, "compressors": "blosc"},
]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    folder = tmp_path_factory.mktemp("nginx")
    with nginx(folder) as place:
        yield folder / "files", place.url


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("name", ARRAYS)
def test_tensorstore_reads_the_same_pixels(
    name: str, options: dict[str, Any], tmp_path: Path
) -> None:
    array = lazydicom.open_image(make_native(**ARRAYS[name]))

    lazydicom.to_zarr(array, tmp_path / "x", **options)

    kvstore = {"driver": "file", "path": str(tmp_path / "x")}
    copy = tensorstore.open({"driver": "zarr3", "kvstore": kvstore}).result()
    np.testing.assert_array_equal(copy.read().result(), np.asarray(array))
    assert copy.domain.labels == array.dims


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_tensorstore_reads_the_same_pixels_from_a_web_server(
    options: dict[str, Any], served: tuple[Path, str]
) -> None:
    folder, url = served
    array = lazydicom.open_image(make_native(**ARRAYS["gray"]))
    name = f"{OPTIONS.index(options)}.zarr"

    lazydicom.to_zarr(array, folder / name, **options)

    kvstore = {"driver": "http", "base_url": f"{url}/{name}/"}
    copy = tensorstore.open({"driver": "zarr3", "kvstore": kvstore}).result()
    np.testing.assert_array_equal(copy.read().result(), np.asarray(array))
