"""DICOMweb: the same pixels from a real Orthanc with its quirks, and no answer believed."""

from __future__ import annotations

import pickle
import re
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import imagecodecs
import numpy as np
import pytest
import requests
from codestream_samples import JPEG_2000, JPEG_LS
from command_line import run
from dicom_files import (
    DEFLATED,
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    element,
    make_encapsulated,
    make_native,
    sequence,
)
from instance_uids import uids
from orthanc import USER, orthanc

import lazydicom
from lazydicom._frames.dicomweb.multipart import parse_multipart
from lazydicom._frames.reader import read_frame
from lazydicom.errors import InvalidDicomError, SourceError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from orthanc import Orthanc

PLANE: dict[str, Any] = {"rows": 40, "columns": 50, "number_of_frames": 150}
NOISE = np.random.default_rng(1).integers(0, 64, (5, 40, 50), np.uint8)
COLOR = np.random.default_rng(2).integers(0, 64, (5, 40, 50, 3), np.uint8)
LONG_UID = "1.2.3.4." + "7" * 70


def encoded(
    instance: str,
    syntax: str,
    encode: Callable[[Any], bytes | bytearray],
    pixels: Any = NOISE,  # noqa: ANN401
) -> bytes:
    return make_encapsulated(
        [bytes(encode(frame)) for frame in pixels],
        table="empty",
        transfer_syntax=syntax,
        rows=40,
        columns=50,
        bits_allocated=8,
        samples_per_pixel=1 if pixels.ndim == 3 else 3,
        photometric_interpretation="MONOCHROME2" if pixels.ndim == 3 else "RGB",
        elements=uids(instance),
    )


def jpeg_2000(frame: Any) -> bytes | bytearray:  # noqa: ANN401
    return imagecodecs.jpeg2k_encode(frame, codecformat="j2k", level=0, mct=False)


def functional_groups(*rescales: tuple[int, int]) -> bytes:
    """Make an item per frame with its own intercept and slope."""
    items = [
        sequence(
            0x00289145,
            element(0x00281052, "DS", b"%d" % intercept)
            + element(0x00281053, "DS", b"%d" % slope)
            + element(0x00281054, "LO", b"US"),
        )
        for intercept, slope in rescales
    ]
    return sequence(0x52009230, *items)


FILES = {
    "1.1": make_native(**PLANE, elements=uids("1.1")),
    "1.2": make_native(**PLANE, transfer_syntax=DEFLATED, elements=uids("1.2")),
    "1.3": make_native(
        **PLANE,
        samples_per_pixel=3,
        bits_allocated=8,
        planar_configuration=1,
        elements=uids("1.3"),
    ),
    "1.4": make_native(number_of_frames=1, declared_frames=None, elements=uids("1.4")),
    "1.5": encoded("1.5", JPEG_LS, imagecodecs.jpegls_encode),
    "1.6": encoded("1.6", JPEG_2000, jpeg_2000),
    "1.7": encoded("1.7", JPEG_2000, jpeg_2000, COLOR),
    "1.8": make_native(
        rows=3,
        columns=5,
        number_of_frames=7,
        bits_allocated=8,
        elements=uids("1.8"),
    ),
    "1.11": make_native(
        number_of_frames=3,
        elements=uids("1.11"),
        extra_before=functional_groups((0, 1), (10, 2), (20, 3)),
    ),
    LONG_UID: make_native(elements=uids(LONG_UID)),
}


pytestmark = pytest.mark.usefixtures("waits")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    with orthanc(tmp_path_factory.mktemp("orthanc")) as running:
        for file in FILES.values():
            running.put(file)
        running.put(
            make_native(
                rows=3,
                columns=7,
                bits_allocated=1,
                number_of_frames=5,
                elements=uids("1.9"),
            )
        )
        yield running


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note what is asked of the server."""
    urls: list[str] = []
    send = requests.Session.send

    def noted(self: requests.Session, request: Any, **options: Any) -> Any:  # noqa: ANN401
        urls.append(request.url.partition("/instances/")[2])
        return send(self, request, **options)

    monkeypatch.setattr(requests.Session, "send", noted)
    return urls


# --- the same pixels ----------------------------------------------------------


@pytest.mark.filterwarnings("ignore:The value length .78.:UserWarning")
@pytest.mark.parametrize("instance", FILES)
def test_every_kind_of_file_gives_the_pixels_of_the_file(
    server: Orthanc, instance: str
) -> None:
    expected = lazydicom.open_image(FILES[instance])

    array = lazydicom.open_image(server.url(instance))

    assert (array.dims, array.shape, array.dtype) == (
        expected.dims,
        expected.shape,
        expected.dtype,
    )
    hashes = {
        sha256(np.asarray(one).tobytes()).hexdigest() for one in (array, expected)
    }
    assert len(hashes) == 1
    assert array.attrs == expected.attrs


def test_an_expression_reads_as_numpy_would(server: Orthanc) -> None:
    array = lazydicom.open_image(server.url("1.1"))
    whole = np.asarray(lazydicom.open_image(FILES["1.1"]))

    assert np.array_equal(array[[9, 2, 140], 3:7], whole[[9, 2, 140], 3:7])
    assert np.array_equal(array[::40], whole[::40])
    assert np.array_equal(array[149], whole[149])


def test_many_frames_come_in_few_requests(server: Orthanc, asked: list[str]) -> None:
    array = lazydicom.open_image(server.url("1.1"))
    asked.clear()

    plan = array.plan()
    array[...]

    assert [one.count(",") + 1 for one in sorted(asked, key=len)] == [22, 64, 64]
    assert plan.requests == 3
    assert plan.read_nbytes is None
    assert "? to read" in repr(plan)


def test_opening_asks_for_metadata_and_one_frame(
    server: Orthanc, asked: list[str]
) -> None:
    lazydicom.open_image(server.url("1.5"))

    assert asked == ["1.5/metadata", "1.5/frames/1"]


def test_the_header_is_a_dataset(server: Orthanc) -> None:
    image = lazydicom.open_image(server.url("1.5")).images[0]

    assert image.header.dataset.PixelSpacing == [0.5, 0.25]
    assert image.header.dataset.file_meta.TransferSyntaxUID == JPEG_LS
    assert image.header.transfer_syntax.uid == JPEG_LS


def test_each_frame_has_the_rescaling_of_its_functional_groups(server: Orthanc) -> None:
    expected = lazydicom.apply_modality_lut(lazydicom.open_image(FILES["1.11"]))

    array = lazydicom.apply_modality_lut(lazydicom.open_image(server.url("1.11")))

    assert np.asarray(array).dtype == np.float64
    assert np.array_equal(array, expected)


def test_encoded_frames_are_those_of_the_file(server: Orthanc) -> None:
    expected = lazydicom.open_image(FILES["1.5"]).images[0]

    image = lazydicom.open_image(server.url("1.5")).images[0]

    assert image.encoded_frame(3) == expected.encoded_frame(3)


def test_a_pickled_array_reads(server: Orthanc) -> None:
    array = lazydicom.open_image(server.url("1.5"))

    again = pickle.loads(pickle.dumps(array))

    assert len(pickle.dumps(array)) < 3000
    assert np.array_equal(again, array)
    assert again.images[0].header.image_pixel == array.images[0].header.image_pixel


def test_dask_reads_in_its_threads(server: Orthanc) -> None:
    array = lazydicom.open_image(server.url("1.1"))
    whole = np.asarray(lazydicom.open_image(FILES["1.1"]))

    total = lazydicom.to_dask(array, frames_per_chunk=10).sum(axis=0).compute()

    assert np.array_equal(total, whole.sum(axis=0))


# --- quirks of Orthanc --------------------------------------------------------


def test_orthanc_refuses_any_type_so_a_type_is_named(server: Orthanc) -> None:
    """If this fails, Orthanc has learned: then say so in `_wado_reader`."""
    url = server.url("1.1").removeprefix("dicomweb+") + "/frames/1"
    accept = {"Accept": 'multipart/related; type="*/*"; transfer-syntax=*'}

    assert requests.get(url, headers=accept, timeout=30).status_code == 400


def test_a_deflated_instance_is_asked_for_again_without_a_star(
    server: Orthanc, asked: list[str]
) -> None:
    array = lazydicom.open_image(server.url("1.2"))

    assert asked == ["1.2/metadata", *["1.2/frames/1"] * 3, "1.2"]
    assert array.images[0].header.transfer_syntax.uid == EXPLICIT_LITTLE


@pytest.mark.parametrize("bits", [8, 16])
def test_big_endian_is_refused_because_orthanc_calls_it_little(
    server: Orthanc, bits: int
) -> None:
    """If this fails because Orthanc says no itself, it has learned."""
    server.put(
        make_native(
            transfer_syntax=EXPLICIT_BIG,
            bits_allocated=bits,
            vr="OW",
            elements=uids(f"1.10.{bits}", big_endian=True),
        )
    )

    with pytest.raises(UnsupportedError, match="big endian"):
        lazydicom.open_image(server.url(f"1.10.{bits}"))


def test_jpeg_2000_comes_as_stored_because_orthanc_does_not_decode_it(
    server: Orthanc,
) -> None:
    image = lazydicom.open_image(server.url("1.6")).images[0]

    assert image.header.transfer_syntax.uid == JPEG_2000


def test_frames_inside_bytes_are_refused(server: Orthanc) -> None:
    with pytest.raises((SourceError, UnsupportedError)):
        lazydicom.open_image(server.url("1.9"))


def test_a_frame_that_is_not_there_is_an_error(server: Orthanc) -> None:
    array = lazydicom.open_image(server.url("1.5"))
    reader = array.images[0].reader

    with pytest.raises(InvalidDicomError, match="below 5"):
        read_frame(reader, 5)
    with pytest.raises(InvalidDicomError, match="below 5"):
        read_frame(reader, -1)


def test_a_frame_asked_for_twice_comes_twice(server: Orthanc) -> None:
    reader = lazydicom.open_image(server.url("1.5")).images[0].reader

    first, second = reader.read([1, 1])

    assert bytes(first) == bytes(second) == bytes(read_frame(reader, 1))


def test_the_host_of_a_frame_is_named_with_its_port(
    server: Orthanc, monkeypatch: pytest.MonkeyPatch
) -> None:
    hosts: list[object] = []
    bent(monkeypatch, lambda answer: hosts.append(answer.request.headers.get("Host")))

    lazydicom.open_image(server.url("1.5"))

    assert hosts == [None]  # the client underneath then writes host and port


def test_the_command_tells_what_is_there(server: Orthanc) -> None:
    result = run("info", server.url("1.5"), "--plan", "0:4")

    printed = " ".join(result.stdout.split())
    assert "JPEG-LS Lossless" in printed
    assert "a server gives frames by number" in printed
    assert "4 frames: 1 requests, ? to read" in printed


def test_an_instance_that_is_not_there_is_an_error(server: Orthanc) -> None:
    with pytest.raises(SourceError, match=r"no such instance.*instances/1\.77"):
        lazydicom.open_image(server.url("1.77"))


def test_a_password_is_used_and_is_in_no_text(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with orthanc(tmp_path_factory.mktemp("password"), password=True) as server:
        server.put(FILES["1.5"])

        array = lazydicom.open_image(server.url("1.5"), {"auth": USER})
        with pytest.raises(SourceError, match="credentials") as refused:
            lazydicom.open_image(server.url("1.5"), {"auth": ("reader", "wrong")})

        assert np.array_equal(array, NOISE)
        texts = repr(array) + repr(array.images[0].reader) + str(refused.value)
        assert USER[1] not in texts


# --- answers that are not believed --------------------------------------------


def bent(
    monkeypatch: pytest.MonkeyPatch, change: Callable[[requests.Response], None]
) -> None:
    """Change each answer of frames before the client sees it."""
    send = requests.adapters.HTTPAdapter.send

    def changed(self: Any, request: Any, **options: Any) -> Any:  # noqa: ANN401
        response = send(self, request, **options)
        if "/frames/" in request.url:
            _ = response.content
            change(response)
        return response

    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", changed)


def body(change: Callable[[bytes], bytes]) -> Callable[[requests.Response], None]:
    def apply(response: requests.Response) -> None:
        response._content = change(response.content)

    return apply


def kind(text: str) -> Callable[[requests.Response], None]:
    def apply(response: requests.Response) -> None:
        response.headers["Content-Type"] = text

    return apply


def without_part(data: bytes) -> bytes:
    boundary = data[: data.index(b"\r\n")]
    head, _, rest = data[len(boundary) :].partition(boundary)
    del head
    return boundary + rest


FAULTS = {
    "cut": (body(lambda data: data[:-100]), "cut"),
    "cut before the last boundary": (
        body(lambda data: data[: data.rindex(b"\r\n--")]),
        "cut",
    ),
    "a part less": (body(without_part), "the server sent"),
    "another order": (
        body(lambda data: data.replace(b"/frames/3\r", b"/frames/4\r")),
        "Expected frame 3",
    ),
    "a length that lies": (
        body(lambda data: data.replace(b"Length: 4000", b"Length: 4002")),
        "4002 bytes",
    ),
    "short frames": (
        body(
            lambda data: (
                re.sub(rb"Content-Length: \d+\r\n", b"", data)[:-1].replace(
                    b"\r\n\r\n", b"\r\n\r\nxx"
                )
                + b"\n"
            )
        ),
        "Expected a frame of 4000 bytes",
    ),
    "another syntax": (
        body(
            lambda data: data.replace(
                b"1.2.840.10008.1.2.1\r", b"1.2.840.10008.1.2.5\r"
            )
        ),
        "Expected a frame in",
    ),
    "a login page": (kind("text/html"), "found text/html"),
    "no type": (kind(""), "found nothing"),
    "no boundary": (kind("multipart/related"), "with a boundary"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_an_answer_that_is_not_the_frames_is_an_error(
    server: Orthanc, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    array = lazydicom.open_image(server.url("1.1"))
    change, reason = FAULTS[fault]
    bent(monkeypatch, change)

    with pytest.raises(SourceError, match=reason):
        array[2:4]


def test_a_url_that_names_no_instance_is_an_error() -> None:
    with pytest.raises(SourceError, match="instances/UID"):
        lazydicom.open_image("dicomweb+https://host/studies/1.2/series/3")


def test_a_server_that_is_not_there_is_an_error() -> None:
    url = "dicomweb+http://127.0.0.1:9/studies/1/series/2/instances/3"

    with pytest.raises(SourceError, match="No response: ConnectionError"):
        lazydicom.open_image(url)


def test_an_option_that_is_not_known_is_an_error() -> None:
    url = "dicomweb+http://127.0.0.1:9/studies/1/series/2/instances/3"

    with pytest.raises(ValueError, match="anon"):
        lazydicom.open_image(url, {"anon": True})


def test_an_index_is_of_a_file() -> None:
    url = "dicomweb+http://127.0.0.1:9/studies/1/series/2/instances/3"

    with pytest.raises(ValueError, match="is of a file"):
        lazydicom.open_image(url, cache=True)


def test_a_type_may_stand_inside_or_outside_the_quotes() -> None:
    answer = b"--x\r\n\r\nframe\r\n--x--"
    inside = 'multipart/related; type="image/jls; transfer-syntax=1.2"; boundary=x'
    outside = 'multipart/related; boundary="x"; type="image/jls"; transfer-syntax=1.2'

    for text in (inside, outside):
        (part,) = parse_multipart(text, answer, frames=1)
        assert part.transfer_syntax == "1.2"
