"""One place says what a URL means, for reading and for writing."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import numpy as np
import pytest
from dicom_files import make_native
from hypothesis import given
from hypothesis import strategies as st
from range_server import RangeServer
from series_files import write_instance, write_volume

import lazydicom
from lazydicom._bytes.location import Location, chain, file_url, local_path
from lazydicom.errors import SourceChangedError, SourceError

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ["a%41.dcm", "a b.dcm", "a#b.dcm", "a?b.dcm", "a::b.dcm", "a[1].dcm", "ä.dcm"]
NAMES += ["100%.dcm", "%.dcm", "%zz.dcm", "a\nb.dcm", "s3:", "a;b&c.dcm", "file:x"]
NAMES += [os.fsdecode(b"\xff\xfe.dcm"), "a\\b.dcm", "'\".dcm", "~a.dcm", "zip:a"]


@given(st.binary(min_size=1, max_size=20).filter(lambda b: not {0, 47} & set(b)))
def test_the_url_of_a_path_names_that_path(name: bytes) -> None:
    if name in {b".", b".."}:
        return
    path = f"/data/{os.fsdecode(name)}"

    assert local_path(file_url(path)) == path
    assert Location.parse(path).path == path
    assert file_url(path).isascii()


@pytest.mark.parametrize("name", NAMES)
def test_a_file_of_any_name_opens_by_path_and_by_url(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(make_native())

    by_path = lazydicom.open_image(path)

    assert lazydicom.open_image(path.as_uri()).identity() == by_path.identity()
    assert lazydicom.open_image(str(path)).identity() == by_path.identity()
    host = path.as_uri().replace("file://", "FILE://localhost")
    assert lazydicom.open_image(host).identity() == by_path.identity()
    assert str(by_path).isprintable() or "\n" in str(by_path)
    repr(by_path).encode()


@pytest.mark.parametrize("name", NAMES)
def test_an_error_about_a_file_of_any_name_can_be_printed(
    tmp_path: Path, name: str
) -> None:
    with pytest.raises(SourceError) as raised:
        lazydicom.open_image(tmp_path / name)

    str(raised.value).encode()
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", ["a%41.dcm", "a b.dcm", "100%.dcm", "ä.dcm"])
def test_what_was_written_opens_by_the_name_that_was_written(
    tmp_path: Path, name: str
) -> None:
    path = tmp_path / name
    path.write_bytes(make_native(number_of_frames=2))
    array = lazydicom.open_image(path)

    lazydicom.to_references(array, (tmp_path / "r.json").as_uri())
    lazydicom.to_zarr(array, f"{tmp_path.as_uri()}/with%20space%25.zarr")

    references = json.loads((tmp_path / "r.json").read_text())["refs"]
    url = json.loads(references[".zattrs"])["lazydicom_sources"][0]["url"]
    assert np.array_equal(lazydicom.open_image(url), array)
    assert (tmp_path / "with space%.zarr").is_dir()
    assert lazydicom.verify(f"{tmp_path.as_uri()}/with%20space%25.zarr").ok


@pytest.mark.parametrize("name", ["~nobodyx/a.dcm", "~nobodyx"])
def test_the_home_of_nobody_is_a_named_error(name: str) -> None:
    for use in (lazydicom.open_image, lazydicom.open_series, lazydicom.open_study):
        with pytest.raises(FileNotFoundError, match="home folder") as raised:
            use(name)
        assert isinstance(raised.value, SourceError)


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("s3://bucket/a::b", ["s3://bucket/a::b"]),
        ("http://[::1]:80/a.dcm", ["http://[::1]:80/a.dcm"]),
        ("simplecache::https://[::1]/a", ["simplecache", "https://[::1]/a"]),
        ("zip://a::s3://bucket/b.zip", ["zip://a", "s3://bucket/b.zip"]),
        ("/data/a::b", ["/data/a::b"]),
    ],
)
def test_a_chain_ends_where_nothing_can_stand_behind(
    url: str, parts: list[str]
) -> None:
    assert chain(url) == parts


@pytest.mark.parametrize("opener", [lazydicom.open_series, lazydicom.open_study])
def test_every_opener_of_folders_follows_links_when_asked(
    tmp_path: Path, opener: object
) -> None:
    (tmp_path / "a").mkdir()
    write_volume(tmp_path / "a")
    write_instance(tmp_path / "9.dcm", z=10, number=9)
    (tmp_path / "a" / "link").symlink_to(tmp_path / "9.dcm")

    opened = opener(tmp_path / "a", follow_links=True)  # type: ignore[operator]

    array = opened if opener is lazydicom.open_series else next(iter(opened.values()))
    assert array.shape[0] == 5


@pytest.mark.parametrize("protocol", ["http", "s3", "gs", "abfs"])
def test_a_server_whose_tags_differ_is_read_by_size(protocol: str) -> None:
    data = make_native(number_of_frames=9, rows=64, columns=64)
    places = ("a.dcm", "bucket/a.dcm", "container/a.dcm")
    with RangeServer(dict.fromkeys(places, data)) as server:
        url, options = server.open_by(protocol, "a.dcm")
        array = lazydicom.open_image(url, options, on_change="size")
        strict = lazydicom.open_image(url, options)
        server.files = dict.fromkeys(places, data[:-1] + b"z")

        with pytest.raises(SourceChangedError):
            strict[3]
        assert array[3].shape == (64, 64)
        server.files = dict.fromkeys(places, data + b"zz")
        with pytest.raises(SourceChangedError):
            array[3]


@pytest.mark.parametrize("local", ["pread", "mmap"])
def test_a_mount_whose_inodes_differ_is_read_by_size(
    tmp_path: Path, local: str
) -> None:
    path, other = tmp_path / "a.dcm", tmp_path / "b.dcm"
    path.write_bytes(make_native(number_of_frames=9))
    array = lazydicom.open_image(path, local=local, on_change="size")  # type: ignore[arg-type]

    other.write_bytes(path.read_bytes())
    other.replace(path)

    assert array[3].size
    path.write_bytes(path.read_bytes()[:-2])
    with pytest.raises(SourceChangedError):
        array[3]
