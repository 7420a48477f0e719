"""All openers take the same options, and no other keyword."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import xarray as xr
from pydicom.data import get_testdata_file

import lazydicom
from lazydicom._open.instance import OPTION_NAMES, OpenKeywords, open_options

CT = str(get_testdata_file("CT_small.dcm", download=False))
RT_DOSE = str(get_testdata_file("rtdose.dcm", download=False))
ENGINE: Any = "lazydicom"


def _open_dataset(path: str, **options: object) -> object:
    return xr.open_dataset(path, engine=ENGINE, **cast("Any", options))


def _open_datatree(path: str, **options: object) -> object:
    return xr.open_datatree(path, engine=ENGINE, **cast("Any", options))


OPENERS: list[Callable[..., Any]] = [
    lazydicom.open_image,
    lazydicom.open_series,
    lazydicom.open_study,
    _open_dataset,
    _open_datatree,
]
OF_SERIES = OPENERS[1:3]


@pytest.mark.parametrize(
    "opener", [*OPENERS, lazydicom.open_slide, lazydicom.open_segmentation]
)
@pytest.mark.parametrize(
    "slip",
    ["isolatoin", "serie", "ongap", "on_gaps", "colour", "bogus", "Color", "colors"],
)
def test_no_opener_takes_an_unknown_keyword(
    opener: Callable[..., Any], slip: str
) -> None:
    with pytest.raises(TypeError, match=slip):
        opener(CT, **{slip: "process"})


@pytest.mark.parametrize("opener", OF_SERIES)
@pytest.mark.parametrize(
    ("slip", "meant"),
    [("isolatoin", "isolation"), ("colour", "color"), ("on_gaps", "on_gap")],
)
def test_a_slip_is_told_what_was_meant(
    opener: Callable[..., Any], slip: str, meant: str
) -> None:
    with pytest.raises(
        TypeError, match=rf"{opener.__name__}.*'{slip}'; is it '{meant}'"
    ):
        opener(CT, **{slip: "x"})


@pytest.mark.parametrize("opener", OPENERS)
@pytest.mark.parametrize(
    "option", ["color", "decoder", "isolation", "local", "on_extra_frames"]
)
def test_every_opener_checks_the_choices(
    opener: Callable[..., Any], option: str
) -> None:
    with pytest.raises(ValueError, match=f"{option} must be"):
        opener(CT, **{option: "nonsense"})


@pytest.mark.parametrize("opener", OPENERS)
def test_every_opener_limits_frames(opener: Callable[..., Any]) -> None:
    with pytest.raises(lazydicom.errors.LimitError):
        opener(CT, max_frame_bytes=1000)


def test_a_series_takes_truncated_files_where_asked(tmp_path: Path) -> None:
    whole = Path(RT_DOSE).read_bytes()
    path = tmp_path / "cut.dcm"
    path.write_bytes(whole[:-500])

    with pytest.raises(lazydicom.errors.InvalidDicomError):
        lazydicom.open_series(path)
    with pytest.warns(lazydicom.errors.LazyDicomWarning):
        array = lazydicom.open_image(path, allow_truncated=True)
    assert array.shape[0] < 15
    with pytest.warns(lazydicom.errors.LazyDicomWarning):
        assert len(lazydicom.open_study(path, allow_truncated=True)) == 1


def test_a_series_opens_by_its_saved_index(tmp_path: Path) -> None:
    lazydicom.save_index(CT, tmp_path / "a.index")

    array = lazydicom.open_series(CT, index=tmp_path / "a.index")

    assert np.array_equal(array[0], lazydicom.open_image(CT)[0])


def test_a_series_keeps_frames_where_asked() -> None:
    array = lazydicom.open_series(CT, frame_cache_bytes=1 << 20)

    array[0]

    assert array.images[0].cache is not None


def test_keywords_and_options_are_the_same() -> None:
    assert set(OpenKeywords.__annotations__) == set(OPTION_NAMES)


def test_options_are_frozen() -> None:
    options = open_options("open_image", {})

    with pytest.raises(AttributeError):
        options.color = "stored"  # type: ignore[misc]


@pytest.mark.parametrize("name", ["frame_cache_bytes", "max_frame_bytes"])
def test_a_number_of_bytes_is_a_number(name: str) -> None:
    with pytest.raises(TypeError, match=name):
        open_options("open_image", {name: "many"})
