"""What `array.plan` promises is what the read then does."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any

import imagecodecs
import numpy as np
import pytest
from codestream_samples import JPEG_LS
from command_line import run, write_file
from counting import open_counted
from dicom_files import make_encapsulated, make_native
from range_server import RangeServer
from series_files import write_volume

import lazydicom

if TYPE_CHECKING:
    from pathlib import Path

    from encapsulated_files import Table

PLANE: dict[str, Any] = {"rows": 40, "columns": 50, "number_of_frames": 30}
NATIVE: dict[str, dict[str, Any]] = {
    "16 bits": PLANE,
    "RGB by plane": {
        **PLANE,
        "samples_per_pixel": 3,
        "bits_allocated": 8,
        "planar_configuration": 1,
    },
    "1 bit inside bytes": {**PLANE, "rows": 3, "columns": 7, "bits_allocated": 1},
    "2 MiB each": {"rows": 1024, "columns": 1024, "number_of_frames": 12},
    "8 MiB each": {"rows": 2048, "columns": 2048, "number_of_frames": 11},
}
COMPRESSED = ("basic", "extended", "empty")
EXPRESSIONS: list[Any] = [
    3,
    ...,
    slice(2, 11),
    slice(None, None, 3),
    [9, 2, 2, 5, 3],
    (slice(None), slice(1, 3)),
    (4, 2, 1),
    (slice(0, 5), slice(0, 0)),
    slice(5, 5),
]


@cache
def file_of(kind: str) -> bytes:
    if kind in NATIVE:
        return make_native(**NATIVE[kind])
    return compressed(kind)  # type: ignore[arg-type]


def compressed(table: Table) -> bytes:
    noise = np.random.default_rng(1).integers(0, 64, (20, 300, 300), np.uint8)
    frames = [bytes(imagecodecs.jpegls_encode(frame)) for frame in noise]
    return make_encapsulated(
        frames,
        table=table,
        transfer_syntax=JPEG_LS,
        rows=300,
        columns=300,
        bits_allocated=8,
    )


@pytest.mark.parametrize("expression", EXPRESSIONS, ids=str)
@pytest.mark.parametrize("file", NATIVE)
def test_a_local_read_makes_the_reads_that_were_planned(
    file: str, expression: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    array, counter = open_counted(monkeypatch, file_of(file))

    plan = array.plan(expression)

    assert counter.reads == 0
    array.read(expression)
    assert (plan.requests, plan.read_nbytes) == (counter.reads, counter.bytes_read)


@pytest.mark.parametrize("expression", EXPRESSIONS, ids=str)
@pytest.mark.parametrize("file", [*NATIVE, *COMPRESSED])
def test_a_distant_read_makes_the_requests_that_were_planned(
    file: str, expression: object
) -> None:
    with RangeServer({"a.dcm": file_of(file)}) as server:
        array = lazydicom.open_image(server.url("a.dcm"))
        plan = array.plan(expression)
        server.forget()

        array.read(expression)

        assert plan.requests == len(server.requests)
        assert plan.read_nbytes == server.bytes_sent


def test_a_plan_reads_no_pixel() -> None:
    with RangeServer({"a.dcm": file_of("2 MiB each")}) as server:
        array = lazydicom.open_image(server.url("a.dcm"))
        server.forget()

        array.plan()

        assert server.requests == []


def test_frames_that_are_decoded_count_whole_and_once() -> None:
    array = lazydicom.open_image(file_of("16 bits"))

    plan = array.plan(([4, 4, 5], 3, slice(0, 2)))

    assert plan.frames == 2
    assert plan.decoded_nbytes == 2 * 40 * 50 * 2


def test_a_series_is_planned_over_its_files(tmp_path: Path) -> None:
    write_volume(tmp_path, planes=5)
    array = lazydicom.open_series(tmp_path)

    plan = array.plan(slice(1, 4))

    assert (plan.frames, plan.requests) == (3, 3)
    assert plan.decoded_nbytes == array[1:4].nbytes


def test_the_command_prints_the_plan(tmp_path: Path) -> None:
    path = write_file(tmp_path)

    result = run("info", path, "--plan", "2:5, :, 0")

    assert "3 frames: 3 requests, 120 bytes to read" in " ".join(result.stdout.split())


def test_the_command_prints_the_plan_as_json(tmp_path: Path) -> None:
    path = write_file(tmp_path)

    facts = json.loads(run("info", path, "--json", "--plan", "...").stdout)

    plan = {"frames": 10, "requests": 1, "read_nbytes": 400, "decoded_nbytes": 400}
    assert facts["plan"] == plan


@pytest.mark.parametrize("text", ["", "a", "1:2:3:4", "1.5", "0x10"])
def test_the_command_refuses_what_is_no_index(text: str, tmp_path: Path) -> None:
    result = run("info", write_file(tmp_path), "--plan", text)

    assert result.exit_code == 2
    assert "Expected an index such as 10:20" in result.stderr
