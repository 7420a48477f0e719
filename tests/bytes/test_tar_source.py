"""Members of a tar file: found by its headers, near and far, honest and made to harm."""

from __future__ import annotations

import io
import tarfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pytest
from dicom_files import make_native
from range_server import RangeServer
from series_files import write_volume

import lazydicom
from lazydicom._bytes.containers import tar as tar_module
from lazydicom._bytes.containers.tar_headers import read_headers
from lazydicom._bytes.source import MemorySource
from lazydicom.errors import LazyDicomError, LimitError, SourceError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lazydicom._bytes.source import ByteRange

FILE: Final = make_native(rows=16, columns=16)
STYLES: Final = [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]


def packed(members: list[tuple[str, bytes]], style: int = tarfile.PAX_FORMAT) -> bytes:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w", format=style) as file:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            file.addfile(info, io.BytesIO(data))
    return archive.getvalue()


def odd_members(style: int) -> tuple[bytes, list[str]]:
    """Give a tar file of all kinds of entries, and the names of its regular files."""
    archive = io.BytesIO()
    names = ["a", "über/ß.dcm", "x" * 90, "d" * 60 + "/" + "y" * 90]
    if style != tarfile.USTAR_FORMAT:
        names += ["z" * 300, "läng/" * 60 + "e", "a\nb", "trailing /", "end "]
    with tarfile.open(fileobj=archive, mode="w", format=style) as file:
        for number, name in enumerate(names):
            for kind in (tarfile.SYMTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE):
                other = tarfile.TarInfo(f"{number}-{kind.decode()}")
                other.type, other.linkname = kind, "/etc/passwd"
                if style == tarfile.PAX_FORMAT:
                    other.pax_headers = {"comment": "ü" * number}
                file.addfile(other)
            info = tarfile.TarInfo(name)
            info.size = 700 * number
            file.addfile(info, io.BytesIO(bytes([number]) * info.size))
    return archive.getvalue(), [name for name in names if not name.endswith("/")]


@pytest.mark.parametrize("style", STYLES)
def test_files_are_those_that_tarfile_finds(style: int) -> None:
    data, _ = odd_members(style)

    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        expected = [
            (one.name, one.offset_data, one.size) for one in archive if one.isreg()
        ]

    assert list(read_headers(MemorySource(data))) == expected
    assert len(expected) >= 4


def test_a_file_larger_than_octal_digits_tell_is_known() -> None:
    for style in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        info = tarfile.TarInfo("a")
        info.size = 1 << 40
        head = info.tobuf(style)

        (file,) = read_headers(MemorySource(head + bytes(1024)))

        assert (file.name, file.length) == ("a", 1 << 40)


def test_sparse_files_are_left_out_and_what_follows_is_found() -> None:
    info = tarfile.TarInfo("a")
    info.size, info.type = 512, tarfile.GNUTYPE_SPARSE
    head = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    head[482] = 1
    head[148:156] = b" " * 8
    head[148:156] = f"{sum(head):06o}\0 ".encode()
    extended = bytearray(512)
    more = bytes(extended[:504]) + b"\1" + bytes(7) + bytes(512)
    data = bytes(head) + more + b"d" * 512 + packed([("b", b"data")])

    assert [one.name for one in read_headers(MemorySource(data))] == ["b"]


@dataclass(frozen=True)
class FarSource:
    """Bytes that are read together, round by round."""

    data: bytes
    rounds: list[list[ByteRange]] = field(default_factory=list)
    url: str = "a.tar"

    def size(self) -> int:
        return len(self.data)

    def read(self, span: ByteRange) -> bytes:
        return self.read_many([span])[0]

    def read_many(self, spans: Sequence[ByteRange]) -> list[bytes]:
        self.rounds.append(list(spans))
        return [self.data[span.offset : span.stop] for span in spans]


@pytest.mark.parametrize(
    ("sizes", "rounds", "share"),
    [
        ([40_000] * 60, 7, 1.1),
        ([300_000] * 600, 16, 0.01),
        ([100, 300_000, 9000, 400_000] * 15, 60, 0.9),
        ([10] * 300, 4, 1.1),
    ],
    ids=["short", "equal", "mixed", "tiny"],
)
def test_headers_far_away_take_few_rounds(
    sizes: list[int], rounds: int, share: float
) -> None:
    data = packed([(f"{k}.bin", bytes(size)) for k, size in enumerate(sizes)])
    source: Any = FarSource(data)

    assert len(list(read_headers(source))) == len(sizes)

    assert len(source.rounds) <= rounds
    sent = sum(span.length for spans in source.rounds for span in spans)
    assert sent <= share * len(data)


def test_a_series_in_a_tar_file_far_away_costs_few_requests(tmp_path: Path) -> None:
    (tmp_path / "ct").mkdir()
    write_volume(tmp_path / "ct", planes=40)
    members = [
        (path.name, path.read_bytes()) for path in sorted((tmp_path / "ct").iterdir())
    ]
    expected = np.asarray(lazydicom.open_series(tmp_path / "ct"))
    with RangeServer({"a.tar": packed(members)}) as server:
        series = lazydicom.open_series(server.url("a.tar"))

        assert len(server.requests) <= 12
        assert np.array_equal(series, expected)


def headed(kind: bytes, size: int, data: bytes = b"", **fields: Any) -> bytes:  # noqa: ANN401
    info = tarfile.TarInfo("a")
    info.type, info.size = kind, size
    for name, value in fields.items():
        setattr(info, name, value)
    return info.tobuf(tarfile.GNU_FORMAT) + data + bytes(-len(data) % 512)


HOSTILE: Final = {
    "a name of gigabytes": headed(b"L", 5 << 30),
    "pax of gigabytes": headed(b"x", 5 << 30),
    "a long name cut": headed(b"L", 600, b"x" * 400),
    "a file behind the end": headed(b"0", 5 << 30),
    "garbage behind the first": headed(b"0", 0) + b"\xff" * 512,
    "a sum that is wrong": b"a" + headed(b"0", 0)[1:148] + b"0000000\0" + bytes(400),
    "digits that make patterns slow": headed(b"x", 60_000, b"1" * 60_000) * 40,
    "records that claim too much": headed(b"x", 30, b"99999999999 path=a\n") * 40,
    "records of no length": headed(b"x", 30, b"0 path=a\n" * 3) * 40,
    "a size that is no number": headed(b"x", 20, b"17 size=\xd9\xa1\xd9\xa2\n") * 40,
    "maps without end": headed(b"S", 0)[:482] + b"\1" + bytes(29) + b"\1" * 5000,
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_headers_made_to_harm_are_errors_of_ours(tmp_path: Path, kind: str) -> None:
    (tmp_path / "a.tar").write_bytes(HOSTILE[kind] + bytes(1024))

    with pytest.raises(LazyDicomError, match=r"a\.tar"):
        lazydicom.open_series(tmp_path / "a.tar")


def test_more_files_than_are_listed_are_a_limit_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tar_module, "_MOST_MEMBERS", 50)
    (tmp_path / "a.tar").write_bytes(packed([(f"{k}", b"") for k in range(51)]))

    with pytest.raises(LimitError, match=r"more than 50 files.*a\.tar"):
        lazydicom.open_series(tmp_path / "a.tar")


def test_a_file_behind_the_end_is_an_error_when_it_is_opened(tmp_path: Path) -> None:
    data = packed([("a.dcm", FILE)])
    (tmp_path / "a.tar").write_bytes(data[: 512 + 300])

    with pytest.raises(SourceError, match=r"ends behind its end.*a\.dcm"):
        lazydicom.open_image(f"tar://a.dcm::{tmp_path / 'a.tar'}")
