"""A decoder that dies or hangs in its own process is an error in ours."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from codec_frames import CASES_OF, KINDS, decode, encode_rle, make_frame
from encapsulated_files import make_encapsulated
from evil_worker import ANSWERS
from noting import noting
from pydicom.data import get_testdata_file
from ratios import run_child

import lazydicom
from lazydicom._decode import isolation
from lazydicom.errors import DecodeError, LimitError

if TYPE_CHECKING:
    from codec_frames import Frame
    from numpy.typing import NDArray

CASE = "1.2.840.10008.1.2.4.90 12 in 16 bits"


def isolated(case: str = CASE) -> Frame:
    frame = make_frame(case)
    return replace(frame, format=replace(frame.format, isolation="process"))


def worker() -> isolation.Worker:
    """Give the worker of this thread, which has decoded something."""
    found: isolation.Worker = isolation._workers.worker
    return found


@pytest.mark.parametrize("uid", CASES_OF)
def test_a_worker_gives_the_same_pixels(uid: str) -> None:
    for case in CASES_OF[uid]:
        frame = make_frame(case)

        with noting(case=case):
            values = decode(frame.data, isolated(case).format)

            assert np.array_equal(values, decode(frame.data, frame.format))


def test_one_worker_serves_all_frames_of_a_thread() -> None:
    frame = isolated()
    decode(frame.data, frame.format)
    first = worker()

    decode(frame.data, frame.format)

    assert worker() is first


def test_an_error_in_the_worker_is_the_same_error_here() -> None:
    frame = isolated()

    with pytest.raises(DecodeError, match=r"tile-part at byte \d+ .* frame 0"):
        decode(frame.data[:-20], frame.format)
    with pytest.raises(LimitError, match="max_frame_bytes"):
        decode(frame.data, replace(frame.format, max_frame_bytes=10))


def test_a_worker_that_dies_is_an_error_and_is_replaced() -> None:
    frame = isolated()
    decode(frame.data, frame.format)
    first = worker()
    os.kill(first.worker_id, signal.SIGSEGV)

    with pytest.raises(DecodeError, match="died of SIGSEGV"):
        decode(frame.data, frame.format)

    assert np.array_equal(decode(frame.data, frame.format), frame.values)
    assert worker() is not first


def test_a_worker_that_hangs_is_an_error_and_is_killed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(isolation, "TIMEOUT_S", 0.2)
    frame = isolated()
    decode(frame.data, frame.format)
    first = worker()
    os.kill(first.worker_id, signal.SIGSTOP)

    with pytest.raises(DecodeError, match=r"takes more than 0\.2 s"):
        decode(frame.data, frame.format)

    assert not Path(f"/proc/{first.worker_id}").exists()


def test_an_interrupted_frame_does_not_answer_for_the_next_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    frame = isolated()
    decode(frame.data, frame.format)
    first = worker()

    class Interrupted:
        send_bytes = staticmethod(first._pipe.send_bytes)

        def poll(self, timeout: float) -> bool:
            del timeout
            raise KeyboardInterrupt

    monkeypatch.setattr(first, "_pipe", Interrupted())
    with pytest.raises(KeyboardInterrupt):
        decode(frame.data, frame.format)

    assert first.dead
    assert np.array_equal(decode(frame.data, frame.format), frame.values)


def test_each_thread_has_a_worker_that_ends_with_it() -> None:
    frame = isolated()
    decode(frame.data, frame.format)
    others: list[int] = []

    def run() -> None:
        decode(frame.data, frame.format)
        others.append(worker().worker_id)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()

    assert others[0] != worker().worker_id
    _wait_until_gone(others[0])


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_starts_a_worker_of_its_own() -> None:
    frame = isolated()
    decode(frame.data, frame.format)
    context = multiprocessing.get_context("fork")
    with context.Pool(1) as pool:
        values, theirs = pool.apply(_decode_here)

    assert np.array_equal(values, frame.values)
    assert theirs != worker().worker_id
    assert np.array_equal(decode(frame.data, frame.format), frame.values)


def _decode_here() -> tuple[NDArray[Any], int]:
    frame = isolated()
    return decode(frame.data, frame.format), worker().worker_id


def test_workers_may_not_take_all_memory() -> None:
    frame = isolated()
    decode(frame.data, frame.format)

    limits = Path(f"/proc/{worker().worker_id}/limits").read_text()

    assert f"Max address space         {4 << 30}" in limits


def test_a_worker_keeps_to_less_memory_where_less_is_allowed() -> None:
    run_child(
        "import resource\n"
        "resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))\n"
        "import numpy, sys, lazydicom\n"
        "array = lazydicom.open_image(sys.argv[1], isolation='process')\n"
        "assert numpy.asarray(array).any()\n",
        str(get_testdata_file("MR_small_jp2klossless.dcm", download=False)),
    )


def test_nothing_is_left_when_a_process_ends(tmp_path: Path) -> None:
    code = (
        "import lazydicom, numpy, sys\n"
        "from lazydicom._decode import isolation\n"
        "array = lazydicom.open_image(sys.argv[1], isolation='process')\n"
        "numpy.asarray(array)\n"  # without any guard of the main module
        "array.images[0].frame(0)\n"
        "worker = isolation._workers.worker\n"
        "print(worker.worker_id)\n"
    )
    path = get_testdata_file("MR_small_jp2klossless.dcm", download=False)
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)],
        check=True,
        capture_output=True,
        text=True,
    )

    assert done.stderr == ""
    _wait_until_gone(int(done.stdout))


def test_ctrl_c_leaves_a_worker_that_waits_alone() -> None:
    frame = isolated()
    decode(frame.data, frame.format)
    first = worker()
    os.kill(first.worker_id, signal.SIGINT)  # a terminal sends it to all

    assert np.array_equal(decode(frame.data, frame.format), frame.values)
    assert worker() is first


def test_memory_grows_with_the_frame() -> None:
    small, large = isolated(), np.zeros((700, 900), np.uint8)
    decode(small.data, small.format)
    data = encode_rle(large, KINDS["8 bits"])
    pixel = replace(
        make_frame("1.2.840.10008.1.2.5 8 bits").format.pixel, rows=700, columns=900
    )
    format_ = replace(isolated("1.2.840.10008.1.2.5 8 bits").format, pixel=pixel)

    assert np.array_equal(decode(data, format_), large)
    assert np.array_equal(decode(small.data, small.format), small.values)


def test_open_image_decodes_in_a_worker_on_request() -> None:
    frame = make_frame("1.2.840.10008.1.2.5 12 in 16 bits")
    file = make_encapsulated([frame.data] * 3, rows=61, columns=83, bits_stored=12)

    array = lazydicom.open_image(file, isolation="process")

    assert np.array_equal(np.asarray(array), [frame.values] * 3)


@pytest.mark.parametrize("answer", ANSWERS)
def test_a_worker_that_was_taken_over_runs_nothing_in_its_parent(
    answer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = tmp_path / "made by the parent"
    monkeypatch.setattr(isolation, "_WORKER", "evil_worker")
    monkeypatch.setattr(isolation, "_workers", threading.local())
    monkeypatch.setenv("EVIL_ANSWER", answer)
    monkeypatch.setenv("EVIL_FILE", str(made))
    frame = isolated()

    with pytest.raises(DecodeError, match="process that decodes"):
        decode(frame.data, frame.format)

    assert not made.exists()


def test_what_a_worker_says_is_short_and_printable() -> None:
    found = isolation.Worker()
    long = {"error": "LimitError", "message": "a\x1b[31m\n" + "x" * 5000, "odd": []}

    with pytest.raises(LimitError) as error:
        found._taken(json.dumps(long).encode())

    assert error.value.message.startswith("a?[31m?x")
    assert len(error.value.message) == isolation.MAX_MESSAGE


def _wait_until_gone(pid: int) -> None:
    for _ in range(100):
        if not Path(f"/proc/{pid}").exists():
            return
        time.sleep(0.05)
    pytest.fail(f"process {pid} is left")
