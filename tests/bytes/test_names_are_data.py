"""Names that a listing gives are data: nothing outside of what was asked for is opened."""

from __future__ import annotations

import json
import tarfile
import zipfile
from contextlib import suppress
from io import BytesIO
from typing import TYPE_CHECKING

import fsspec
import numpy as np
import pytest
import warm_process
from dicom_files import make_native
from range_server import RangeServer
from series_files import write_instance, write_volume

import lazydicom
from lazydicom._bytes.containers.member import Member
from lazydicom._bytes.listing import list_files
from lazydicom._bytes.open import open_source
from lazydicom._bytes.source import ByteRange
from lazydicom.errors import LazyDicomError, LazyDicomWarning, SourceError

if TYPE_CHECKING:
    from pathlib import Path

PLAIN = make_native(number_of_frames=1)

WATCH = """
import json, sys, warnings, lazydicom, numpy
from lazydicom._bytes.remote import client  # what is imported opens files
import lazydicom.slide, xarray
from click.testing import CliRunner
from lazydicom.cli import main
import zipfile, aiohttp, fsspec.implementations.reference, fsspec.implementations.zip
warnings.simplefilter("ignore")
root, secret, todo = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
opened = []
def hook(event, arguments):
    if event == "open" and secret in str(arguments[0]):
        opened.append(str(arguments[0]))
    if event in ("socket.connect", "socket.getaddrinfo"):
        opened.append(event)
sys.addaudithook(hook)
def use(call):
    try:
        value = call()
        for array in (value.values() if hasattr(value, "values") else [value]):
            numpy.asarray(array)
        return "opened"
    except lazydicom.errors.LazyDicomError as error:
        return type(error).__name__
    except ValueError as error:
        if "xarray" not in str(error) and "Expected" not in str(error):
            raise
results = []
for path in todo:
    for opener in (lazydicom.open_series, lazydicom.open_study):
        results.append(use(lambda: opener(path)))
    for opener in (lazydicom.open_slide, lazydicom.open_segmentation, lazydicom.slide.OpenSlide):
        use(lambda: opener(path) and 0)
    use(lambda: xarray.open_dataset(path, engine="lazydicom") and 0)
    CliRunner().invoke(main, ["info", path])
    CliRunner().invoke(main, ["verify", path])
    use(lambda: lazydicom.save_index(path, root + "/saved.index"))
    use(lambda: numpy.zeros(lazydicom.to_references(lazydicom.open_series(path), root + "/x.json") and 1))
print(json.dumps([opened, results]))
"""  # noqa: E501
"""Every opener over every file, and what is opened meanwhile."""


def hostile_names(secret: str) -> list[str]:
    """Names that mean something in a URL, a path, a chain, a pattern or a shell."""
    targets = [secret, f"file://{secret}", f"local://{secret}", "http://127.0.0.1:1/x"]
    chains = ["reference://k", "simplecache", "filecache", "zip://a", "tar://a", "dir"]
    chains += ["blockcache", "cached", "libarchive://a", "data", "git", "github"]
    names = [f"b.dcm::{link}::{target}" for link in chains for target in targets]
    names += [f"{link}::{target}" for link in chains for target in targets]
    names += [f"b.dcm::{link}::zip://refs.json" for link in chains]
    names += [f"b.dcm::{target}" for target in targets]
    names += [f"{up}{secret.lstrip('/')}" for up in ("/", "//", "../" * 12, "a/../../")]
    names += [f"{up}{secret.lstrip('/')}" for up in ("./", "..\\" * 12, "C:\\", "C:/")]
    names += [f"a\0{secret}", f"{secret}\0.dcm", f"~{secret}", f"~/{secret}", "~root/x"]
    names += [f"%2e%2e/%2e%2e{secret}", f"file:{secret}", f"FILE://{secret}", "a::b"]
    names += ["*.dcm", "**", "[a].dcm", "?.dcm", "#.dcm", "a?b#c.dcm", "%00", "$(id)"]
    names += [
        f"{dot}/{dot}/{dot}{secret}" for dot in ("\uff0e\uff0e", "\u2024\u2024", ".. ")
    ]
    names += [
        f"..{slash}..{slash}x" for slash in ("\u2215", "\uff0f", "\u29f8", "%2f", "%5c")
    ]
    names += [
        "data:,x",
        "data:application/dicom;base64,RElDTQ==",
        "file:x",
        "x.dcm.",
        "x. ",
    ]
    names += ["CON", "aux.dcm", "a:b", "C:a.dcm", "//?/C:/x", "\u202ea.dcm", "a\u0000b"]
    names += ["\\\\host\\share\\a", "NUL", "a\nb", "\udcff.dcm", "é.dcm", "", " ", "::"]
    return names + [f"{name}.dcm" for name in names[:60]]


def write_member(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    info = zipfile.ZipInfo("x")
    info.filename = name.encode("utf-8", "surrogateescape").decode("latin-1")
    with suppress(UnicodeEncodeError):
        archive.writestr(info, data)


def write_archive(path: Path, members: list[tuple[str, bytes]]) -> str:
    if path.suffix == ".tar":
        with tarfile.open(path, "w") as file:
            for name, data in members:
                info = tarfile.TarInfo(name)
                info.size = len(data)
                file.addfile(info, BytesIO(data))
        return str(path)
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members:
            write_member(archive, name, data)
    return str(path)


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_no_name_of_a_member_opens_anything_else(kind: str, tmp_path: Path) -> None:
    secret = tmp_path / "outside-of-all" / "secret.dcm"
    secret.parent.mkdir()
    secret.write_bytes(PLAIN)
    root = tmp_path / "root"
    root.mkdir()
    names = hostile_names(str(secret))
    assert len(names) >= 200
    references = json.dumps({"k": [f"file://{secret}"]}).encode()
    every = [("refs.json", references), *((name, b"") for name in names)]
    paths = [write_archive(root / f"every.{kind}", every)]
    for number in range(0, len(names), 40):
        some = names[number : number + 40]
        members = [(name, b"" if k % 2 else PLAIN) for k, name in enumerate(some)]
        paths.append(write_archive(root / f"{number}.{kind}", members))

    printed = warm_process.run(WATCH, root, secret.parent, json.dumps(paths))

    opened, results = json.loads(printed.splitlines()[-1])
    assert opened == []
    assert len(results) == 2 * len(paths)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_member_of_any_name_is_what_it_is_called(tmp_path: Path, method: int) -> None:
    names = [name for name in hostile_names("/etc/passwd") if name.strip("/")]
    names = sorted({name.split("\0")[0] for name in names if not name.endswith("/")})
    names = [name for name in names if name and name.isascii()]
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", method) as archive:
        for k, name in enumerate(names):
            pixels = np.full((1, 2, 2), k, np.uint16)
            write_member(archive, name, make_native(pixels))

    listed = list_files(path, {})

    assert {file.url for file in listed} == {f"zip://{n}::{path}" for n in names}
    for file in listed:
        assert isinstance(file.file, Member)
        source = open_source(file.file)
        array = lazydicom.open_image(bytes(source.read(ByteRange(0, source.size()))))
        assert names[int(array[0, 0, 0])] == file.file.name


@pytest.mark.parametrize("name", ["a::b.dcm", "a#b.dcm", "a%41.dcm", "a[1].dcm", "a b"])
def test_an_object_key_is_what_it_is_called(name: str) -> None:
    filesystem = fsspec.filesystem("memory")
    filesystem.pipe_file("/keys/x/a", make_native(np.full((1, 2, 2), 1, np.uint16)))
    pixels = np.full((1, 2, 2), 7, np.uint16)
    filesystem.pipe_file(f"/keys/{name[:1]}/{name}", make_native(pixels))
    try:
        series = lazydicom.open_series("memory://keys/a/")
    finally:
        filesystem.rm("/keys", recursive=True)
    with RangeServer(
        {f"bucket/{name}": make_native(pixels), "bucket/a": PLAIN}
    ) as server:
        url, options = server.open_by("s3", name)
        image = lazydicom.open_image(url, options)

        assert image[0, 0, 0] == 7
    assert series.shape == (1, 2, 2)


PAGE = "<html>" + "".join(
    f'<a href="{link}">x</a>'
    for link in [
        "1.dcm",
        "../../up.dcm",
        "../up.dcm",
        "%2e%2e/up.dcm",
        "/up.dcm",
        "//other.invalid/up.dcm",
        "http://127.0.0.1:1/up.dcm",
        "file:///etc/passwd",
        "a/../../../up.dcm",
        "simplecache::file:///etc/passwd",
    ]
)


def test_a_web_page_lists_what_lies_below_it() -> None:
    files = {"up.dcm": PLAIN, "x/up.dcm": PLAIN, "x/y/1.dcm": PLAIN}
    with RangeServer({**files, "x/y/": PAGE.encode()}) as server:
        listed = [file.url for file in list_files(server.url("x/y/"), {})]

    assert server.url("x/y/1.dcm") in listed
    assert all(url.startswith(server.url("x/y/")) for url in listed)
    assert not [url for url in listed if ".." in url or "%2e" in url]


def inside_and_outside(folder: Path) -> tuple[Path, Path]:
    asked, outside = folder / "asked", folder / "outside"
    asked.mkdir()
    outside.mkdir()
    write_volume(asked)
    write_instance(outside / "9.dcm", z=10, number=9, value=9)
    return asked, outside


@pytest.mark.parametrize("kind", ["file", "folder", "file of a folder below"])
@pytest.mark.parametrize("pattern", ["", "**"])
def test_a_link_out_of_a_folder_is_left_out_with_a_warning(
    tmp_path: Path, kind: str, pattern: str
) -> None:
    asked, outside = inside_and_outside(tmp_path)
    if kind == "folder":
        (asked / "link").symlink_to(outside)
    elif kind == "file":
        (asked / "link.dcm").symlink_to(outside / "9.dcm")
    else:
        (asked / "below").mkdir()
        (asked / "below" / "link.dcm").symlink_to(outside / "9.dcm")

    with pytest.warns(LazyDicomWarning, match="lead out of the folder"):
        names = list_files(asked / pattern, {})
    followed = list_files(asked / pattern, {}, follow_links=True)

    assert len(names) == 4
    assert len(followed) == 5


def test_a_link_inside_a_folder_names_a_file_once(tmp_path: Path) -> None:
    asked, _ = inside_and_outside(tmp_path)
    (asked / "again.dcm").symlink_to(asked / "1.dcm")
    (asked / "self").symlink_to(asked)
    (asked / "dangling").symlink_to(tmp_path / "absent")

    for follow_links in (False, True):
        assert len(list_files(asked, {}, follow_links=follow_links)) == 4
    assert lazydicom.open_series(asked).shape[0] == 4


def test_links_in_a_circle_outside_are_followed_once(tmp_path: Path) -> None:
    asked, outside = inside_and_outside(tmp_path)
    (asked / "link").symlink_to(outside)
    (outside / "back").symlink_to(asked)
    (outside / "round").symlink_to(outside)

    assert len(list_files(asked, {}, follow_links=True)) == 5


def test_a_link_that_was_asked_for_is_followed(tmp_path: Path) -> None:
    asked, _ = inside_and_outside(tmp_path)
    (tmp_path / "door").symlink_to(asked)
    (tmp_path / "door.dcm").symlink_to(asked / "1.dcm")

    assert lazydicom.open_series(tmp_path / "door").shape[0] == 4
    assert lazydicom.open_image(tmp_path / "door.dcm").shape[0] == 1


def test_members_that_claim_the_same_bytes_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.dcm", PLAIN)
        first = archive.filelist[0]
        for k in range(50):
            other = zipfile.ZipInfo(f"{k}.dcm")
            for field in ("CRC", "compress_size", "file_size", "header_offset"):
                setattr(other, field, getattr(first, field))
            archive.filelist.append(other)

    with pytest.raises(LazyDicomError, match="claim"):
        lazydicom.open_series(path)


def test_a_member_that_ends_behind_its_zip_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.dcm", PLAIN)
        archive.filelist[0].header_offset = 100

    with pytest.raises(SourceError, match=r"member of a zip file|ends behind"):
        lazydicom.open_image(f"zip://a.dcm::{path}")
