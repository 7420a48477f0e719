"""Another codec is one value and two rows: of the codecs and of the transfer syntaxes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import fsspec
import imagecodecs
import numpy as np
import pytest
from encapsulated_files import make_encapsulated

import lazydicom
from lazydicom._decode.codec import Codec
from lazydicom._decode.codecs.registry import CODECS
from lazydicom._header.transfer_syntax import TRANSFER_SYNTAXES, TransferSyntax

if TYPE_CHECKING:
    from pathlib import Path

    from encapsulated_files import Table
    from numpy.typing import NDArray

    from lazydicom._bytes.source import BytesLike
    from lazydicom._decode.format import FrameFormat

UID = "1.2.826.0.1.3680043.8.498.1"
FRAMES = np.arange(3 * 8 * 6, dtype=np.uint8).reshape(3, 8, 6)


def preflight(data: BytesLike, format_: FrameFormat) -> None:
    """Check nothing: it is a toy."""


def decode(
    data: BytesLike, header: None, format_: FrameFormat, out: NDArray[Any]
) -> None:
    out[...] = imagecodecs.lerc_decode(bytes(data)).reshape(out.shape)


LERC = Codec("lerc", preflight, decode)
MARKED = replace(LERC, first_bytes=(b"Lerc2 ",))
ONE_EACH = replace(LERC, one_fragment=True)


@pytest.mark.parametrize("table", ["basic", "empty", "extended"])
@pytest.mark.parametrize("source", ["bytes", "local", "distant"])
@pytest.mark.parametrize("codec", [LERC, MARKED, ONE_EACH])
def test_a_codec_is_one_value_and_two_rows(
    codec: Codec,
    source: str,
    table: Table,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(CODECS, "lerc", codec)
    syntax = TransferSyntax(UID, "Toy LERC", codec="lerc")
    monkeypatch.setitem(TRANSFER_SYNTAXES, UID, syntax)
    streams = [bytes(imagecodecs.lerc_encode(frame)) for frame in FRAMES]
    file = make_encapsulated(
        [stream + bytes(len(stream) % 2) for stream in streams],
        table=table,
        transfer_syntax=UID,
        rows=8,
        columns=6,
        bits_allocated=8,
        bits_stored=8,
    )
    (tmp_path / "lerc.dcm").write_bytes(file)
    fsspec.filesystem("memory").pipe_file("/toy/lerc.dcm", file)
    urls: dict[str, bytes | Path | str] = {
        "bytes": file,
        "local": tmp_path / "lerc.dcm",
        "distant": "memory://toy/lerc.dcm",
    }

    array = lazydicom.open_image(urls[source])

    assert np.array_equal(array[1], FRAMES[1])
    assert np.array_equal(np.asarray(array), FRAMES)


def test_each_codec_has_the_name_of_its_row() -> None:
    used = {syntax.codec for syntax in TRANSFER_SYNTAXES.values()} - {None, "video"}

    assert used == set(CODECS)
    assert all(codec.name == name for name, codec in CODECS.items())
