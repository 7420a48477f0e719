"""Fill each element of objects of many kinds with a text, and look for it wherever we write.

`python tests/support/canaries.py [word …]` takes the kinds whose name holds one of the words,
and prints each place where the text is shown. Numbers are filled with text as well: their VR
stays.
"""

from __future__ import annotations

import contextlib
import io
import logging
import sys
import tempfile
import traceback
import warnings
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

import numpy as np
import pydicom
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_data_element

TESTS: Final = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS / "support"), str(TESTS / "arrange")]

import lazydicom  # noqa: E402 (behind the path)
from lazydicom._header import tags  # noqa: E402
from lazydicom.errors import LazyDicomError  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pydicom import Dataset

CANARY: Final = "CNRY"
TEXT: Final = b"CNRY^JOE"
PIXELS: Final = (0x7FE00010, 0x7FE00008, 0x7FE00009)
READ: Final = frozenset(tag for tag in vars(tags).values() if isinstance(tag, int))
"""What the library reads; text of other elements is in no place of the program."""
FRAMING: Final = (0x00020010, 0x00280010, 0x00280011, 0x00280008)
Value: TypeAlias = Any
Path_: TypeAlias = tuple[int, ...]
"""Tags and numbers of items, to an element."""


class Kind(NamedTuple):
    """Files of one object, and who opens them."""

    write: Callable[[Path], object]
    open: Callable[[Path], Value]


# --- writing ------------------------------------------------------------------


def places(dataset: Dataset, before: Path_ = ()) -> Iterator[Path_]:
    """Yield the path of each element that is no sequence; of items the first two."""
    for element in dataset:
        path = (*before, int(element.tag))
        if element.VR == "SQ":
            for number, inner in enumerate(list(element.value)[:2]):
                yield from places(inner, (*path, number))
        elif element.tag in READ and element.tag not in PIXELS + FRAMING:
            yield path


def written(dataset: Dataset, path: Path_ = ()) -> bytes:
    """Write a data set, explicit little endian, with the canary in one element."""
    data = b""
    for element in dataset:
        own = path[1:] if path and path[0] == element.tag else None
        if element.VR == "SQ":
            items = (
                written(inner, own[1:] if own and own[0] == number else ())
                for number, inner in enumerate(element.value)
            )
            data += sequence_of(int(element.tag), list(items))
        elif own is not None:
            data += element_of(int(element.tag), element.VR)
        else:
            buffer = DicomBytesIO()
            buffer.is_little_endian, buffer.is_implicit_VR = True, False
            write_data_element(buffer, element)
            data += buffer.getvalue()
    return data


def sequence_of(tag: int, items: list[bytes]) -> bytes:
    from dicom_files import element, item

    return element(tag, "SQ", b"".join(map(item, items)))


def element_of(tag: int, vr: str) -> bytes:
    from dicom_files import element

    return element(tag, vr.split(" or ", maxsplit=1)[0], TEXT)


def changed_files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Put the canary into each element of the first file in turn."""
    path = min(folder.iterdir())
    whole = path.read_bytes()
    dataset = pydicom.dcmread(io.BytesIO(whole))
    start = 132 + 12 + int.from_bytes(whole[140:144], "little")
    for place in places(dataset):
        path.write_bytes(whole[:start] + written(dataset, place))
        yield ".".join(f"{one:08X}" if one > 99 else str(one) for one in place), folder
    path.write_bytes(whole)


# --- kinds --------------------------------------------------------------------


def _slide(folder: Path, **options: Value) -> None:
    from slide_files import make_slide

    slide = make_slide(matrix=(20, 20), tile=(8, 8), **options)
    for number, data in enumerate(slide.files):
        (folder / f"{number}.dcm").write_bytes(data)


def _segmentation(folder: Path, kind: str) -> None:
    from segmentation_files import (
        label_map,
        last,
        make_ct,
        make_segments,
        write_segmentation,
    )

    masks = make_segments()
    pixels = (
        label_map(masks, (1, 2, 3)).astype(np.uint8) if kind == "LABELMAP" else None
    )
    values = last(masks).astype(np.uint8) if pixels is None else pixels
    write_segmentation(folder / "a.dcm", make_ct(), values, kind)


def _sop_class(folder: Path, end: str) -> None:
    from test_sop_classes import ROOT, ROWS  # type: ignore[import-not-found]

    modality, make, *_ = ROWS[end]
    make(folder, ROOT + end, modality)


def _classic(folder: Path, count: int = 3) -> None:
    from written_series import CT, plane

    words = (
        "SeriesDescription PatientName PatientID StudyDescription ProtocolName "
        "ManufacturerModelName SequenceName ImageComments"
    )
    more: Value = dict.fromkeys(words.split(), "x") | {
        "RescaleSlope": 1,
        "RescaleIntercept": -1024,
        "RescaleType": "HU",
        "WindowCenter": 40,
        "WindowWidth": 400,
        "ImageType": ["ORIGINAL", "PRIMARY"],
        "AcquisitionNumber": 1,
        "EchoTime": 1.0,
        "AcquisitionTime": "120000",
        "AcquisitionDate": "20200101",
        "ContentTime": "120000",
        "KVP": 100,
        "BurnedInAnnotation": "NO",
        "LossyImageCompression": "00",
        "SliceThickness": 2.5,
        "BodyPartExamined": "HEAD",
        "Manufacturer": "SIEMENS",
    }
    for k in range(count):
        plane(
            folder, k, (0.0, 0.0, 2.5 * k), sop_class=CT, **more, InstanceNumber=k + 1
        )


def _enhanced(folder: Path) -> None:
    from written_series import MR, at, dataset, enhanced, sequence

    frames = [
        dataset(
            PlanePositionSequence=at(z),
            FrameContentSequence=sequence(
                StackID="1", InStackPositionNumber=k + 1, DimensionIndexValues=[1, k + 1],
                FrameAcquisitionDateTime="20200101120000", TemporalPositionIndex=1,
                FrameAcquisitionNumber=1, FrameReferenceDateTime="20200101120000",
            ),
            MRImageFrameTypeSequence=sequence(
                FrameType=["ORIGINAL", "PRIMARY"], ComplexImageComponent="MAGNITUDE"
            ),
            MREchoSequence=sequence(EffectiveEchoTime=2.0),
            FrameVOILUTSequence=sequence(
                WindowCenter=1, WindowWidth=2, VOILUTFunction="LINEAR"
            ),
            PixelValueTransformationSequence=sequence(
                RescaleIntercept=0, RescaleSlope=1, RescaleType="US"
            ),
            RealWorldValueMappingSequence=sequence(
                RealWorldValueSlope=1.0, RealWorldValueIntercept=0.0, LUTLabel="x",
                RealWorldValueFirstValueMapped=0, RealWorldValueLastValueMapped=9,
                MeasurementUnitsCodeSequence=sequence(
                    CodeValue="mm2/s", CodingSchemeDesignator="UCUM", CodeMeaning="x"
                ),
                QuantityDefinitionSequence=sequence(
                    ConceptCodeSequence=sequence(
                        CodeValue="113041", CodingSchemeDesignator="DCM", CodeMeaning="x"
                    )
                ),
            ),
        )
        for k, z in enumerate((0, 2, 4))
    ]  # fmt: skip
    enhanced(
        folder, f"{MR}.1", frames, Modality="MR",
        indices=[(0x00209056, 0x00209111), (0x00209057, 0x00209111)],
    )  # fmt: skip


def _series(folder: Path) -> Value:
    return lazydicom.open_series(folder)


def _levels(folder: Path) -> Value:
    return lazydicom.open_slide(folder)[0]


def _segments(folder: Path) -> Value:
    return lazydicom.open_segmentation(min(folder.iterdir()))


def _labels(folder: Path) -> Value:
    return lazydicom.open_segmentation(min(folder.iterdir()), combine="labelmap")


KINDS: Final[dict[str, Kind]] = {
    "CT": Kind(_classic, _series),
    "Enhanced MR": Kind(_enhanced, _series),
    "slide full": Kind(_slide, _levels),
    "slide sparse": Kind(partial(_slide, sparse=True, keep=0.8), _levels),
    "slide paths": Kind(partial(_slide, paths=2, samples=1), _levels),
    "segmentation binary": Kind(partial(_segmentation, kind="BINARY"), _segments),
    "segmentation labels": Kind(partial(_segmentation, kind="BINARY"), _labels),
    "segmentation fractional": Kind(
        partial(_segmentation, kind="FRACTIONAL"), _segments
    ),
    "segmentation labelmap": Kind(partial(_segmentation, kind="LABELMAP"), _segments),
    "nuclear": Kind(partial(_sop_class, end="20"), _series),
    "dose": Kind(partial(_sop_class, end="481.2"), _series),
    "ultrasound": Kind(partial(_sop_class, end="6.2"), _series),
    "cine": Kind(partial(_sop_class, end="12.1"), _series),
    "PET": Kind(partial(_sop_class, end="130"), _series),
    "parametric map": Kind(partial(_sop_class, end="30"), _series),
    "pulled back": Kind(partial(_sop_class, end="14.1"), _series),
    "dated": Kind(partial(_sop_class, end="12.1.1"), _series),
}


# --- looking ------------------------------------------------------------------


def acts(array: Value, folder: Path) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield whatever shows something of an array, or writes it."""
    yield "repr", lambda: repr((array, array.images))
    yield "attrs", lambda: repr(array.attrs)
    yield "html", getattr(array, "_repr_html_", str)
    yield "coords", lambda: repr([(k, v.values) for k, v in array.coords.items()])
    yield "xarray", lambda: repr(lazydicom.to_xarray(array).load().to_dict())
    yield "pixels", lambda: np.asarray(array).shape
    for name in (
        "apply_modality_lut", "apply_voi_lut", "apply_palette", "apply_real_world_values",
    ):  # fmt: skip
        yield name, lambda name=name: repr(getattr(lazydicom, name)(array).attrs)  # type: ignore[misc]
    yield "zarr", lambda: lazydicom.to_zarr(array, folder / "a.zarr")
    yield "ome-zarr", lambda: lazydicom.to_ome_zarr(array, folder / "b.zarr")
    yield "references", lambda: lazydicom.to_references(array, str(folder / "c.json"))


def more_acts(folder: Path, out: Path) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield what needs no array."""
    from command_line import run

    files = [str(path) for path in sorted(folder.iterdir())]
    yield "study", lambda: repr(lazydicom.open_study(folder))
    yield "study html", lambda: lazydicom.open_study(folder)._repr_html_()
    yield "image", lambda: repr(lazydicom.open_image(files[0]).attrs)
    yield "index", lambda: lazydicom.save_index(files, out / "d.index")
    yield "info", lambda: run("info", *files).output
    yield "info plan", lambda: run("info", files[0], "--plan", "0").output


class _Listener(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.name.startswith("lazydicom"):
            self.lines.append(record.getMessage())


def told_by(act: Callable[[], object], listener: _Listener) -> tuple[object, str]:
    """Return the result of an act, and all that is said meanwhile."""
    result: object = None
    told: list[str] = []
    listener.lines.clear()
    output = io.StringIO()
    with (
        warnings.catch_warnings(record=True) as caught,
        contextlib.redirect_stdout(output),
        contextlib.redirect_stderr(output),
    ):
        warnings.simplefilter("always")
        try:
            result = act()
        except (LazyDicomError, ValueError, TypeError) as error:
            told += traceback.format_exception_only(error)
            told.append(repr(error.__cause__))
        except Exception as error:  # noqa: BLE001 (a foreign one is a finding, too)
            told.append(f"{CANARY} FOREIGN {error!r}")
    told += [str(warning.message) for warning in caught]
    return result, " ".join((*told, output.getvalue(), *listener.lines))


def leaks(kind: Kind, folder: Path, out: Path, listener: _Listener) -> Iterator[str]:
    """Yield where the canary is shown."""
    array, told = told_by(lambda: kind.open(folder), listener)
    if CANARY in told.upper():
        yield f"opening: {told[:160]}"
    shown = list(more_acts(folder, out))
    shown += [] if array is None else list(acts(array, out))
    for name, act in shown:
        result, told = told_by(act, listener)
        text = f"{result} {told}"
        at = text.upper().find(CANARY)
        if at >= 0:
            yield f"{name}: …{text[max(at - 60, 0) : at + 40]}"
    for path in out.rglob("*"):
        if path.is_file() and CANARY.encode() in path.read_bytes().upper():
            yield f"written: {path.relative_to(out)}"
        if CANARY in path.name.upper():
            yield f"named: {path.name}"


def main(words: list[str]) -> int:
    """Print each leak, and count canaries."""
    listener = _Listener()
    logging.getLogger().addHandler(listener)
    logging.getLogger("lazydicom").setLevel(logging.DEBUG)
    canaries, found = 0, 0
    for name, kind in KINDS.items():
        if words and not any(word in name for word in words):
            continue
        with tempfile.TemporaryDirectory() as folder:
            kind.write(Path(folder))
            for place, files in changed_files(Path(folder)):
                canaries += 1
                with tempfile.TemporaryDirectory() as out:
                    for leak in leaks(kind, files, Path(out), listener):
                        found += 1
                        sys.stdout.write(f"{name} {place} {leak}\n")
        sys.stdout.write(f"{name}: {canaries} canaries, {found} leaks so far\n")
        sys.stdout.flush()
    return found


if __name__ == "__main__":
    sys.exit(bool(main(sys.argv[1:])))
