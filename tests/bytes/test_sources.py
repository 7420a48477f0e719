"""One contract for all sources: any range, any thread, any process, or an error."""

from __future__ import annotations

import os
import pickle
import random
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

import fsspec
import pytest
from dicom_elements import deflate
from dicom_files import make_native
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import lazydicom
from lazydicom._bytes.containers.inflate import InflatedSource
from lazydicom._bytes.open import open_source
from lazydicom._bytes.ranges import read_many
from lazydicom._bytes.source import ByteRange, MemorySource
from lazydicom.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lazydicom._bytes.source import ByteSource

DATA: Final = random.Random(1).randbytes(100_001)
START: Final = 300
"""Bytes in front of the deflate stream."""


def _write(folder: Path, data: bytes, name: str = "some.dcm") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def _remote(folder: Path, data: bytes) -> ByteSource:
    name = f"{folder.name}/some.dcm"
    fsspec.filesystem("memory").pipe(f"/{name}", data)
    return open_source(f"memory://{name}")


def _inflated(folder: Path, data: bytes) -> ByteSource:
    deflated = data[:START] + deflate(data[START:])
    return InflatedSource(open_source(_write(folder, deflated)), START)


MAKERS: Final[dict[str, Callable[[Path, bytes], ByteSource]]] = {
    "memory": lambda _, data: open_source(data),
    "view": lambda _, data: MemorySource(memoryview(b"xx" + data)[2:]),
    "local": lambda folder, data: open_source(_write(folder, data)),
    "mapped": lambda folder, data: open_source(_write(folder, data), local="mmap"),
    "file url": lambda folder, data: open_source(f"file://{_write(folder, data)}"),
    "remote": _remote,
    "inflated": _inflated,
}


@pytest.fixture(params=MAKERS)
def make(request: pytest.FixtureRequest) -> Callable[[Path, bytes], ByteSource]:
    return MAKERS[request.param]


@pytest.fixture
def source(make: Callable[[Path, bytes], ByteSource], tmp_path: Path) -> ByteSource:
    return make(tmp_path, DATA)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(offset=st.integers(0, len(DATA)), data=st.data())
def test_any_range_is_read_exactly(
    source: ByteSource, offset: int, data: st.DataObject
) -> None:
    length = data.draw(st.integers(0, len(DATA) - offset))
    out = bytearray(length)

    block = source.read(ByteRange(offset, length))
    source.read_into(offset, memoryview(out))

    assert bytes(block) == bytes(out) == DATA[offset : offset + length]
    assert memoryview(block).readonly


@pytest.mark.parametrize(
    "span",
    [(-1, 1), (len(DATA), 1), (0, len(DATA) + 1), (5, -1), (0, -1), (1 << 70, 1)],
)
def test_a_range_outside_the_file_is_an_error_that_names_it(
    source: ByteSource, span: tuple[int, int]
) -> None:
    with pytest.raises(SourceError) as error:
        source.read(ByteRange(*span))

    assert (error.value.url, error.value.offset) == (source.url, span[0])


def test_reading_into_too_much_room_is_an_error(source: ByteSource) -> None:
    with pytest.raises(SourceError):
        source.read_into(len(DATA) - 3, memoryview(bytearray(4)))


def test_ranges_come_in_the_order_asked_for(source: ByteSource) -> None:
    spans = [ByteRange(90_000, 5), ByteRange(0, 7), ByteRange(7, 3), ByteRange(0, 7)]

    blocks = read_many(source, spans)

    assert [bytes(b) for b in blocks] == [DATA[s.offset : s.stop] for s in spans]


def test_size_and_memory_are_those_of_the_file(source: ByteSource) -> None:
    assert source.size() == len(DATA)
    with source.mapped() as memory:
        assert memory is None or bytes(memory) == DATA


def test_a_pickled_source_is_the_same(source: ByteSource) -> None:
    source.read(ByteRange(0, 9))

    again = pickle.loads(pickle.dumps(source))

    assert (again.url, again.size()) == (source.url, source.size())
    assert again.version == source.version
    assert bytes(again.read(ByteRange(500, 50))) == DATA[500:550]


@pytest.mark.parametrize("kind", ["local", "mapped", "remote", "inflated"])
def test_a_source_with_a_name_pickles_by_name(kind: str, tmp_path: Path) -> None:
    source = MAKERS[kind](tmp_path, DATA)
    source.read(ByteRange(1000, 10_000))

    assert len(pickle.dumps(source)) < 600


@pytest.mark.parametrize("kind", ["local", "mapped", "inflated"])
def test_another_process_reads_the_same(kind: str, tmp_path: Path) -> None:
    source = MAKERS[kind](tmp_path, DATA)
    source.read(ByteRange(1000, 1))
    code = (
        "import pickle, sys; from lazydicom._bytes.source import ByteRange\n"
        "source = pickle.load(sys.stdin.buffer)\n"
        "sys.stdout.buffer.write(bytes(source.read(ByteRange(400, 100))))"
    )

    done = subprocess.run(
        [sys.executable, "-c", code],
        input=pickle.dumps(source),
        check=True,
        capture_output=True,
    )

    assert done.stdout == DATA[400:500]


def test_many_threads_read_at_once(source: ByteSource) -> None:
    chance = random.Random(2)
    offsets = [chance.randrange(len(DATA) - 1000) for _ in range(400)]

    def read(offset: int) -> bytes:
        return bytes(source.read(ByteRange(offset, 1000)))

    with ThreadPoolExecutor(8) as pool:
        blocks = list(pool.map(read, offsets))

    assert blocks == [DATA[offset : offset + 1000] for offset in offsets]


def test_versions_are_told_apart(
    make: Callable[[Path, bytes], ByteSource], tmp_path: Path
) -> None:
    first = make(tmp_path, DATA)
    version = first.version

    second = make(tmp_path, DATA[::-1] + b"more")

    assert second.version != version
    assert hash(second.version) != hash(version)


@pytest.mark.parametrize("kind", sorted(MAKERS.keys() - {"inflated"}))
def test_an_empty_file_has_nothing_to_read(kind: str, tmp_path: Path) -> None:
    source = MAKERS[kind](tmp_path, b"")

    assert source.size() == 0
    assert bytes(source.read(ByteRange(0, 0))) == b""
    with pytest.raises(SourceError):
        source.read(ByteRange(0, 1))


@pytest.mark.parametrize("local", ["pread", "mmap"])
def test_what_is_no_readable_file_is_named(tmp_path: Path, local: Any) -> None:  # noqa: ANN401
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    for path in (tmp_path, tmp_path / "absent", pipe, "/dev/null", "a\0b"):
        with pytest.raises(SourceError) as error:
            open_source(path, local=local)

        assert error.value.url is not None


@pytest.mark.parametrize(
    "url",
    [
        "nope://x/y.dcm",
        "memory://absent.dcm",
        "reference://x/y.dcm",
        "github://x/y.dcm",
        "dir://x/y.dcm",
        "ftp://127.0.0.1:9/y.dcm",
        "sftp://127.0.0.1:9/y.dcm",
    ],
)
def test_a_url_that_leads_nowhere_is_named(url: str) -> None:
    with pytest.raises(SourceError, match=url):
        open_source(url)


@pytest.mark.parametrize(
    "url",
    [
        "reference://x/folder/",
        "ftp://127.0.0.1:9/folder/",
        "data://,folder/",
        "http://[::1/folder/",
    ],
)
def test_a_folder_that_leads_nowhere_is_named(url: str) -> None:
    with pytest.raises(SourceError, match=re.escape(url)):
        lazydicom.open_series(url)


def test_a_bucket_without_credentials_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    options = {"endpoint_url": "http://127.0.0.1:9", "skip_instance_cache": True}

    with pytest.raises(SourceError, match="s3://bucket/folder/"):
        lazydicom.open_series("s3://bucket/folder/", options)


def test_a_file_url_with_a_space_is_opened(tmp_path: Path) -> None:
    path = tmp_path / "two words.dcm"
    path.write_bytes(make_native(rows=4, columns=5))

    array = lazydicom.open_image(path.as_uri())

    assert array.images[0].url == str(path)


@pytest.mark.parametrize("what", [None, [b"a"], 5])
def test_what_cannot_be_opened_is_named_by_its_type(what: object) -> None:
    with pytest.raises(TypeError, match=f"found {type(what).__name__}"):
        lazydicom.open_image(what)  # type: ignore[arg-type]
