"""What says something about a patient leaves a file only when somebody asks for it."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import pytest
import zarr
from pydicom import Dataset, dcmread
from pydicom._dicom_dict import DicomDictionary
from pydicom.uid import UID, ExplicitVRLittleEndian

import lazydicom
from dicom_files import make_native
from lazydicom._attributes import TECHNICAL_ATTRIBUTES

if TYPE_CHECKING:
    from pathlib import Path

TEXT, NUMBER = "KANARI", "73573573"
CANARIES = {
    **dict.fromkeys(("LO", "SH", "PN", "LT", "ST", "UT", "UC", "CS", "AE"), TEXT),
    "UI": f"1.2.{NUMBER}",
    "UR": f"https://host/{TEXT}",
    "DA": "19470203",
    "TM": "030405.987654",
    "DT": "19470203030405.987654",
    "AS": "077Y",
    "DS": NUMBER,
    "IS": NUMBER,
}
"""A value by VR; PS3.15 table E.1-1 lists attributes of these VRs."""
CHARACTER_SET = 0x00080005
TECHNICAL_TAGS = {tag for tag, _ in TECHNICAL_ATTRIBUTES.values()}


@pytest.fixture(scope="module")
def file() -> bytes:
    """Make a file with a canary in every attribute that the standard knows and we do not
    export: all of table E.1-1, and all others; nested and private ones, too.
    """
    dataset = dcmread(io.BytesIO(make_native()))
    nested = Dataset()
    for tag, (vr, *_) in DicomDictionary.items():
        other = tag <= CHARACTER_SET or tag >> 16 in {0x0028, 0x7FE0}
        if vr in CANARIES and tag not in TECHNICAL_TAGS and not other:
            dataset.add_new(tag, vr, CANARIES[vr])
            nested.add_new(tag, vr, CANARIES[vr])
    dataset.RequestAttributesSequence = [nested]
    dataset.private_block(0x0099, TEXT, create=True).add_new(1, "LO", TEXT)
    dataset.file_meta.MediaStorageSOPInstanceUID = UID(CANARIES["UI"])
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    written = io.BytesIO()
    dataset.save_as(written, enforce_file_format=True)
    return written.getvalue()


def found(store: Path) -> set[str]:
    """Give the canaries that stand in a store, in names or bytes."""
    data = b"".join(
        str(path.relative_to(store)).encode()
        + (path.read_bytes() if path.is_file() else b"")
        for path in store.rglob("*")
    )
    return {value for value in CANARIES.values() if value.encode() in data}


@pytest.mark.parametrize(
    "options", [{}, {"metadata": "technical"}, {"metadata": "none"}]
)
def test_no_canary_is_in_a_store(
    options: dict[str, str], file: bytes, tmp_path: Path
) -> None:
    secret = tmp_path / f"{TEXT}.dcm"
    secret.write_bytes(file)
    array = lazydicom.open_image(secret)

    report = lazydicom.to_zarr(array, tmp_path / "x", **options)  # type: ignore[arg-type]

    assert found(tmp_path / "x") == set()
    assert TEXT not in repr(report) + repr(lazydicom.verify(tmp_path / "x", array))


def test_full_metadata_hold_the_whole_header(file: bytes, tmp_path: Path) -> None:
    array = lazydicom.open_image(file)

    lazydicom.to_zarr(array, tmp_path / "x", metadata="full")

    written = zarr.open_array(tmp_path / "x").attrs["dicom"]
    assert found(tmp_path / "x") >= set(CANARIES.values()) - {CANARIES["UR"]}
    assert isinstance(written, list)
    dataset = Dataset.from_json(written[0])
    assert dataset == array.images[0].header.dataset


def test_technical_attributes_are_there_unless_unwanted(tmp_path: Path) -> None:
    array = lazydicom.open_image(make_native(bits_stored=12))

    lazydicom.to_zarr(array, tmp_path / "some")
    lazydicom.to_zarr(array, tmp_path / "none", metadata="none")

    assert zarr.open_array(tmp_path / "some").attrs["bits_stored"] == 12
    assert dict(zarr.open_array(tmp_path / "none").attrs) == {}


def test_only_attributes_of_the_table_that_json_knows_are_exported(
    tmp_path: Path,
) -> None:
    array = lazydicom.open_image(make_native())
    attrs = {"patient": TEXT, "rescale_slope": np.nan, "pixel_spacing": [1, 2.5]}
    odd = lazydicom.DicomArray(array.images, array.grid, array.dims, attrs=attrs)

    lazydicom.to_zarr(odd, tmp_path / "x")

    assert dict(zarr.open_array(tmp_path / "x").attrs) == {"pixel_spacing": [1, 2.5]}
