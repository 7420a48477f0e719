"""Levels are written in one pass: frames are decoded once, and the bytes are the same."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import imagecodecs
import numpy as np
import pytest
from dicom_files import make_native
from encapsulated_files import make_encapsulated
from tiled_arrays import JPEG_LS, tiled_array

import lazydicom
from lazydicom._decode.frame import decode_frame
from lazydicom._export import ome_zarr as ome_module
from lazydicom._export.levels import bricks as bricks_module
from lazydicom._export.levels.bricks import plan_bricks
from lazydicom._export.ome_plan import default_chunks, plan_pyramid
from lazydicom._export.store.layout import plan_layout

if TYPE_CHECKING:
    from pathlib import Path

    from lazydicom import DicomArray

CHUNKS: dict[str, tuple[int, ...] | None] = {
    "default": None,
    "planes": (1, -1, -1),
    "odd": (3, 7, 10),
    "cut planes": (2, 16, 16),
    "whole": (-1, -1, -1),
}


def frames(shape: tuple[int, int, int] = (21, 40, 50)) -> DicomArray:
    """Open JPEG-LS frames in a stack."""
    pixels = np.random.default_rng(1).integers(0, 4000, shape).astype(np.uint16)
    encoded = [bytes(imagecodecs.jpegls_encode(plane)) for plane in pixels]
    file = make_encapsulated(
        encoded, rows=shape[1], columns=shape[2], transfer_syntax=JPEG_LS
    )
    return lazydicom.open_image(file)


def tiles() -> DicomArray:
    """Open JPEG-LS tiles of one plane in colour."""
    array, _ = tiled_array(plane=(150, 170), tile=(16, 20), samples=3, coding="JPEG-LS")
    return array


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> Counter[int]:
    """Count how often each frame is decoded."""
    counts: Counter[int] = Counter()

    def decode(data: Any, frame: int, *more: Any) -> Any:  # noqa: ANN401
        counts[frame] += 1
        return decode_frame(data, frame, *more)

    monkeypatch.setattr("lazydicom._array.image.codecs.decode_frame", decode)
    return counts


def content(store: Path) -> dict[str, bytes]:
    files = (path for path in store.rglob("*") if path.is_file())
    return {str(path.relative_to(store)): path.read_bytes() for path in files}


def level_by_level(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each level be read from the copy of the one before it."""
    monkeypatch.setattr(ome_module, "plan_bricks", lambda *_: None)


@pytest.mark.parametrize("levels", [2, 5])
@pytest.mark.parametrize("chunks", CHUNKS.values(), ids=CHUNKS)
def test_each_frame_is_decoded_once_for_all_levels(
    chunks: tuple[int, ...] | None,
    levels: int,
    decoded: Counter[int],
    tmp_path: Path,
) -> None:
    lazydicom.to_ome_zarr(frames(), tmp_path / "out", chunks=chunks, levels=levels)

    assert decoded == dict.fromkeys(range(21), 1)


@pytest.mark.parametrize("chunks", [None, (3, 32, 40), (1, 48, 60)])
def test_each_tile_of_a_slide_is_decoded_once_for_all_levels(
    chunks: tuple[int, ...] | None, decoded: Counter[int], tmp_path: Path
) -> None:
    array = tiles()

    lazydicom.to_ome_zarr(array, tmp_path / "out", chunks=chunks, levels=5)

    if chunks is None or chunks[0] == 3:
        assert decoded == dict.fromkeys(range(len(array.images[0])), 1)
    assert lazydicom.verify(tmp_path / "out", array).ok


@pytest.mark.parametrize("method", ["mean", "nearest"])
@pytest.mark.parametrize("chunks", CHUNKS.values(), ids=CHUNKS)
def test_the_bytes_are_those_of_level_after_level(
    chunks: tuple[int, ...] | None,
    method: Any,  # noqa: ANN401
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    pixels = np.random.default_rng(2).integers(-900, 900, (23, 45, 38)).astype(np.int16)
    array = lazydicom.open_image(make_native(pixels, pixel_representation=1))
    options: dict[str, Any] = {"chunks": chunks, "method": method, "levels": 4}
    lazydicom.to_ome_zarr(array, tmp_path / "one pass", **options)
    monkeypatch.setattr(bricks_module, "_IN_MEMORY_NBYTES", 5000)
    lazydicom.to_ome_zarr(array, tmp_path / "little memory", **options)

    level_by_level(monkeypatch)
    lazydicom.to_ome_zarr(array, tmp_path / "one by one", **options)

    expected = content(tmp_path / "one by one")
    assert content(tmp_path / "one pass") == expected
    assert content(tmp_path / "little memory") == expected


@pytest.mark.parametrize("chunks", [(3, 32, 40), (1, 48, 20), (2, 30, 33)])
def test_the_bytes_of_tiles_are_those_of_level_after_level(
    chunks: tuple[int, ...], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    array = tiles()
    lazydicom.to_ome_zarr(array, tmp_path / "one pass", chunks=chunks, levels=4)

    level_by_level(monkeypatch)
    lazydicom.to_ome_zarr(array, tmp_path / "one by one", chunks=chunks, levels=4)

    assert content(tmp_path / "one pass") == content(tmp_path / "one by one")


class Interrupted(Exception):  # noqa: N818 (what somebody does, no error)
    """Somebody stops the export."""


def stop_at(call: int) -> Any:  # noqa: ANN401
    left = [call]

    def progress(*_: int) -> None:
        left[0] -= 1
        if not left[0]:
            raise Interrupted

    return progress


@pytest.mark.parametrize("call", [1, 7, 40, 99, 160])
def test_what_is_written_is_not_decoded_again(
    call: int, decoded: Counter[int], tmp_path: Path
) -> None:
    array, options = frames((40, 40, 50)), {"chunks": (1, -1, -1), "levels": 4}
    lazydicom.to_ome_zarr(array, tmp_path / "whole", **options)  # type: ignore[arg-type]
    decoded.clear()

    with pytest.raises(Interrupted):
        lazydicom.to_ome_zarr(
            array,
            tmp_path / "out",
            workers=1,
            progress=stop_at(call),
            **options,  # type: ignore[arg-type]
        )
    noted = sum(
        part.read_bytes().count(b"\n") - 1
        for part in (tmp_path / "out.partial" / "0.partial").glob("*.journal/*")
    )
    before = decoded.total()
    lazydicom.to_ome_zarr(array, tmp_path / "out", resume=True, **options)  # type: ignore[arg-type]

    assert decoded.total() - before <= 40 - noted
    assert noted >= call // 4 - 1  # each brick is noted on four levels
    assert content(tmp_path / "out") == content(tmp_path / "whole")


def test_a_level_that_is_damaged_meanwhile_is_made_again(tmp_path: Path) -> None:
    array, options = frames(), {"chunks": (1, -1, -1), "levels": 3}
    lazydicom.to_ome_zarr(array, tmp_path / "whole", **options)  # type: ignore[arg-type]

    for number in range(3):
        out = tmp_path / f"out{number}"
        with pytest.raises(Interrupted):
            lazydicom.to_ome_zarr(array, out, progress=stop_at(50), **options)  # type: ignore[arg-type]
        place = tmp_path / f"out{number}.partial" / f"{number}.partial" / "c"
        for chunk in sorted(path for path in place.rglob("*") if path.is_file())[:1]:
            chunk.write_bytes(bytes(len(chunk.read_bytes())))
        lazydicom.to_ome_zarr(array, out, resume=True, **options)  # type: ignore[arg-type]

        assert content(out) == content(tmp_path / "whole")


@pytest.mark.parametrize(
    "plane", [(100, 90), (1000, 3000), (20_000, 30_000), (150_000, 90_001)]
)
def test_bricks_take_bounded_memory(plane: tuple[int, int]) -> None:
    small, _ = tiled_array(plane=(20, 20), tile=(16, 20), samples=3)
    pyramid = plan_pyramid([small], None, None)
    level = pyramid.source_level(0)
    levels = [level]
    object.__setattr__(level, "shape", (3, *plane))
    while max(levels[-1].shape[1:]) > 256:
        coarser = type(level)(small, levels[-1], level.dims, (1, 2, 2), "mean")
        levels.append(coarser)
    layouts = [
        plan_layout(
            one,
            chunks=default_chunks(one),
            shards=None,
            compressors=(),
            attributes={},
        )
        for one in levels
    ]

    bricks = plan_bricks(levels, layouts, workers=2)

    if bricks is None:
        assert len(levels) == 1
        return
    assert bricks.nbytes + bricks.slab_nbytes <= 64 << 20
    assert bricks.nbytes_behind <= 64 << 20
    assert bricks.number * 2 >= len(list(bricks.regions()))
