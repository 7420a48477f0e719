"""Answers of DICOMweb servers that Orthanc does not give: read right, or an error."""

from __future__ import annotations

import base64
import logging
import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from wado_server import (
    NATIVE,
    PIXELS,
    RELATED,
    Answer,
    WadoServer,
    frames_of,
    metadata,
    multipart,
)

import lazydicom
from lazydicom.errors import (
    InvalidDicomError,
    LimitError,
    SourceChangedError,
    SourceError,
    UnsupportedError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("waits")
SECRET = "S3CR3T"  # noqa: S105 (that is the point)
HIDDEN = base64.b64encode(f"user:{SECRET}".encode()).decode()


@pytest.fixture
def server() -> Iterator[WadoServer]:
    with WadoServer() as running:
        yield running


# --- metadata -----------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"null", b"[null]", b"5", b"[5]", b"[[]]", b"<html>", b"[" * 100_000],
    ids=lambda body: body[:10].decode(),
)
def test_what_are_no_metadata_is_an_error_that_names_the_instance(
    server: WadoServer, body: bytes
) -> None:
    server.metadata = body

    with pytest.raises(SourceError, match=r"in dicomweb\+http://.*/instances/1\.9"):
        lazydicom.open_image(server.url)


@pytest.mark.parametrize(
    "uid", [[], "1.9", {"Value": []}, {"Value": None}, {"Value": {"a": 1}}], ids=str
)
def test_metadata_that_do_not_name_the_instance_are_an_error(
    server: WadoServer, uid: object
) -> None:
    server.metadata["00080018"] = uid

    with pytest.raises(SourceError, match="those of another instance"):
        lazydicom.open_image(server.url)


@pytest.mark.parametrize("rows", [1e999, {}, [[]], "x"], ids=str)
def test_a_value_of_another_kind_is_an_error(server: WadoServer, rows: object) -> None:
    server.metadata["00280010"]["Value"] = [rows]

    with pytest.raises(InvalidDicomError):
        lazydicom.open_image(server.url)


def test_more_frames_than_anybody_has_are_an_error_not_gigabytes(
    server: WadoServer,
) -> None:
    server.metadata["00280008"]["Value"] = [2**31 - 1]

    with pytest.raises(LimitError, match=r"16777216 frames at most.*instances/1\.9"):
        lazydicom.open_image(server.url)


@pytest.mark.parametrize(
    ("tag", "element", "same"),
    [
        ("00281053", {"vr": "DS", "Value": [2]}, False),
        ("00291010", {"vr": "OB", "BulkDataURI": "http://host/signed-anew"}, True),
    ],
)
def test_a_header_that_changed_meanwhile_is_an_error(
    server: WadoServer, tag: str, element: dict[str, Any], *, same: bool
) -> None:
    server.metadata["00291010"] = {"vr": "OB", "BulkDataURI": "http://host/signed"}
    travelled = pickle.loads(pickle.dumps(lazydicom.open_image(server.url)))

    server.metadata[tag] = element

    if same:
        assert travelled.images[0].header.image_pixel.rows == 5
    else:
        with pytest.raises(SourceChangedError, match=r"instances/1\.9"):
            _ = travelled.images[0].header


# --- parts --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "boundary"),
    [
        ("x", "x"),
        ('"x"', "x"),
        ('"x y z"', "x y z"),
        ("==x==", "==x=="),
        ('"\'()+_,-./:=?"', "'()+_,-./:=?"),
    ],
)
def test_a_boundary_may_be_quoted_and_hold_spaces(
    server: WadoServer, written: str, boundary: str
) -> None:
    server.frames = lambda numbers: Answer(
        multipart(frames_of(PIXELS, numbers), boundary=boundary), RELATED + written
    )

    assert np.array_equal(lazydicom.open_image(server.url), PIXELS)


def test_words_before_the_first_part_are_skipped(server: WadoServer) -> None:
    server.frames = lambda numbers: Answer(
        multipart(frames_of(PIXELS, numbers), preamble=b"This is multipart.")
    )

    assert np.array_equal(lazydicom.open_image(server.url), PIXELS)


def test_an_answer_of_no_length_is_read_to_its_closing_boundary(
    server: WadoServer,
) -> None:
    def answer(numbers: list[int], cut: int) -> Answer:
        whole = multipart(frames_of(PIXELS, numbers))
        return Answer(whole[: len(whole) - cut], has_length=False)

    server.frames = lambda numbers: answer(numbers, 0)
    array = lazydicom.open_image(server.url)
    assert np.array_equal(array, PIXELS)
    server.frames = lambda numbers: answer(numbers, 5)
    with pytest.raises(SourceError, match="closing boundary is missing"):
        array[...]


def located(template: str) -> Callable[[list[int]], Answer]:
    """Send frames in the order of their numbers turned round, each with its place."""

    def answer(numbers: list[int]) -> Answer:
        pieces = [
            multipart(
                frames_of(PIXELS, [number]),
                NATIVE,
                f"Content-Location: {template.format(number=number)}",
            ).removesuffix(b"\r\n--x--\r\n")
            for number in reversed(numbers)
        ]
        return Answer(b"".join(pieces) + b"\r\n--x--")

    return answer


@pytest.mark.parametrize(
    "template", ["/frames/{number}", "/frames/{number}?accept=x", "/frames/{number}/#x"]
)
def test_another_order_is_seen_however_a_place_is_written(
    server: WadoServer, template: str
) -> None:
    array = lazydicom.open_image(server.url)
    server.frames = located(f"http://host/instances/1.9{template}")
    server.asked.clear()

    assert np.array_equal(array[...], PIXELS)

    asked = [path.rpartition("/")[2] for path, _ in server.asked]
    assert sorted(asked, key=len) == ["1", "2", "3", "4", "1,2,3,4"]


def test_a_server_that_sent_another_order_is_asked_one_by_one(
    server: WadoServer,
) -> None:
    plain, array = server.frames, lazydicom.open_image(server.url)
    server.frames = located("/instances/1.9/frames/{number}")
    array[...]
    server.frames = plain  # parts that do not say which frame they are
    server.asked.clear()

    assert np.array_equal(array[...], PIXELS)

    assert all("," not in path for path, _ in server.asked)


def test_one_frame_that_is_another_one_is_an_error(server: WadoServer) -> None:
    array = lazydicom.open_image(server.url)
    server.frames = lambda _: located("/instances/1.9/frames/{number}")([3])

    with pytest.raises(SourceError, match="Expected frame 1 of 1"):
        array[0]


@pytest.mark.parametrize(
    "kind",
    [
        "application/octet-stream",
        "application/octet-stream; transfer-syntax=1.2.840.10008.1.2.1",
        'Application/Octet-Stream; transfer-syntax="1.2.840.10008.1.2.1"',
    ],
)
def test_one_frame_may_come_without_a_multipart_around_it(
    server: WadoServer, kind: str
) -> None:
    def answer(numbers: list[int]) -> Answer:
        if len(numbers) > 1:
            return Answer(multipart(frames_of(PIXELS, numbers)))
        return Answer(frames_of(PIXELS, numbers)[0], kind)

    server.frames = answer

    array = lazydicom.open_image(server.url)

    assert np.array_equal(array[2], PIXELS[2])
    assert np.array_equal(array, PIXELS)


@pytest.mark.parametrize("kind", ["text/html", "application/json", "image/png", ""])
def test_a_page_instead_of_a_frame_is_an_error(server: WadoServer, kind: str) -> None:
    server.frames = lambda numbers: Answer(frames_of(PIXELS, numbers)[0], kind)

    with pytest.raises(SourceError, match="Expected multipart/related"):
        lazydicom.open_image(server.url)


@pytest.mark.parametrize(
    "whole", [f"{RELATED}x", "multipart/related; boundary=x"], ids=["typed", "plain"]
)
def test_parts_without_a_type_are_those_of_the_whole(
    server: WadoServer, whole: str
) -> None:
    server.frames = lambda numbers: Answer(
        multipart(frames_of(PIXELS, numbers), "X-Nothing: said"), whole
    )

    assert np.array_equal(lazydicom.open_image(server.url), PIXELS)


def test_a_part_without_a_type_is_still_as_long_as_a_frame(server: WadoServer) -> None:
    server.frames = lambda _: Answer(multipart([b"\xff\xd8\xff"], "X-Nothing: said"))

    with pytest.raises(SourceError, match="Expected a frame of 30 bytes, found 3"):
        lazydicom.open_image(server.url)


def test_a_frame_of_another_instance_is_an_error(server: WadoServer) -> None:
    array = lazydicom.open_image(server.url)
    server.frames = located("http://host/instances/1.8/frames/{number}")

    with pytest.raises(SourceError, match="another instance"):
        array[2]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Answer(b"", status=204), "the server sent 0"),
        (Answer(b"", status=304), "the server sent 0"),
        (Answer(b"", status=403), "refuses access"),
        (Answer(b"", status=410), "no such instance any more"),
        (Answer(b"", status=502), r"not respond as it should \(status 502\)"),
        (Answer(b"", status=503), "busy"),
        (Answer(PIXELS[0].tobytes(), "application/dicom"), "multipart/related"),
    ],
    ids=str,
)
def test_an_answer_without_frames_says_why(
    server: WadoServer, answer: Answer, reason: str
) -> None:
    array = lazydicom.open_image(server.url)
    server.frames = lambda _: answer

    with pytest.raises(SourceError, match=reason):
        array[2]


def test_a_busy_server_is_asked_again(server: WadoServer) -> None:
    array = lazydicom.open_image(server.url)
    good, busy = server.frames, [Answer(b"", status=503), Answer(b"", status=429)]
    server.frames = lambda numbers: busy.pop() if busy else good(numbers)

    assert np.array_equal(array[2], PIXELS[2])


# --- colour -------------------------------------------------------------------

NATIVE_UID = "1.2.840.10008.1.2.1"
JPEG_UID = "1.2.840.10008.1.2.4.50"


def colour(**elements: object) -> dict[str, Any]:
    return metadata(
        t00280002=("US", [3]),
        t00280004=("CS", ["YBR_FULL"]),
        t00280006=("US", [0]),
        t00280008=("IS", [4]),
        t00280011=("US", [2]),
        **elements,
    )


@pytest.mark.parametrize(
    ("available", "named"),
    [([], False), ([JPEG_UID], True), ([NATIVE_UID, JPEG_UID], True)],
)
def test_colour_that_the_server_decoded_unasked_is_refused(
    server: WadoServer,
    available: list[str],
    named: bool,
) -> None:
    """It is RGB by then, and the metadata still say YBR_FULL."""
    server.metadata = colour(t00083002=("UI", available))
    if named:
        server.metadata["7FE00010"] = {"vr": "OB", "BulkDataURI": "http://host/x"}

    with pytest.raises(UnsupportedError, match="colour space"):
        lazydicom.open_image(server.url)


def test_colour_that_is_stored_native_is_read(server: WadoServer) -> None:
    server.metadata = colour(t00083002=("UI", [NATIVE_UID]))

    array = lazydicom.open_image(server.url, color="stored")

    assert np.array_equal(array, PIXELS.reshape(4, 5, 2, 3))


# --- how it is stored ---------------------------------------------------------


@pytest.mark.parametrize(
    "file", [Answer(b"", status=404), Answer(b"no file"), Answer(bytes(200) + b"DICM")]
)
def test_frames_not_sent_as_stored_need_the_file_to_tell_how_that_is(
    server: WadoServer, file: Answer
) -> None:
    found = server.answer

    def answer(path: str) -> Answer:
        if path.endswith("/1.9"):
            return file
        as_stored = server.asked[-1][1]["Accept"].endswith("*")
        return Answer(b"", status=500) if as_stored else found(path)

    server.answer = answer  # type: ignore[method-assign]

    with pytest.raises((SourceError, UnsupportedError), match=r"no such|how .* stored"):
        lazydicom.open_image(server.url)


# --- secrets ------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {"headers": {"X-Token": SECRET, "Authorization": SECRET}},
        {"auth": ("u", SECRET)},
    ],
    ids=["headers", "auth"],
)
def test_a_redirect_to_another_server_is_not_followed(
    server: WadoServer, options: dict[str, Any]
) -> None:
    with WadoServer() as elsewhere:
        place = f"http://{elsewhere.host}/studies/1/series/2/instances/1.9/metadata"
        server.metadata = Answer(b"", status=307, location=place)

        with pytest.raises(SourceError, match="redirects to another"):
            lazydicom.open_image(server.url, options)

        assert elsewhere.asked == []


def test_a_redirect_on_the_same_server_is_followed(server: WadoServer) -> None:
    url = server.url.replace("/studies", "/old/studies")
    found = server.answer

    def answer(path: str) -> Answer:
        moved = path.startswith("/old")
        new = path.removeprefix("/old")
        return Answer(b"", status=301, location=new) if moved else found(path)

    server.answer = answer  # type: ignore[method-assign]

    array = lazydicom.open_image(url, {"headers": {"X-Token": SECRET}})

    assert np.array_equal(array, PIXELS)
    assert all(headers["X-Token"] == SECRET for _, headers in server.asked)


def test_a_password_in_the_url_is_used_and_in_no_log(
    server: WadoServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    url = server.url.replace("://", f"://user:{SECRET}@")

    lazydicom.open_image(url)

    assert all(HIDDEN in headers["Authorization"] for _, headers in server.asked)
    assert SECRET not in caplog.text


def test_a_token_that_was_given_is_not_replaced_by_another_of_a_file(
    server: WadoServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login user password of-the-file\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))

    lazydicom.open_image(server.url, {"headers": {"authorization": "Bearer given"}})

    assert {head["authorization"] for _, head in server.asked} == {"Bearer given"}


def test_no_text_of_any_part_holds_a_secret(server: WadoServer) -> None:
    url = server.url.replace("://", f"://user:{SECRET}@")
    array = lazydicom.open_image(url, {"headers": {"X-Token": SECRET}})
    image = array.images[0]

    texts = repr([array, image, vars(image), image.reader, image.header])

    assert "instances/1.9" in texts
    assert SECRET not in texts


def test_the_host_is_named_with_its_port(server: WadoServer) -> None:
    lazydicom.open_image(server.url)

    assert {headers["Host"] for _, headers in server.asked} == {server.host}
