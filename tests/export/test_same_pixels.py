"""The same pixels by every route, over files of every transfer syntax."""

from __future__ import annotations

import warnings
from collections import defaultdict
from itertools import islice
from typing import TYPE_CHECKING

import pytest
from codec_files import codec_file
from codec_frames import CASES, KINDS, RLE_LOSSLESS, SYNTAXES
from kinds_of_files import FILES
from real_files import files_of, real_file, transfer_syntax_of
from routes import COPIES_AND_VIEWS, REFERENCES, fingerprint

import lazydicom
from lazydicom._header.transfer_syntax import TRANSFER_SYNTAXES
from lazydicom.errors import LazyDicomError, LazyDicomWarning, UnsupportedError

if TYPE_CHECKING:
    from pathlib import Path

    from _pytest.mark import ParameterSet

    from lazydicom import DicomArray

_LARGEST = 1 << 21
FEW = {f"{syntax.uid} {kind}" for syntax in SYNTAXES for kind in syntax.kinds[:1]} | {
    f"{RLE_LOSSLESS} {kind}" for kind in KINDS
}
"""Each syntax and each kind of pixel; `heavy` tries each syntax with each kind."""
MADE = [
    pytest.param(case, marks=[] if case in FEW else pytest.mark.heavy) for case in CASES
]


def sample() -> list[ParameterSet]:
    """Take the two smallest real files of each syntax that is decoded.

    One is `heavy`, and both where a made file of that syntax goes the same ways.
    """
    made = {syntax.uid for syntax in SYNTAXES}
    found = files_of(*TRANSFER_SYNTAXES)
    small = {n: path for n, path in found.items() if path.stat().st_size < _LARGEST}
    by_syntax = defaultdict(list)
    for name in sorted(small, key=lambda name: small[name].stat().st_size):
        by_syntax[transfer_syntax_of(name)].append(name)
    return [
        pytest.param(name, marks=[pytest.mark.heavy] * (number or uid in made))
        for uid, names in by_syntax.items()
        for number, name in enumerate(
            islice((one for one in names if opens(small[one])), 2)
        )
    ]


def opens(path: Path) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", LazyDicomWarning)
            open_quietly(path)[0]
    except LazyDicomError:
        return False
    return True


def open_quietly(path: Path) -> DicomArray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LazyDicomWarning)
        return lazydicom.open_image(path)


@pytest.fixture(params=[*FILES, *MADE, *sample()])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    if request.param not in FILES and request.param not in CASES:
        return real_file(request.param)
    made = FILES.get(request.param) or codec_file(request.param)
    path = tmp_path / "made.dcm"
    path.write_bytes(made)
    return path


@pytest.mark.filterwarnings("ignore::lazydicom.errors.LazyDicomWarning")
def test_every_route_gives_the_same_pixels(path: Path, tmp_path: Path) -> None:
    array = open_quietly(path)
    routes = COPIES_AND_VIEWS
    if not array.images[0].format.transfer_syntax.deflated:
        routes = {**routes, **REFERENCES}

    found = {
        name: fingerprint(route(array, tmp_path)) for name, route in routes.items()
    }

    assert set(found.values()) == {found["numpy"]}, found


def test_a_deflated_file_is_refused_with_what_to_do_instead(tmp_path: Path) -> None:
    path = tmp_path / "deflated.dcm"
    path.write_bytes(FILES["deflated"])

    for name, route in REFERENCES.items():
        with pytest.raises(UnsupportedError, match="to_zarr copies it"):
            route(lazydicom.open_image(path), tmp_path)
        assert name
