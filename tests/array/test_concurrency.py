"""One array under many threads, and pickled to forked, spawned and served processes."""

from __future__ import annotations

import hashlib
import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

import imagecodecs
import numpy as np
import pytest
from dicom_files import make_encapsulated, make_native

import lazydicom

if TYPE_CHECKING:
    from pathlib import Path

ROUNDS: Final = 100
FRAMES: Final = 12
ENCODERS: Final[dict[str, tuple[str, Any]]] = {
    "JPEG-LS": ("1.2.840.10008.1.2.4.80", imagecodecs.jpegls_encode),
    "JPEG 2000": ("1.2.840.10008.1.2.4.90", imagecodecs.jpeg2k_encode),
    "JPEG Lossless": ("1.2.840.10008.1.2.4.57", imagecodecs.ljpeg_encode),
}


def pixels() -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.random.default_rng(3).integers(0, 256, (FRAMES, 24, 32), np.uint8)


@pytest.fixture(params=["native", "empty table", *ENCODERS])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Write a file of each kind."""
    path = tmp_path / "file.dcm"
    if request.param == "native":
        path.write_bytes(make_native(pixels(), bits_allocated=8))
        return path
    uid, encode = ENCODERS.get(request.param, ENCODERS["JPEG-LS"])
    codestreams = [bytes(encode(frame)) for frame in pixels()]
    path.write_bytes(
        make_encapsulated(
            codestreams,
            table="empty" if request.param == "empty table" else "basic",
            fragments_per_frame=2,
            rows=24,
            columns=32,
            bits_allocated=8,
            transfer_syntax=uid,
        )
    )
    return path


def digest_of_random_frames(pickled: bytes, seed: int) -> list[tuple[int, str]]:
    """Read random frames of a pickled array."""
    array = pickle.loads(pickled)
    numbers = np.random.default_rng(seed).integers(0, FRAMES, 8).tolist()
    return [(n, hashlib.sha256(array[n].tobytes()).hexdigest()) for n in numbers]


def test_sixteen_threads_read_what_one_reads(path: Path) -> None:
    array = lazydicom.open_image(path)
    expected = [array[number].tobytes() for number in range(FRAMES)]
    numbers = np.random.default_rng(0).integers(0, FRAMES, 16 * ROUNDS).tolist()

    with ThreadPoolExecutor(16) as pool:
        read = list(pool.map(lambda number: array[number].tobytes(), numbers))

    assert expected == [frame.tobytes() for frame in pixels()]
    assert all(got == expected[n] for n, got in zip(numbers, read, strict=True))


@pytest.mark.parametrize(
    ("path", "method"),
    [
        ("native", "fork"),
        ("JPEG 2000", "fork"),
        ("empty table", "spawn"),
        ("empty table", "forkserver"),
    ],
    indirect=["path"],
)
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_processes_read_a_pickled_array_that_was_in_use(
    path: Path, method: str
) -> None:
    array = lazydicom.open_image(path)
    np.asarray(array)  # its threads run when the process forks
    expected = {
        n: hashlib.sha256(array[n].tobytes()).hexdigest() for n in range(FRAMES)
    }
    context = multiprocessing.get_context(method)
    count = 2 if method == "spawn" else 4  # a fresh interpreter takes half a second

    with ProcessPoolExecutor(count, mp_context=context) as pool:
        payloads = [pickle.dumps(array)] * ROUNDS
        read = list(pool.map(digest_of_random_frames, payloads, range(ROUNDS)))

    assert all(expected[number] == digest for one in read for number, digest in one)
