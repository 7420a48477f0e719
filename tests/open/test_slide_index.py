"""Slides opened again: by a saved index, from the cache, in another process."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from counting import CountingSource
from pydicom.encaps import encapsulate, encapsulate_extended, generate_frames
from range_server import RangeServer
from slide_files import as_bytes, make_slide

import lazydicom
from lazydicom._bytes.open import open_source

if TYPE_CHECKING:
    from pathlib import Path

    from slide_files import Slide

LAYOUTS: dict[str, dict[str, Any]] = {
    "native": {},
    "encapsulated": {"coding": "JPEG-LS"},
    "sparse": {"coding": "JPEG-LS", "sparse": True, "keep": 0.7, "shuffled": True},
    "parts": {"coding": "JPEG-LS", "cuts": (6, 13)},
    "paths and planes": {"samples": 1, "paths": 2, "planes": 2},
}
TILES = 320 * 320
BLOCK = 1 << 16
"""Bytes that are asked for where a header begins."""


@pytest.fixture(params=LAYOUTS)
def slide(request: pytest.FixtureRequest) -> Slide:
    return make_slide(matrix=(250, 270), tile=(64, 64), **LAYOUTS[request.param])


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def remember(way: str, files: Any, folder: Path) -> dict[str, Any]:  # noqa: ANN401
    """Save the index in one of two ways; return the options that use it."""
    if way == "cache":
        lazydicom.open_slide(files, cache=True)
        return {"cache": True}
    lazydicom.save_index(files, folder / "slide.index")
    return {"index": folder / "slide.index"}


@pytest.mark.parametrize("way", ["index", "cache"])
def test_a_second_opening_of_a_slide_reads_nothing_behind_its_headers(
    way: str, slide: Slide, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "slide").mkdir()
    for number, file in enumerate(slide.files):
        (tmp_path / "slide" / f"{number}.dcm").write_bytes(file)
    options = remember(way, tmp_path / "slide", tmp_path)
    opened: list[CountingSource] = []

    def open_counted(*arguments: Any, **options: Any) -> CountingSource:  # noqa: ANN401
        opened.append(CountingSource(open_source(*arguments, **options)))
        return opened[-1]

    monkeypatch.setattr("lazydicom._open.indexed.open_source", open_counted)
    (level,) = lazydicom.open_slide(tmp_path / "slide", fill_value=0, **options)

    assert len(opened) == len(slide.datasets)
    starts = [int(image.index.offsets[0]) for image in level.images]
    for source in opened:
        assert all(span.offset < max(starts) for span in source.spans)
        assert all(span.stop <= BLOCK for span in source.spans)
        source.spans.clear()
    assert np.array_equal(level, np.squeeze(slide.truth))
    assert sum(one.reads for one in opened) > 0


@pytest.mark.parametrize("way", ["index", "cache"])
def test_a_second_opening_of_a_slide_far_away_asks_for_its_headers_alone(
    way: str, slide: Slide, tmp_path: Path
) -> None:
    files = {f"{number}.dcm": file for number, file in enumerate(slide.files)}
    with RangeServer(files) as server:
        urls = [server.url(name) for name in files]
        options = remember(way, urls, tmp_path)
        server.forget()

        (level,) = lazydicom.open_slide(urls, fill_value=0, **options)

        asked = [(one.offset, one.length) for one in server.requests]
        assert asked.count((0, 1)) == len(files)
        starts = [int(image.index.offsets[0]) for image in level.images]
        assert max(offset for offset, _ in asked) < max(starts)
        assert max(offset + length for offset, length in asked) <= BLOCK
        assert np.array_equal(level, np.squeeze(slide.truth))


# --- what goes to another process ------------------------------------------------------


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a level of 102,400 tiles that are not to be decoded."""
    (dataset,) = make_slide(matrix=(8, 8), tile=(8, 8), coding="JPEG-LS").datasets
    dataset.TotalPixelMatrixRows = dataset.TotalPixelMatrixColumns = 8 * 320
    tile = b"\xff\xd8\xff\xf7"
    frames = [tile + bytes(2 * (number % 9) + 2) for number in range(TILES)]
    dataset.NumberOfFrames, dataset.PixelData = TILES, encapsulate(frames)
    path = tmp_path_factory.mktemp("large") / "a.dcm"
    path.write_bytes(as_bytes(dataset))
    return path


def test_a_level_of_100_000_tiles_pickles_to_3_mb(large: Path) -> None:
    (level,) = lazydicom.open_slide(large)

    pickled = pickle.dumps(level)

    assert level.images[0].format.pixel.rows == 8
    assert len(level.images[0]) == TILES
    assert len(pickled) <= 3_000_000
    again = pickle.loads(pickled)
    assert again.identity() == level.identity()


@pytest.mark.parametrize("frames_per_chunk", ["auto", 64])
def test_the_graph_of_a_level_of_100_000_tiles_is_at_most_3_mb(
    large: Path,
    frames_per_chunk: Any,  # noqa: ANN401
) -> None:
    (level,) = lazydicom.open_slide(large)

    values = lazydicom.to_dask(level, frames_per_chunk=frames_per_chunk)

    assert len(pickle.dumps(dict(values.dask))) <= 3_000_000


def test_a_sparse_level_does_not_take_its_header_along(tmp_path: Path) -> None:
    slide = make_slide(
        matrix=(160, 160), tile=(4, 4), sparse=True, shuffled=True, keep=0.9
    )
    (tmp_path / "a.dcm").write_bytes(slide.files[0])
    (level,) = lazydicom.open_slide(tmp_path / "a.dcm")

    assert len(pickle.dumps(level)) < 30 * 1600 + 20_000


# --- what is far away ------------------------------------------------------------------


@pytest.fixture(scope="module")
def far_slide() -> bytes:
    """Make a level of 20,000 tiles with an Extended Offset Table, longer than a block."""
    (dataset,) = make_slide(matrix=(8, 8), tile=(8, 8), coding="JPEG-LS").datasets
    dataset.TotalPixelMatrixRows, dataset.TotalPixelMatrixColumns = 8 * 100, 8 * 200
    tile = generate_frames(dataset.PixelData, number_of_frames=1)
    frames = 20_000 * list(tile)
    pixels, offsets, lengths = encapsulate_extended(frames)
    dataset.NumberOfFrames, dataset.PixelData = len(frames), pixels
    dataset.ExtendedOffsetTable = offsets
    dataset.ExtendedOffsetTableLengths = lengths
    return as_bytes(dataset)


def test_the_first_tile_of_a_far_slide_with_a_long_table_takes_three_requests(
    far_slide: bytes,
) -> None:
    with RangeServer({"a.dcm": far_slide}) as server:
        (level,) = lazydicom.open_slide(server.url("a.dcm"))
        first = level[:8, :8]

        assert len(server.requests) == 3
        assert np.array_equal(first, lazydicom.open_slide(far_slide)[0][:8, :8])

        server.forget()
        travelled = pickle.loads(pickle.dumps(level))

        assert len(server.requests) == 1  # where the last tile ends is in no table
        assert np.array_equal(travelled[-8:, -8:], first)


def test_a_saved_index_spares_a_long_table(far_slide: bytes, tmp_path: Path) -> None:
    with RangeServer({"a.dcm": far_slide}) as server:
        url = server.url("a.dcm")
        lazydicom.save_index(url, tmp_path / "slide.index")
        server.forget()

        (level,) = lazydicom.open_slide(url, index=tmp_path / "slide.index")

        assert server.bytes_sent < 2 * BLOCK
        assert level[:8, :8].shape == (8, 8, 3)


def test_a_far_region_asks_once_for_each_run_of_neighbours(far_slide: bytes) -> None:
    with RangeServer({"a.dcm": far_slide}) as server:
        (level,) = lazydicom.open_slide(server.url("a.dcm"))
        server.forget()

        level[100:164, 4:100]

        assert len(server.requests) == level.plan(np.s_[100:164, 4:100]).requests
        assert len(server.requests) <= 9


def test_functional_groups_of_a_far_sparse_slide_are_read_once(tmp_path: Path) -> None:
    slide = make_slide(
        matrix=(512, 512), tile=(16, 16), coding="JPEG-LS", sparse=True, shuffled=True
    )
    (file,) = slide.files
    with RangeServer({"a.dcm": file}) as server:
        url = server.url("a.dcm")
        lazydicom.save_index(url, tmp_path / "slide.index")
        for index in (None, tmp_path / "slide.index"):
            server.forget()
            (level,) = lazydicom.open_slide(url, index=index)

            starts = [one.offset for one in server.requests if one.length > 1]
            assert len(set(starts)) == len(starts)
            assert np.array_equal(level[:64, :64], np.squeeze(slide.truth)[:64, :64])
