"""The parser reads by the caller's object store, and refuses what no reference can say."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

import icechunk
import numpy as np
import pytest
import zarr
from codec_frames import make_frame
from dicom_files import (
    DEFLATED,
    EXPLICIT_BIG,
    make_encapsulated,
    make_native,
    stored_pixels,
)
from obspec_utils.registry import ObjectStoreRegistry
from obstore.store import LocalStore
from routes import commit_to_icechunk, read_icechunk
from virtualizarr.manifests import ManifestArray

import lazydicom
from lazydicom._views.zarr_codec import CODEC_NAME
from lazydicom.errors import SourceError, UnsupportedError
from lazydicom.virtual import DicomParser

if TYPE_CHECKING:
    from pathlib import Path

LOCAL = ObjectStoreRegistry({"file://": LocalStore()})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.dcm"


def parse(path: Path, file: bytes, parser: DicomParser | None = None) -> ManifestArray:
    path.write_bytes(file)
    parser = parser or DicomParser()
    found = parser(f"file://{path}", LOCAL)._group[parser.name]
    assert isinstance(found, ManifestArray)
    return found


def codecs(array: ManifestArray) -> list[Any]:
    document: Any = array.metadata.to_dict()
    return [(one["name"], one.get("configuration")) for one in document["codecs"]]


def test_native_frames_are_referred_to_as_they_are(path: Path) -> None:
    file = make_native()
    index = lazydicom.open_image(file).images[0].index

    array = parse(path, file)

    entry = array.manifest.get_entry((1, 0, 0))
    assert codecs(array) == [("bytes", {"endian": "little"})]
    assert entry is not None
    assert entry["path"] == f"file://{path}"
    assert (entry["offset"], entry["length"]) == (index.offsets[1], index.lengths[1])


def test_byte_order_goes_into_the_codec(path: Path) -> None:
    array = parse(path, make_native(transfer_syntax=EXPLICIT_BIG))

    assert codecs(array) == [("bytes", {"endian": "big"})]


def test_compressed_frames_name_our_codec(path: Path) -> None:
    frame = make_frame("1.2.840.10008.1.2.4.90 8 bits")
    file = make_encapsulated(
        [frame.data] * 3,
        rows=61,
        columns=83,
        bits_allocated=8,
        transfer_syntax=frame.format.transfer_syntax.uid,
    )

    assert codecs(parse(path, file))[0][0] == CODEC_NAME


def test_name_and_colour_are_the_callers_choice(path: Path) -> None:
    file = make_native(
        samples_per_pixel=3,
        bits_allocated=8,
        planar_configuration=0,
        photometric_interpretation="YBR_FULL",
    )

    assert codecs(parse(path, file, DicomParser(name="us")))[0][0] == CODEC_NAME
    assert codecs(parse(path, file, DicomParser(color="stored")))[0][0] == "bytes"


def test_a_virtual_store_reads_through_the_registry(path: Path) -> None:
    path.write_bytes(make_native(bits_stored=12, pixel_representation=1))
    store = DicomParser()(f"file://{path}", LOCAL)

    group: Any = zarr.open_group(store, mode="r", zarr_format=3)
    values = group["pixels"][...]
    np.testing.assert_array_equal(values, np.asarray(lazydicom.open_image(path)))


def test_a_deflated_file_is_refused(path: Path) -> None:
    with pytest.raises(UnsupportedError, match="no byte ranges; to_zarr copies it"):
        parse(path, make_native(transfer_syntax=DEFLATED))


def test_a_missing_file_is_an_error_of_ours(path: Path) -> None:
    with pytest.raises(SourceError, match="Could not open"):
        DicomParser()(f"file://{path}", LOCAL)


def test_icechunk_refuses_a_file_that_was_replaced(path: Path) -> None:
    path.write_bytes(make_native())
    repository = commit_to_icechunk(f"file://{path}")
    np.testing.assert_array_equal(read_icechunk(repository), stored_pixels())

    path.write_bytes(make_native(stored_pixels() + 1))
    later = time.time() + 10
    os.utime(path, (later, later))

    with pytest.raises(icechunk.IcechunkError, match="changed"):
        read_icechunk(repository)


class ShortStore:
    """Answers with less than it was asked for, and calls it a success."""

    def __init__(self, store: LocalStore) -> None:
        self.head = store.head
        self._get_ranges = store.get_ranges

    def get_ranges(
        self, path: str, *, starts: list[int], lengths: list[int]
    ) -> list[bytes]:
        parts = self._get_ranges(path, starts=starts, lengths=lengths)
        return [bytes(part)[:-1] for part in parts]


class ShortRegistry:
    """Finds the same store for every URL."""

    def resolve(self, url: str) -> tuple[ShortStore, str]:
        return ShortStore(LocalStore()), url.removeprefix("file://")


def test_an_answer_that_is_too_short_is_an_error_of_ours(path: Path) -> None:
    path.write_bytes(make_native())
    registry: Any = ShortRegistry()

    with pytest.raises(SourceError, match=r"Expected \d+ bytes, found \d+"):
        DicomParser()(f"file://{path}", registry)


def test_a_name_that_no_array_can_have_is_refused(path: Path) -> None:
    with pytest.raises(ValueError, match="Expected a plain name"):
        parse(path, make_native(), DicomParser(name="a/b"))
