"""What cannot be had is an error of ours, and the one of Python that a caller expects."""

from __future__ import annotations

import errno
import pickle
import zipfile
from typing import TYPE_CHECKING

import fsspec
import pytest
from dicom_files import make_native
from range_server import RangeServer

import lazydicom
from lazydicom.errors import SourceError, source_error

if TYPE_CHECKING:
    from pathlib import Path

MISSING = ["{folder}/absent.dcm", "file://{folder}/absent.dcm", "{folder}/a.dcm/b.dcm"]
MISSING += [
    "memory://absent.dcm",
    "zip://absent.dcm::{folder}/a.zip",
    "{folder}/\0.dcm",
]
MISSING += ["zip://a.dcm::{folder}/absent.zip", "zip://a.dcm::memory://absent.zip"]


@pytest.mark.parametrize("name", MISSING)
def test_a_missing_file_is_also_a_file_not_found_error(
    tmp_path: Path, name: str
) -> None:
    (tmp_path / "a.dcm").write_bytes(make_native())
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.dcm", make_native())
    url = name.format(folder=tmp_path)

    with pytest.raises(FileNotFoundError) as raised:
        lazydicom.open_image(url)

    assert isinstance(raised.value, SourceError)
    assert raised.value.errno in {errno.ENOENT, errno.ENOTDIR}
    assert raised.value.filename == raised.value.url
    assert raised.value.filename


@pytest.mark.parametrize("protocol", ["http", "s3", "gs", "abfs"])
@pytest.mark.parametrize(
    ("fault", "kind"), [("404", FileNotFoundError), ("401", PermissionError)]
)
def test_what_a_server_lacks_or_refuses_is_the_error_of_a_file(
    protocol: str, fault: str, kind: type[OSError]
) -> None:
    places = ("a.dcm", "bucket/a.dcm", "container/a.dcm")
    with RangeServer(dict.fromkeys(places, make_native())) as server:
        url, options = server.open_by(protocol, "a.dcm")
        server.fault = lambda _: fault

        with pytest.raises(kind) as raised:
            lazydicom.open_image(url, options)

    assert isinstance(raised.value, SourceError)
    assert raised.value.errno in {errno.ENOENT, errno.EACCES}


def test_a_forbidden_file_is_also_a_permission_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.dcm"
    path.write_bytes(make_native())

    def refuse(*_: object) -> None:  # root may read everything
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("lazydicom._bytes.local.source.open_to_read", refuse)

    with pytest.raises(PermissionError, match=r"Permission denied in .*a\.dcm"):
        lazydicom.open_image(path)


def test_a_filesystem_that_refuses_is_a_permission_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError

    monkeypatch.setattr(fsspec.filesystem("memory"), "info", refuse)

    with pytest.raises(PermissionError) as raised:
        lazydicom.open_image("memory://a.dcm")

    assert raised.value.errno == errno.EACCES


@pytest.mark.parametrize("number", [errno.ENOENT, errno.EPERM, errno.EIO, None])
def test_an_error_travels_with_its_number(number: int | None) -> None:
    error = source_error("It is not there", number=number, url="/a.dcm", offset=4)

    again = pickle.loads(pickle.dumps(error))

    for one in (again, error.again()):
        assert type(one) is type(error)
        assert str(one) == str(error) == "It is not there in /a.dcm at byte 4"
        assert (one.errno, one.filename, one.url) == (number, "/a.dcm", "/a.dcm")
        assert one.offset == 4


def test_a_name_that_comes_later_is_the_name_of_the_file() -> None:
    error = source_error("It is not there", number=errno.ENOENT)

    error.locate(url="https://me:secret@host/a.dcm?token=1")

    assert error.filename == "https://host/a.dcm"
