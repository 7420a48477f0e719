"""One good series among rubbish: `info` lists the series, counts and names the rest."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from command_line import run
from dicom_files import element, make_native
from series_files import write_instance, write_volume
from written_series import plane

import lazydicom

if TYPE_CHECKING:
    from collections.abc import Callable

OTHER = {0x0020000E: element(0x0020000E, "UI", b"1.2.9.2")}
PLAIN = make_native(rows=3, columns=4, elements=dict(OTHER))
NATIVE = b"1.2.840.10008.1.2.1\0"


def _with_syntax(uid: bytes) -> bytes:
    padded = uid + b"\0" * (len(uid) % 2)
    at = PLAIN.index(NATIVE)
    head = PLAIN[: at - 2] + len(padded).to_bytes(2, "little") + padded
    return head + PLAIN[at + len(NATIVE) :]


def _content(data: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(data)


TWELVE: dict[str, Callable[[Path], object]] = {
    "clip.dcm": _content(_with_syntax(b"1.2.840.10008.1.2.4.102")),
    "jpip.dcm": _content(_with_syntax(b"1.2.840.10008.1.2.4.94")),
    "unknown.dcm": _content(_with_syntax(b"1.2.840.99999.1")),
    "truncated.dcm": _content(PLAIN[:-9]),
    "readme.txt": _content(b"read me"),
    "empty": _content(b""),
    "noise.bin": _content(bytes(range(256)) * 4),
    "zeros.dcm": _content(bytes(900)),
    "page.html": _content(b"<html></html>" * 50),
    "dangling": lambda path: path.symlink_to("nowhere"),
    "loop": lambda path: path.symlink_to(path),
    "fifo": os.mkfifo,
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Make a folder of one good series and twelve kinds of rubbish."""
    folder = tmp_path / "study"
    folder.mkdir()
    write_volume(folder, planes=5)
    for name, make in TWELVE.items():
        make(folder / name)
    return folder


@pytest.mark.filterwarnings("ignore::lazydicom.errors.LazyDicomWarning")
def test_a_series_among_twelve_kinds_of_rubbish_opens(folder: Path) -> None:
    assert lazydicom.open_series(folder, series="3-MR").shape == (5, 3, 4)

    study = lazydicom.open_study(folder)

    assert list(study) == ["3-MR"]
    assert len(study.problems) == 12
    assert {Path(one.url).name for one in study.problems} == set(TWELVE)
    assert all(one.reason for one in study.problems)


def test_info_prints_the_series_and_the_rubbish(folder: Path) -> None:
    result = run("info", folder)

    lines = result.stdout.splitlines()
    assert result.exit_code == 0
    assert "3-MR" in lines[1]
    assert lines[2] == "12 files are left out:"
    names = {line.split(": ")[0].rpartition("/")[2] for line in lines[3:]}
    assert names == set(TWELVE)
    assert "Left out" not in result.stderr


def test_json_has_the_series_and_stderr_the_rubbish(folder: Path) -> None:
    result = run("info", "--json", folder)

    assert [one["series"] for one in json.loads(result.stdout)] == ["3-MR"]
    assert "12 files are left out:" in result.stderr


def test_several_arguments_are_one_study(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    write_volume(tmp_path / "a")
    write_instance(tmp_path / "b.dcm", z=0, number=1, series="1.2.9")

    result = run("info", tmp_path / "a", tmp_path / "b.dcm", tmp_path / "absent.dcm")

    assert "3-MR" in result.stdout
    assert "9-MR" in result.stdout
    assert "1 file is left out:" in result.stdout
    assert "absent.dcm" in result.stdout


def test_no_argument_is_a_usage_error() -> None:
    assert run("info").exit_code == 2


def test_info_succeeds_where_something_opens_and_fails_where_nothing_does(
    tmp_path: Path,
) -> None:
    for name in ("good", "bad", "empty"):
        (tmp_path / name).mkdir()
    path = plane(tmp_path / "good", 1, (0, 0, 0))
    (tmp_path / "bad" / "a.txt").write_text("hello")
    cut = tmp_path / "cut.dcm"
    cut.write_bytes(path.read_bytes()[:-10])
    good, bad, empty = (str(tmp_path / name) for name in ("good", "bad", "empty"))

    for arguments, code in [
        ([good], 0),
        ([str(path)], 0),
        ([good, bad], 0),
        ([good, str(tmp_path / "none")], 0),
        ([good, str(cut)], 0),
        ([bad], 1),
        ([empty], 1),
        ([str(tmp_path / "none")], 1),
        ([str(cut)], 1),
        ([], 2),
    ]:
        assert run("info", *arguments).exit_code == code, arguments
