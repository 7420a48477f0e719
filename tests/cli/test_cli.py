"""The command `lazydicom`: what it prints, writes and says when it cannot."""

import json
from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np
import pytest
from command_line import run, run_process, write_file
from dicom_files import element, make_native, stored_pixels
from range_server import RangeServer
from series_files import write_instance, write_volume

import lazydicom
from lazydicom._cli.info import facts_of
from lazydicom.cli import main


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_file(tmp_path)


@pytest.fixture
def signed(path: Path) -> Iterator[str]:
    """Give a URL with a signature, as object stores hand them out."""
    with RangeServer({"made.dcm": path.read_bytes()}) as server:
        yield server.url("made.dcm") + "?X-Signature=S3CR3T&b=1"


# --- info ---------------------------------------------------------------------


def test_info_says_what_is_in_a_file(path: Path) -> None:
    result = run("info", path)

    for words in (
        "Enhanced MR Image Storage",
        "10 × 4 × 5 (frame, y, x)",
        "uint16, 16 bits stored, MONOCHROME2",
        "Explicit VR Little Endian",
        "native frames follow each other",
        "400 bytes",
    ):
        assert words in " ".join(result.stdout.split())
    assert result.exit_code == 0


def test_info_as_json_holds_the_same_facts(path: Path) -> None:
    facts = json.loads(run("info", "--json", path).stdout)

    assert facts["shape"] == [10, 4, 5]
    assert facts["dims"] == ["frame", "y", "x"]
    assert facts["dtype"] == "uint16"
    assert facts["index_origin"] == "native"
    assert facts["shortest_frame"] == facts["longest_frame"] == 40
    assert facts["decoded_nbytes"] == 400


def test_info_lists_the_series_of_a_folder(tmp_path: Path) -> None:
    write_volume(tmp_path)
    write_instance(tmp_path / "other.dcm", z=0, number=1, series="1.2.9")

    printed = " ".join(run("info", tmp_path).stdout.split())
    facts = json.loads(run("info", "--json", f"{tmp_path}/").stdout)

    assert "3-MR z 4, y 3, x 4 uint16 2.5 × 2 × 1.5 4 96 bytes" in printed
    assert "9-MR z 1, y 3, x 4 uint16 ? × 2 × 1.5 1 24 bytes" in printed
    assert [one["series"] for one in facts] == ["3-MR", "9-MR"]
    assert facts[0]["shape"] == [4, 3, 4]
    assert facts[1]["spacing"] == [None, 2.0, 1.5]


def test_info_counts_a_byte_once_that_two_frames_share(tmp_path: Path) -> None:
    path = tmp_path / "bits.dcm"
    path.write_bytes(
        make_native(number_of_frames=9, rows=3, columns=5, bits_allocated=1)
    )

    facts = json.loads(run("info", "--json", path).stdout)

    assert facts["encoded_nbytes"] == -(-9 * 15 // 8)


def test_info_of_two_sop_classes_shows_both(tmp_path: Path) -> None:
    path = tmp_path / "two.dcm"
    uids = element(
        0x00080016, "UI", b"1.2.840.10008.5.1.4.1.1.2\\1.2.840.10008.5.1.4.1.1.4"
    )
    path.write_bytes(make_native(elements={0x00080016: uids}))

    result = run("info", path)

    assert result.exit_code == 0
    assert "1.2.840.10008.5.1.4.1.1.2\\1.2.840.10008.5.1.4.1.1.4" in result.stdout


def test_plan_of_a_folder_is_a_usage_error(tmp_path: Path) -> None:
    write_volume(tmp_path)

    result = run("info", tmp_path, "--plan", "3")

    assert result.exit_code == 2
    assert "Expected one file" in result.stderr


@pytest.mark.parametrize(
    ("selection", "reason"),
    [("99", "out of bounds"), ("1,2,3,4", "too many indices"), ("x", "Expected")],
)
def test_plan_of_what_is_not_there_is_a_usage_error(
    path: Path, selection: str, reason: str
) -> None:
    result = run("info", path, "--plan", selection)

    assert result.exit_code == 2
    assert "--plan" in result.stderr
    assert reason in result.stderr


def test_info_prints_nothing_of_a_patient(path: Path) -> None:
    printed = run("info", path).output + run("info", "--json", path).output

    assert "Canary" not in printed


def test_info_lets_no_control_character_reach_the_terminal(tmp_path: Path) -> None:
    path = tmp_path / "escape.dcm"
    photometric = element(0x00280004, "CS", b"\x1b[31mRED")
    path.write_bytes(make_native(elements={0x00280004: photometric}))

    result = run("info", path)

    assert "RED" not in result.stdout
    assert "\x1b" not in result.output


def test_info_says_where_colour_is_converted(tmp_path: Path) -> None:
    path = tmp_path / "colour.dcm"
    path.write_bytes(
        make_native(
            samples_per_pixel=3,
            bits_allocated=8,
            photometric_interpretation="YBR_FULL",
        )
    )

    assert "YBR_FULL read as RGB" in run("info", path).stdout


def test_a_query_of_a_url_is_no_pattern(signed: str, tmp_path: Path) -> None:
    for words in (
        ("info", signed),
        ("frames", signed),
        ("index", signed, "-o", tmp_path / "a.index"),
        ("preview", signed, tmp_path / "a.png"),
        ("export", signed, tmp_path / "a.zarr"),
        ("verify", tmp_path / "a.zarr", signed),
    ):
        result = run(*words)

        assert result.exit_code == 0, result.stderr
        assert "S3CR3T" not in result.output
    written = [one for one in tmp_path.rglob("*") if one.is_file()]
    assert all(b"S3CR3T" not in one.read_bytes() for one in written)
    assert len(lazydicom.open_image(signed, index=tmp_path / "a.index")) == 10
    assert lazydicom.open_series([signed]).shape == (10, 4, 5)


@pytest.mark.parametrize(
    "selection", ["10", "-11", "..., ...", "0,0,0,0", "::0", "9" * 30, "x"]
)
def test_a_plan_of_what_is_not_there_is_a_usage_error(
    path: Path, selection: str
) -> None:
    result = run("info", path, "--plan", selection)

    assert result.exit_code == 2
    assert "Invalid value for --plan: " in result.stderr


def test_info_redacts_the_url(path: Path) -> None:
    array = lazydicom.open_image(path)

    facts = facts_of(array, "https://user:secret@host/a.dcm?sig=secret")

    assert "secret" not in json.dumps(facts)


# --- frames -------------------------------------------------------------------


def test_frames_prints_the_index_in_three_columns(path: Path) -> None:
    header, *rows = run("frames", path).stdout.splitlines()

    index = lazydicom.open_image(path).images[0].index
    assert header.split() == ["frame", "offset", "length"]
    assert np.loadtxt(rows, dtype=int).tolist() == [
        [frame, offset, 40] for frame, offset in enumerate(index.offsets.tolist())
    ]


def test_frames_as_json_lead_to_the_pixels(path: Path) -> None:
    records = json.loads(run("frames", path, "--json").stdout)

    data = path.read_bytes()
    pixels = [
        np.frombuffer(data, "<u2", record["length"] // 2, record["offset"])
        for record in records
    ]
    expected = stored_pixels(number_of_frames=10, rows=4, columns=5)
    assert np.array_equal(np.reshape(pixels, (10, 4, 5)), expected)


def test_a_reader_that_has_seen_enough_causes_no_words(tmp_path: Path) -> None:
    path = tmp_path / "many.dcm"
    path.write_bytes(make_native(number_of_frames=50_000, rows=1, columns=1))

    done = run_process("frames", path, cwd=tmp_path, shell_pipe="| head -n 1")

    assert done.stdout.split() == ["frame", "offset", "length"]
    assert done.stderr == ""


# --- when it cannot -----------------------------------------------------------

COMMANDS = [("info",), ("frames",), ("info", "--json"), ("frames", "--json")]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_an_error_is_one_sentence_on_stderr(
    command: tuple[str, ...], tmp_path: Path
) -> None:
    result = run(*command, tmp_path / "absent.dcm")

    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith("Error: No such file or directory in ")
    assert result.stderr.count("\n") == 1


def test_a_process_that_fails_prints_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "text.dcm").write_text("no DICOM" * 100)

    done = run_process("info", "text.dcm", cwd=tmp_path)

    assert done.returncode == 1
    assert done.stderr.startswith("Error: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("debug_first", [True, False])
def test_debug_shows_the_traceback(tmp_path: Path, debug_first: bool) -> None:
    words = ["info", tmp_path / "absent.dcm"]
    words.insert(0 if debug_first else 2, "--debug")

    done = run_process(*words, cwd=tmp_path)

    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "SourceError" in done.stderr


def test_an_error_lets_no_control_character_reach_the_terminal(tmp_path: Path) -> None:
    path = tmp_path / "\x1b[31mred.dcm"
    path.write_text("no DICOM file")

    result = run("info", path)

    assert r"\x1b[31mred.dcm" in result.stderr
    assert "\x1b" not in result.stderr


def test_an_error_names_no_secret_of_a_url() -> None:
    result = run("info", "memory://user:secret@nowhere/a.dcm?sig=secret")

    assert result.exit_code == 1
    assert "secret" not in result.output


def test_an_error_that_nobody_expects_shows_its_name_and_no_secret(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(url: str) -> None:
        raise RuntimeError(f"secret {url}")

    monkeypatch.setattr(lazydicom, "open_image", fail)

    result = run("info", path)

    assert result.exit_code == 1
    assert result.stderr == "Error: Unexpected RuntimeError; --debug shows where\n"


def test_a_disk_that_refuses_is_named(path: Path) -> None:
    result = run("preview", path, path / "no folder" / "out.png")

    assert result.exit_code == 1
    assert "Not a directory: " in result.stderr


def test_a_warning_is_one_sentence_on_stderr(tmp_path: Path) -> None:
    path = tmp_path / "odd.dcm"
    path.write_bytes(make_native(number_of_frames=3, declared_frames="2"))

    result = run("info", "--json", path)

    assert json.loads(result.stdout)["frames"] == 2
    assert result.stderr.startswith("Warning: 3 frames are stored, 2 are declared")
    assert result.stderr.count("\n") == 1


# --- the whole ----------------------------------------------------------------


def test_every_command_explains_itself() -> None:
    assert isinstance(main, click.Group)
    for name in main.commands:
        result = run(name, "--help")

        assert result.exit_code == 0
        assert "--debug" in result.stdout


def test_the_version_is_that_of_the_package() -> None:
    from importlib.metadata import version

    assert version("lazydicom") in run("--version").stdout
