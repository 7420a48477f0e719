"""Without the item of the Basic Offset Table the first item is a frame, and is frame 0."""

from __future__ import annotations

import pytest
from codestream_samples import HTJ2K, JPEG, JPEG_2000, JPEG_LS, RLE, codestream
from dicom_elements import delimiter, item
from encapsulated_files import make_encapsulated
from range_server import RangeServer

import lazydicom
from lazydicom._frames.reader import read_frame
from lazydicom.errors import InvalidDicomError, LazyDicomWarning

SYNTAXES = [JPEG, JPEG_LS, JPEG_2000, HTJ2K, RLE]


def made(syntax: str, stored: int = 5) -> tuple[bytes, list[bytes]]:
    frames = [codestream(syntax, b"%06d" % at * 9) for at in range(5)]
    frames = [frame + bytes(len(frame) % 2) for frame in frames]
    value = b"".join(map(item, frames[:stored])) + delimiter()
    return make_encapsulated(frames, value=value, transfer_syntax=syntax), frames


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_frames_have_their_right_numbers(syntax: str) -> None:
    file, frames = made(syntax)

    with pytest.warns(LazyDicomWarning, match="Offset Table item is missing"):
        array = lazydicom.open_image(file)

    reader = array.images[0].reader
    assert [bytes(read_frame(reader, at)) for at in range(5)] == frames


@pytest.mark.filterwarnings("ignore:The Basic Offset Table item is missing")
@pytest.mark.parametrize("syntax", SYNTAXES)
def test_they_have_them_far_away_too(syntax: str) -> None:
    file, frames = made(syntax)

    with RangeServer({"a.dcm": file}) as server:
        reader = lazydicom.open_image(server.url("a.dcm")).images[0].reader
        found = [bytes(read_frame(reader, at)) for at in (3, 0, 4)]

    assert found == [frames[at] for at in (3, 0, 4)]


@pytest.mark.filterwarnings("ignore::lazydicom.errors.LazyDicomWarning")
@pytest.mark.parametrize("syntax", SYNTAXES)
def test_too_few_of_them_keep_their_numbers(syntax: str) -> None:
    file, frames = made(syntax, stored=3)

    with pytest.raises(InvalidDicomError, match="3 complete frames"):
        lazydicom.open_image(file)
    array = lazydicom.open_image(file, allow_truncated=True)

    reader = array.images[0].reader
    assert [bytes(read_frame(reader, at)) for at in range(3)] == frames[:3]


@pytest.mark.parametrize("end", [bytes(64), b"", b"garbage!" * 3, b"\xff" * 40])
@pytest.mark.parametrize("syntax", SYNTAXES)
def test_what_stands_for_the_delimiter_does_not_matter_where_it_may_be_wrong(
    syntax: str, end: bytes
) -> None:
    _, frames = made(syntax)
    value = item() + b"".join(map(item, frames)) + end
    file = make_encapsulated(frames, value=value, transfer_syntax=syntax)

    with pytest.raises(InvalidDicomError, match=r"allow_truncated=True .* at byte \d"):
        lazydicom.open_image(file)
    with pytest.warns(LazyDicomWarning, match="Expected"):
        array = lazydicom.open_image(file, allow_truncated=True)

    reader = array.images[0].reader
    assert [bytes(read_frame(reader, at)) for at in range(5)] == frames
