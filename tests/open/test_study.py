"""One odd file does not spoil a study: what cannot be read is named, the rest opens."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import zipfile
from typing import TYPE_CHECKING, Any

import pytest
from dicom_files import element, make_native
from series_files import write_instance, write_volume
from tools import require_shared_data

import lazydicom
from lazydicom.errors import LazyDicomError, LazyDicomWarning

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MPEG4 = b"1.2.840.10008.1.2.4.102"
JPIP = b"1.2.840.10008.1.2.4.94"
UNKNOWN = b"1.2.840.99999.1"


def _file(
    syntax: bytes = b"1.2.840.10008.1.2.1", *, series: bytes = b"1.2.9.2", cut: int = 0
) -> bytes:
    """Make a file of 3×4 pixels, of another series than `write_volume`."""
    import numpy as np

    elements = {0x0020000E: element(0x0020000E, "UI", series)}
    data = make_native(np.zeros((1, 3, 4), np.uint16), elements=dict(elements))
    old = b"1.2.840.10008.1.2.1\0"
    assert data.count(old) >= 1
    if syntax != old.rstrip(b"\0"):
        padded = syntax + b"\0" * (len(syntax) % 2)
        at = data.index(old)
        length = len(padded).to_bytes(2, "little")
        data = data[: at - 2] + length + padded + data[at + len(old) :]
    return data[: len(data) - cut] if cut else data


def _socket(path: Path) -> None:
    server = socket.socket(socket.AF_UNIX)
    with contextlib.chdir(path.parent):  # names of sockets are short
        server.bind(path.name)
    server.close()


RUBBISH: dict[str, tuple[Callable[[Path], Any], bool]] = {
    "clip.dcm": (lambda path: path.write_bytes(_file(MPEG4)), True),
    "jpip.dcm": (lambda path: path.write_bytes(_file(JPIP)), True),
    "unknown.dcm": (lambda path: path.write_bytes(_file(UNKNOWN)), True),
    "truncated.dcm": (lambda path: path.write_bytes(_file(cut=9)), True),
    "readme.txt": (lambda path: path.write_text("read me"), False),
    "empty": (lambda path: path.write_bytes(b""), False),
    "noise.bin": (lambda path: path.write_bytes(bytes(range(256)) * 4), False),
    "zeros.dcm": (lambda path: path.write_bytes(bytes(900)), False),
    "page.html": (lambda path: path.write_text("<html></html>" * 50), False),
}
IGNORED: dict[str, Callable[[Path], Any]] = {
    "dangling": lambda path: path.symlink_to("nowhere"),
    "loop": lambda path: path.symlink_to(path),
    "fifo": os.mkfifo,
    "socket": _socket,
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Make a folder of one good series."""
    folder = tmp_path / "study"
    folder.mkdir()
    write_volume(folder, planes=5)
    return folder


@pytest.mark.parametrize("name", RUBBISH)
@pytest.mark.filterwarnings("ignore::lazydicom.errors.LazyDicomWarning")
def test_a_study_opens_what_it_can_and_names_the_rest(folder: Path, name: str) -> None:
    make, broken = RUBBISH[name]
    make(folder / name)

    study = lazydicom.open_study(folder)

    assert list(study) == ["3-MR"]
    assert study["3-MR"].shape == (5, 3, 4)
    assert [problem.url for problem in study.problems] == [str(folder / name)]
    assert study.problems[0].reason
    assert (study.problems[0].error is not None) == broken


@pytest.mark.parametrize("name", RUBBISH)
@pytest.mark.parametrize("series", ["3-MR", 3, "1.2.3"])
@pytest.mark.filterwarnings("ignore::lazydicom.errors.LazyDicomWarning")
def test_a_series_is_troubled_by_its_own_faults_only(
    folder: Path, name: str, series: str | int
) -> None:
    RUBBISH[name][0](folder / name)

    assert lazydicom.open_series(folder, series=series).shape == (5, 3, 4)


@pytest.mark.parametrize("name", IGNORED)
def test_what_is_no_file_is_passed_over(folder: Path, name: str) -> None:
    IGNORED[name](folder / name)

    assert lazydicom.open_series(folder).shape == (5, 3, 4)
    (problem,) = lazydicom.open_study(folder).problems
    assert problem.url == str(folder / name)
    assert problem.error is None
    kind = "link that leads nowhere" if (folder / name).is_symlink() else "no file"
    assert kind in problem.reason
    (other,) = lazydicom.open_study(f"{folder}/*").problems
    assert other == problem


@pytest.mark.filterwarnings("ignore::lazydicom.errors.LazyDicomWarning")
def test_all_rubbish_together_is_named(folder: Path) -> None:
    for name, (make, _) in RUBBISH.items():
        make(folder / name)
    for name, make_other in IGNORED.items():
        make_other(folder / name)

    study = lazydicom.open_study(folder)

    names = {problem.url.rpartition("/")[2] for problem in study.problems}
    assert names == {*RUBBISH, *IGNORED}
    assert lazydicom.open_series(folder, series="1.2.3").shape == (5, 3, 4)


@pytest.mark.parametrize("syntax", [MPEG4, UNKNOWN])
def test_a_broken_file_of_the_series_is_an_error(folder: Path, syntax: bytes) -> None:
    (folder / "own.dcm").write_bytes(_file(syntax, series=b"1.2.3"))

    for series in ("3-MR", 3, "1.2.3", None):
        with pytest.raises(LazyDicomError, match=r"own\.dcm"):
            lazydicom.open_series(folder, series=series)
    with pytest.warns(LazyDicomWarning, match=r"Left out.*own\.dcm"):
        array = lazydicom.open_series(folder, on_error="warn")
    assert array.shape == (5, 3, 4)
    assert lazydicom.open_series(folder, on_error="skip").shape == (5, 3, 4)


def test_a_file_whose_series_cannot_be_known_says_what_helps(folder: Path) -> None:
    data = _file()
    at = data.index(b"\x20\x00\x0e\x00UI")  # cut before its series
    (folder / "cut.dcm").write_bytes(data[:at])

    with pytest.raises(LazyDicomError, match="on_error='skip'"):
        lazydicom.open_series(folder, series="3-MR")
    array = lazydicom.open_series(folder, series="3-MR", on_error="skip")
    assert array.shape == (5, 3, 4)


def test_a_study_warns_once_of_each_fault(folder: Path) -> None:
    for k in range(3):
        (folder / f"clip{k}.dcm").write_bytes(_file(MPEG4))

    with pytest.warns(LazyDicomWarning, match="Left out") as caught:
        lazydicom.open_study(folder)

    assert len(caught) == 3
    assert {one.filename for one in caught} == {__file__}
    with pytest.raises(LazyDicomError, match="clip"):
        lazydicom.open_study(folder, on_error="raise")
    assert len(lazydicom.open_study(folder, on_error="skip").problems) == 3


def test_a_study_of_nothing_but_faults_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "clip.dcm").write_bytes(_file(MPEG4))

    with pytest.raises(LazyDicomError, match=r"clip\.dcm"):
        lazydicom.open_study(tmp_path)


def test_a_series_that_contradicts_itself_does_not_spoil_a_study(folder: Path) -> None:
    skewed = (1.0, 0.0, 0.0, 0.7, 0.714, 0.0)
    for k in range(3):
        path = folder / f"skewed{k}"
        write_instance(path, z=k, number=k, series="1.2.4", orientation=skewed)

    with pytest.warns(LazyDicomWarning, match="degrees apart"):
        study = lazydicom.open_study(folder)

    assert list(study) == ["3-MR"]
    assert "Series '4-MR'" in study.problems[0].reason


@pytest.mark.parametrize("choice", ["wran", "", "error"])
def test_on_error_is_one_of_three(folder: Path, choice: Any) -> None:  # noqa: ANN401
    with pytest.raises(ValueError, match="on_error must be"):
        lazydicom.open_study(folder, on_error=choice)
    with pytest.raises(ValueError, match="on_error must be"):
        lazydicom.open_series(folder, on_error=choice)


def test_a_study_is_a_mapping_with_a_table(folder: Path) -> None:
    for k in range(2):
        write_instance(folder / f"b{k}", z=k, number=k, series="1.2.7")

    study = lazydicom.open_study(folder)
    rows = study.table()

    assert list(study) == ["3-MR", "7-MR"] == [row["key"] for row in rows]
    assert [row["shape"] for row in rows] == [(5, 3, 4), (2, 3, 4)]
    assert [row["frames"] for row in rows] == [5, 2]
    assert rows[0]["spacing"] == (2.5, 2.0, 1.5)
    assert rows[0]["bytes"] == 5 * 12 * 2
    assert "3-MR  z 5, y 3, x 4  uint16" in repr(study)
    html = study._repr_html_()
    assert "<td>3-MR</td>" in html
    assert "<img" in study.to_html(thumbnails=True)


def test_descriptions_are_for_those_who_ask(folder: Path) -> None:
    texts = {0x0008103E: ("LO", "Smith knee"), 0x00181030: ("LO", "KNEE")}
    write_instance(folder / "b", z=0, number=1, series="1.2.7", texts=texts)
    study = lazydicom.open_study(folder)

    assert "Smith" not in repr(study) + study.to_html() + str(study.table())
    row = study.table(descriptions=True)[1]
    assert row["series_description"] == "Smith knee"
    assert row["protocol_name"] == "KNEE"


@pytest.mark.filterwarnings("ignore::lazydicom.errors.LazyDicomWarning")
def test_a_zip_names_its_faults(folder: Path, tmp_path: Path) -> None:
    (folder / "clip.dcm").write_bytes(_file(MPEG4))
    path = tmp_path / "study.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for file in folder.iterdir():
            archive.write(file, file.name)

    study = lazydicom.open_study(path)

    assert study["3-MR"].shape == (5, 3, 4)
    assert [p.url.rpartition("/")[2] for p in study.problems] != []


PHILIPS = "11_dicomdir/philips_ct_partial"


@pytest.mark.parametrize("name", ["DICOMDIR", "dicomdir", "Dicomdir", "index.dat"])
@pytest.mark.filterwarnings("ignore::lazydicom.errors.LazyDicomWarning")
def test_a_directory_opens_what_is_left_of_its_files(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "disk"
    shutil.copytree(require_shared_data(PHILIPS), folder)
    (folder / "DICOMDIR").rename(folder / name)

    study = lazydicom.open_study(folder / name)

    assert sum(len(array.images) for array in study.values()) == 3
    lost = [problem.url for problem in study.problems]
    assert any("DIRFILE" in url for url in lost)
    assert not any(os.path.exists(url) for url in lost)  # noqa: PTH110


@pytest.mark.filterwarnings("ignore::lazydicom.errors.LazyDicomWarning")
def test_a_directory_in_a_zip_opens_its_files(tmp_path: Path) -> None:
    source = require_shared_data("11_dicomdir")
    folder = next(path for path in source.rglob("DICOMDIR")).parent
    path = tmp_path / "disk.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for file in folder.rglob("*"):
            if file.is_file():
                archive.write(file, file.relative_to(folder).as_posix())

    study = lazydicom.open_study(f"zip://DICOMDIR::{path}")

    assert sum(len(array.images) for array in study.values()) == 3
    with pytest.raises(LazyDicomError, match="DIRFILE"):
        lazydicom.open_study(f"zip://DICOMDIR::{path}", on_error="raise")
