"""What says something about a patient leaves a file only when somebody asks for it."""

from __future__ import annotations

import asyncio
import io
import logging
import struct
import traceback
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import zarr
from command_line import run
from dicom_files import element, make_native
from pydicom import Dataset, dcmread
from pydicom._dicom_dict import DicomDictionary
from pydicom.uid import UID, ExplicitVRLittleEndian
from zarr.buffer import default_buffer_prototype

import lazydicom
from lazydicom._header.values import TECHNICAL_ATTRIBUTES
from lazydicom.errors import InvalidDicomError, LazyDicomError, LazyDicomWarning

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
SERIES_NUMBER = 0x00200011
"""Not in the table; it names the series of a study."""
TECHNICAL_TAGS = {tag for tag, _ in TECHNICAL_ATTRIBUTES.values()} | {SERIES_NUMBER}


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


def test_full_metadata_are_json_even_where_numbers_are_none(tmp_path: Path) -> None:
    nan = element(0x00189073, "FD", struct.pack("<3d", 1.5, np.nan, np.inf))
    array = lazydicom.open_image(make_native(elements={0x00189073: nan}))

    lazydicom.to_zarr(array, tmp_path / "x", metadata="full")

    document = (tmp_path / "x" / "zarr.json").read_text()
    assert "NaN" not in document
    assert "Infinity" not in document
    written: Any = zarr.open_array(tmp_path / "x").attrs["dicom"]
    assert written[0]["00189073"] == {"vr": "FD", "Value": [1.5, None, None]}


@pytest.mark.filterwarnings("ignore:Invalid value for VR")  # of pydicom
def test_a_value_that_json_cannot_hold_is_an_error_that_does_not_tell_it(
    tmp_path: Path,
) -> None:
    wrong = element(0x00200013, "IS", TEXT.encode())
    array = lazydicom.open_image(make_native(elements={0x00200013: wrong}))

    with pytest.raises(InvalidDicomError, match=r"\(0020,0013\)") as error:
        lazydicom.to_zarr(array, tmp_path / "x", metadata="full")

    assert TEXT not in "".join(traceback.format_exception(error.value))


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


def test_no_canary_is_in_any_other_route_or_label(file: bytes, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.dcm").write_bytes(file)
    array = lazydicom.open_image(tmp_path / "in" / "a.dcm")
    out = tmp_path / "out"
    out.mkdir()

    lazydicom.to_zarr(array, out / "group.zarr", name="pixels")
    lazydicom.to_ome_zarr(array, out / "ome.zarr")
    lazydicom.to_references(array, out / "references.json")
    lazydicom.to_references(array, out / "references.parq")
    lazydicom.save_index(tmp_path / "in", out / "index")
    view = lazydicom.ZarrStore(array, name="pixels")
    shown = repr(array) + array._repr_html_() + repr(view) + str(view)
    objects = asyncio.run(everything_of(view))

    assert found(out) == set()
    assert not {one for one in CANARIES.values() if one in shown}
    assert not {one for one in CANARIES.values() if one.encode() in objects}


async def everything_of(store: lazydicom.ZarrStore) -> bytes:
    parts = []
    async for key in store.list():
        data = await store.get(key, default_buffer_prototype())
        assert data is not None
        parts += [key.encode(), data.to_bytes()]
    return b"".join(parts)


def test_no_canary_is_in_errors_warnings_logs_or_commands(
    file: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    path = tmp_path / "a.dcm"
    said = []

    for number, damage in enumerate((lambda d: d[:-100], lambda d: d[:600], twisted)):
        path.write_bytes(damage(file))
        for work in (
            lazydicom.open_image,
            lazydicom.open_series,
            lambda p, n=number: lazydicom.to_zarr(
                lazydicom.open_image(p), tmp_path / f"{n}"
            ),
            lambda p: lazydicom.to_references(
                lazydicom.open_image(p), tmp_path / "absent" / "x" / "y.json"
            ),
        ):
            with warnings.catch_warnings(record=True) as warned:
                warnings.simplefilter("always")
                try:
                    work(path)
                except LazyDicomError:
                    said.append(traceback.format_exc())
            said += [str(one.message) for one in warned]
    path.write_bytes(file)
    for command in ("info", "frames", "preview", "export", "reference", "verify"):
        for arguments in ((path, tmp_path / "made.png"), ("--json", path), (tmp_path,)):
            result = run(command, *arguments)
            said.append(result.output + repr(result.exception))

    told = "\n".join(said) + caplog.text
    assert len(said) > 20
    assert not {value for value in CANARIES.values() if value in told}


def twisted(file: bytes) -> bytes:
    """Declare more rows than there are pixels."""
    at = file.rindex(b"\x28\x00\x10\x00US\x02\x00") + 8
    return file[:at] + b"\xff\x7f" + file[at + 2 :]


def test_burned_in_text_is_a_warning_on_every_route_of_pixels(tmp_path: Path) -> None:
    burned = {0x00280301: element(0x00280301, "CS", b"YES")}
    path = tmp_path / "a.dcm"
    path.write_bytes(make_native(elements=burned))
    array = lazydicom.open_image(path)

    for number, export in enumerate(
        (lazydicom.to_zarr, lazydicom.to_ome_zarr, lazydicom.to_references)
    ):
        with pytest.warns(LazyDicomWarning, match="Burned In Annotation is YES"):
            export(array, tmp_path / f"{number}.json")  # type: ignore[operator]
