"""Whatever the bytes: an error of ours that says where, or the right pixels."""

from __future__ import annotations

import json
import random
import re
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pytest
import warm_process
from bad_files import BAD_FILES
from dicom_files import (
    DEFLATED,
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    element,
    make_native,
    sequence,
    stored_pixels,
)
from noting import noting
from odd_files import ODD_FILES

import lazydicom
from lazydicom.errors import LazyDicomError, LazyDicomWarning

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

BOMBS: Final = (
    "The deflated data set is a bomb",
    "NumberOfFrames is 1e9",
    "NumberOfFrames is more than 64 bits",
    "Rows and Columns are 65535 in a short file",
    "Sequences are nested 100,000 deep",
    "Pixel Data has length FFFFFFFE",
    "An element has length FFFFFFFE",
)
TAGGED: Final = re.compile(r"\([0-9A-F]{4},[0-9A-F]{4}\)")
NO_ELEMENT: Final = re.compile(
    "no DICOM file|Deflate stream|Expected (8|12) more bytes, the file ends"
)
"""Errors about bytes that belong to no element."""

SYNTAXES: Final = (EXPLICIT_LITTLE, EXPLICIT_BIG, IMPLICIT_LITTLE, DEFLATED)
GEOMETRY: Final[dict[str, Any]] = {"number_of_frames": 6, "rows": 11, "columns": 17}
SEED_PIXELS: Final = stored_pixels(**GEOMETRY)

OPEN_IN_LITTLE_MEMORY: Final = """
import json, resource, sys, time, warnings
import numpy as np

warnings.simplefilter("ignore")
lazydicom.open_image(sys.argv[1])  # imports, once
size = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (size + (160 << 20), -1))
start = time.perf_counter()
try:
    np.asarray(lazydicom.open_image(sys.argv[2]))
except lazydicom.errors.LazyDicomError as error:
    print(json.dumps([str(error), time.perf_counter() - start]))
"""


@contextmanager
def oddities_aside() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LazyDicomWarning)
        yield


def read_all(url: Any, **options: Any) -> NDArray[Any]:  # noqa: ANN401 - as open_image
    with oddities_aside():
        return np.asarray(lazydicom.open_image(url, **options))


def test_a_bad_file_ends_in_an_error_that_names_file_byte_and_tag(
    tmp_path: Path,
) -> None:
    path = tmp_path / "bad.dcm"
    for name, bad in BAD_FILES.items():
        path.write_bytes(bad.make())
        with noting(name=name):
            assert_error_names_file_byte_and_tag(path)


def assert_error_names_file_byte_and_tag(path: Path) -> None:
    with pytest.raises(LazyDicomError) as from_path:
        read_all(path)
    with pytest.raises(LazyDicomError) as from_bytes:
        read_all(path.read_bytes())

    text = str(from_path.value)
    assert str(path) in text
    assert re.search(r"at byte \d+$", text)
    assert TAGGED.search(text) or NO_ELEMENT.search(text)
    assert type(from_path.value) is type(from_bytes.value)
    assert text.replace(str(path), "<bytes>") == str(from_bytes.value)


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_in_little_memory(tmp_path: Path, name: str) -> None:
    good, bad = tmp_path / "good.dcm", tmp_path / "bad.dcm"
    good.write_bytes(make_native())
    bad.write_bytes(BAD_FILES[name].make())

    error, seconds = json.loads(warm_process.run(OPEN_IN_LITTLE_MEMORY, good, bad))

    assert str(bad) in error
    assert seconds < 60


@pytest.mark.parametrize("route", ["path", "bytes"])
def test_an_odd_file_gives_its_pixels_and_says_what_is_odd(
    tmp_path: Path, route: str
) -> None:
    path = tmp_path / "odd.dcm"
    for name, odd in ODD_FILES.items():
        path.write_bytes(odd.make())
        url = path if route == "path" else path.read_bytes()
        with noting(name=name):
            with warnings.catch_warnings(record=True) as said:
                warnings.simplefilter("always")
                array = lazydicom.open_image(url)

            assert array.dtype == odd.pixels.dtype
            assert np.array_equal(array, odd.pixels)
            assert len(said) == (odd.warning is not None)
            for warning in said:
                assert warning.category is LazyDicomWarning
                assert re.search(str(odd.warning), str(warning.message))
                assert "odd.dcm" in str(warning.message) or route == "bytes"


def make_seed(transfer_syntax: str) -> bytes:
    """Make a file of 3 kB that has a bit of everything."""
    form: Any = {
        "implicit": transfer_syntax == IMPLICIT_LITTLE,
        "big_endian": transfer_syntax == EXPLICIT_BIG,
    }
    inside = element(0x00100020, "LO", b"inside", **form)
    before = sequence(0x00291010, inside, inside, undefined=True, **form)
    before += sequence(0x00291011, sequence(0x00291012, inside, **form), **form)
    before += element(0x00291013, "UN", bytes(range(60)), **form)
    return make_native(
        SEED_PIXELS,
        transfer_syntax=transfer_syntax,
        extra_before=before,
        trailing=element(0xFFFCFFFC, "OB", bytes(20), **form),
    )


def cuts(length: int) -> list[int]:
    """Return where a file is cut: anywhere in header and tail, here and there between."""
    return [at for at in range(length) if at < 700 or at > length - 400 or at % 7 == 0]


@pytest.mark.parametrize("transfer_syntax", SYNTAXES)
def test_every_prefix_is_refused_or_whole(transfer_syntax: str) -> None:
    seed = make_seed(transfer_syntax)

    whole = 0
    for stop in cuts(len(seed)):
        try:
            pixels = read_all(seed[:stop])
        except LazyDicomError:
            continue
        assert np.array_equal(pixels, SEED_PIXELS)
        whole += 1

    assert len(seed) > 2500
    assert whole <= 36  # those that end behind the pixels


@pytest.mark.parametrize("transfer_syntax", SYNTAXES)
def test_every_prefix_has_its_complete_frames_where_the_caller_allows(
    transfer_syntax: str,
) -> None:
    seed = make_seed(transfer_syntax)

    counts = set()
    for stop in cuts(len(seed)):
        try:
            pixels = read_all(seed[:stop], allow_truncated=True)
        except LazyDicomError:
            continue
        assert np.array_equal(pixels, SEED_PIXELS[: len(pixels)])
        counts.add(len(pixels))

    cut_stream = transfer_syntax == DEFLATED  # does not inflate: all or nothing
    assert counts == ({6} if cut_stream else set(range(1, 7)))


@pytest.mark.parametrize("transfer_syntax", SYNTAXES)
def test_any_changed_byte_of_a_header_gives_an_error_of_ours_or_an_array(
    transfer_syntax: str,
) -> None:
    seed = make_seed(transfer_syntax)
    stop = len(seed) - SEED_PIXELS.nbytes if transfer_syntax != DEFLATED else len(seed)
    chance = random.Random(transfer_syntax)
    places = [(k, chance.randrange(1, 256)) for k in range(stop)]
    if transfer_syntax != DEFLATED:
        places += [(k, 1 << chance.randrange(8)) for k in range(stop)]

    for place, change in places:
        mutant = bytearray(seed)
        mutant[place] ^= change
        try:
            pixels = read_all(bytes(mutant))
        except LazyDicomError as error:
            assert "<bytes>" in str(error), (place, change)  # noqa: PT017
        else:
            assert pixels.ndim in {3, 4}


@pytest.mark.parametrize("transfer_syntax", SYNTAXES)
def test_any_run_of_random_bytes_in_a_header_gives_an_error_of_ours_or_an_array(
    transfer_syntax: str,
) -> None:
    seed = make_seed(transfer_syntax)
    chance = random.Random(transfer_syntax)

    for _ in range(500):
        mutant = bytearray(seed)
        place = chance.randrange(128, 900)
        mutant[place : place + 4] = chance.choice(
            (b"\xff" * 4, bytes(4), b"\xfe\xff\xff\xff", chance.randbytes(4))
        )
        try:
            read_all(bytes(mutant))
        except LazyDicomError as error:
            assert "<bytes>" in str(error), place  # noqa: PT017
