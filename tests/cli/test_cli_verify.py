"""The command that compares a copy with what it was made from."""

from pathlib import Path

import pytest
from command_line import run, write_file

import lazydicom


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Copy a file of 10 frames, one chunk per frame."""
    made = tmp_path / "copy.zarr"
    array = lazydicom.open_image(write_file(tmp_path))
    lazydicom.to_zarr(array, made, chunks=1)
    return made


def test_a_whole_copy_is_said_to_be_equal(copy: Path) -> None:
    result = run("verify", copy, copy.parent / "made.dcm")

    assert result.exit_code == 0
    assert "10 chunks equal the manifest and source" in result.stdout


def test_a_lost_chunk_is_named_and_the_exit_code_says_so(copy: Path) -> None:
    (copy / "c" / "7" / "0" / "0").unlink()

    result = run("verify", copy)

    assert result.exit_code == 1
    assert "frame 7" in result.stdout
    assert "1 of 10 chunks differ" in result.stderr


def test_what_is_no_store_is_one_sentence(tmp_path: Path) -> None:
    result = run("verify", tmp_path)

    assert result.exit_code == 1
    assert result.stderr.startswith("Error: ")
