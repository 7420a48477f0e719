"""Names of files far away: folders, patterns, queries, caches."""

import fsspec
import pytest
from dicom_files import make_native
from range_server import RangeServer

import lazydicom
from lazydicom._bytes.listing import list_files

FILE = make_native(number_of_frames=1)


def test_a_query_is_no_pattern() -> None:
    with RangeServer({"a.dcm": FILE}) as server:
        url = f"{server.url('a.dcm')}?signature=1*2"

        for urls in (url, [url]):
            server.forget()
            lazydicom.open_series(urls)

            assert [(q.method, q.path) for q in server.requests] == [("GET", "a.dcm")]


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("memory://listed/x", ["1.dcm", "2[a].dcm"]),
        ("memory://listed/x/", ["1.dcm", "2[a].dcm"]),
        ("memory://listed/x/1*", ["1.dcm"]),
        ("simplecache::memory://listed/x", ["1.dcm", "2[a].dcm"]),
        ("simplecache::memory://listed/x/1*", ["1.dcm"]),
    ],
)
def test_what_is_found_has_names_that_open(url: str, found: list[str]) -> None:
    for name in ("1.dcm", "2[a].dcm"):
        fsspec.filesystem("memory").pipe_file(f"/listed/x/{name}", FILE)
    before = "simplecache::" if url.startswith("simplecache") else ""

    listed = [one.url for one in list_files(url, {})]

    assert listed == [f"{before}memory://listed/x/{name}" for name in found]
    for one in listed:
        assert lazydicom.open_image(one).shape[0] == 1
