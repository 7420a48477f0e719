"""The table of `docs/how-to/axes.md`: every multi-frame Storage class of PS3.4 annex B.5."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from pydicom._uid_dict import UID_dictionary
from pydicom.sequence import Sequence
from written_series import AXIAL, at, corner, dataset, enhanced, sequence, write

import lazydicom

if TYPE_CHECKING:
    from collections.abc import Callable

PAGE: Final = Path(__file__).parents[2] / "docs/how-to/axes.md"
FRAMES: Final = 4
MS: Final = 40.0
DATE_TIME, POSITION_INDEX = 0x00189074, 0x00200032
CONTENT, PLANE = 0x00209111, 0x00209113
TIMES: Final[list[float]] = [0, 0.04, 0.08, 0.12]
HEIGHTS: Final[list[float]] = [0, 2, 4, 6]
SHUFFLED: Final = [4, 0, 6, 2]
"""Places of the frames in the order of the file."""
ROOT: Final = "1.2.840.10008.5.1.4.1.1."


def _cine(folder: Path, sop_class: str, modality: str) -> None:
    pointed: Any = {"FrameIncrementPointer": 0x00181063, "FrameTime": MS}
    write(folder, sop_class, range(FRAMES), frames=FRAMES, Modality=modality, **pointed)


def _still(folder: Path, sop_class: str, modality: str) -> None:
    pages: Any = {"PageNumberVector": [1, 2, 3, 4]}
    write(folder, sop_class, range(FRAMES), frames=FRAMES, Modality=modality, **pages)


def _dose(folder: Path, sop_class: str, modality: str) -> None:
    more: Any = {
        "ImagePositionPatient": [0.0, 0, 0],
        "ImageOrientationPatient": list(AXIAL),
        "PixelSpacing": [1, 1],
        "FrameIncrementPointer": 0x3004000C,
        "GridFrameOffsetVector": HEIGHTS,
        "DoseGridScaling": 0.01,
        "DoseUnits": "GY",
    }
    write(folder, sop_class, range(FRAMES), frames=FRAMES, Modality=modality, **more)


def _nuclear(folder: Path, sop_class: str, modality: str) -> None:
    more: Any = {
        "FrameIncrementPointer": 0x00540080,
        "SliceVector": [1, 2, 3, 4],
        "PixelSpacing": [1, 1],
        "SpacingBetweenSlices": 2.0,
        "DetectorInformationSequence": sequence(
            ImagePositionPatient=[0.0, 0, 0], ImageOrientationPatient=list(AXIAL)
        ),
    }
    write(folder, sop_class, range(FRAMES), frames=FRAMES, Modality=modality, **more)


def _volume(folder: Path, sop_class: str, modality: str) -> None:
    frames = [dataset(PlanePositionSequence=at(z)) for z in SHUFFLED]
    enhanced(folder, sop_class, frames, Modality=modality)


def _segments(folder: Path, sop_class: str, modality: str) -> None:
    frames = [
        dataset(
            PlanePositionSequence=at(z),
            SegmentIdentificationSequence=sequence(ReferencedSegmentNumber=1),
        )
        for z in SHUFFLED
    ]
    enhanced(folder, sop_class, frames, Modality=modality)


def _dated(folder: Path, sop_class: str, modality: str) -> None:
    frames = [
        dataset(
            FrameContentSequence=sequence(
                FrameAcquisitionDateTime=f"20200101120000.{40 * k:03d}"
            )
        )
        for k in range(FRAMES)
    ]
    nothing: Any = {"SharedFunctionalGroupsSequence": Sequence([dataset()])}
    enhanced(folder, sop_class, frames, Modality=modality, **nothing)


def _ultrasound(folder: Path, sop_class: str, modality: str) -> None:
    frames = [
        dataset(
            PlanePositionVolumeSequence=sequence(ImagePositionVolume=[0.0, 0, float(z)])
        )
        for z in SHUFFLED
    ]
    shared = dataset(
        PlaneOrientationVolumeSequence=sequence(
            ImageOrientationVolume=[float(one) for one in AXIAL]
        ),
        PixelMeasuresSequence=sequence(PixelSpacing=[1, 1]),
    )
    more: Any = {"SharedFunctionalGroupsSequence": Sequence([shared])}
    enhanced(folder, sop_class, frames, Modality=modality, **more)


def _pulled_back(folder: Path, sop_class: str, modality: str) -> None:
    frames = [
        dataset(
            IntravascularFrameContentSequence=sequence(
                IntravascularLongitudinalDistance=float(z)
            )
        )
        for z in SHUFFLED
    ]
    shared = dataset(PixelMeasuresSequence=sequence(PixelSpacing=[1, 1]))
    more: Any = {"SharedFunctionalGroupsSequence": Sequence([shared])}
    enhanced(folder, sop_class, frames, Modality=modality, **more)


def _confocal(folder: Path, sop_class: str, modality: str) -> None:
    frames = [
        dataset(
            PlanePositionSlideSequence=sequence(
                XOffsetInSlideCoordinateSystem=1.0,
                YOffsetInSlideCoordinateSystem=1.0,
                ZOffsetInSlideCoordinateSystem=float(z),
            )
        )
        for z in SHUFFLED
    ]
    nothing: Any = {"SharedFunctionalGroupsSequence": Sequence([dataset()])}
    enhanced(folder, sop_class, frames, Modality=modality, **nothing)


Row = tuple[str, "Callable[[Path, str, str], None]", str, str, list[float] | None]
ROWS: Final[dict[str, Row]] = {
    "3.1": ("US", _cine, "time", "s", TIMES),
    "6.2": ("US", _ultrasound, "z", "mm", HEIGHTS),
    "6.3": ("PA", _volume, "z", "mm", HEIGHTS),
    "7.1": ("OT", _still, "frame", "", None),
    "7.2": ("OT", _still, "frame", "", None),
    "7.3": ("OT", _still, "frame", "", None),
    "7.4": ("OT", _still, "frame", "", None),
    "12.1": ("XA", _cine, "time", "s", TIMES),
    "12.2": ("RF", _cine, "time", "s", TIMES),
    "12.1.1": ("XA", _dated, "time", "s", TIMES),
    "12.2.1": ("RF", _dated, "time", "s", TIMES),
    "13.1.1": ("XA", _volume, "z", "mm", HEIGHTS),
    "13.1.2": ("DX", _volume, "z", "mm", HEIGHTS),
    "13.1.3": ("MG", _volume, "z", "mm", HEIGHTS),
    "13.1.4": ("MG", _dated, "time", "s", TIMES),
    "13.1.5": ("MG", _dated, "time", "s", TIMES),
    "14.1": ("IVOCT", _pulled_back, "location", "mm", HEIGHTS),
    "14.2": ("IVOCT", _pulled_back, "location", "mm", HEIGHTS),
    "20": ("NM", _nuclear, "z", "mm", HEIGHTS),
    "2.1": ("CT", _volume, "z", "mm", HEIGHTS),
    "2.2": ("CT", _volume, "z", "mm", HEIGHTS),
    "4.1": ("MR", _volume, "z", "mm", HEIGHTS),
    "4.3": ("MR", _volume, "z", "mm", HEIGHTS),
    "4.4": ("MR", _volume, "z", "mm", HEIGHTS),
    "128.1": ("PT", _volume, "z", "mm", HEIGHTS),
    "130": ("PT", _volume, "z", "mm", HEIGHTS),
    "30": ("MR", _volume, "z", "mm", HEIGHTS),
    "66.4": ("SEG", _segments, "z", "mm", HEIGHTS),
    "66.7": ("SEG", _volume, "z", "mm", HEIGHTS),
    "77.1.1.1": ("ES", _cine, "time", "s", TIMES),
    "77.1.2.1": ("GM", _cine, "time", "s", TIMES),
    "77.1.4.1": ("XC", _cine, "time", "s", TIMES),
    "77.1.5.1": ("OP", _cine, "time", "s", TIMES),
    "77.1.5.2": ("OP", _cine, "time", "s", TIMES),
    "77.1.5.4": ("OPT", _volume, "z", "mm", HEIGHTS),
    "77.1.5.8": ("OPT", _volume, "z", "mm", HEIGHTS),
    "66.8": ("SEG", _segments, "z", "mm", HEIGHTS),
    "77.1.5.5": ("OP", _cine, "time", "s", TIMES),
    "77.1.5.6": ("OP", _cine, "time", "s", TIMES),
    "77.1.8": ("CFM", _confocal, "depth", "um", HEIGHTS),
    "481.23": ("RTIMAGE", _dated, "time", "s", TIMES),
    "481.24": ("RTIMAGE", _dated, "time", "s", TIMES),
    "481.1": ("RTIMAGE", _cine, "time", "s", TIMES),
    "481.2": ("RTDOSE", _dose, "z", "mm", HEIGHTS),
}
"""By the end of the UID: modality, writer, axis of the frames, its unit, its values."""


SLIDES: Final = ("77.1.6", "77.1.9")
SINGLE_FRAME: Final = (
    "1", "1.1", "1.1.1", "1.2", "1.2.1", "1.3", "1.3.1", "2", "4", "6.1", "7", "128",
    "77.1.1", "77.1.2", "77.1.3", "77.1.4", "77.1.5.7", "77.1.7", "81.1", "82.1",
)  # fmt: skip
"""Images whose IOD has no Multi-frame module (PS3.3 table A.1-1)."""
NO_IMAGES: Final = (
    "4.2", "9.", "11.", "66", "66.1", "66.2", "66.3", "66.5", "66.6", "67", "68.",
    "77.1.5.3", "78.", "79.", "80.", "88.", "90.", "91.", "104.", "131", "200.", "201.",
    *(f"481.{k}" for k in (*range(3, 23), 25)),
)  # fmt: skip
"""Spectra, waveforms, states, registrations, surfaces, reports, plans, records."""


def _is_image(end: str) -> bool:
    ends = [one for one in NO_IMAGES if one.endswith(".")]
    return end not in NO_IMAGES and not end.startswith(tuple(ends))


def test_no_storage_class_of_images_is_left_out() -> None:
    names = {uid: row for uid, row in UID_dictionary.items() if uid.startswith(ROOT)}
    kept = [
        uid.removeprefix(ROOT)
        for uid, (name, kind, _, retired, *_) in names.items()
        if kind == "SOP Class" and "Storage" in name and not retired
    ]
    of_others = ("501.", "601.")  # security and industry, not PS3.4 annex B

    images = {end for end in kept if _is_image(end) and not end.startswith(of_others)}

    assert images - set(SINGLE_FRAME) - set(SLIDES) <= set(ROWS)
    newer = {"66.7", "66.8"}  # than this pydicom
    assert set(ROWS) - images <= newer


@pytest.mark.parametrize("end", ROWS)
def test_frames_of_every_class_have_the_axis_of_the_table(
    tmp_path: Path, end: str
) -> None:
    modality, make, axis, units, values = ROWS[end]
    make(tmp_path, ROOT + end, modality)

    array = lazydicom.open_series(tmp_path)

    assert array.dims == (axis, "y", "x")
    shuffled = make in {_volume, _segments, _ultrasound, _pulled_back, _confocal}
    assert corner(array) == ([1, 3, 0, 2] if shuffled else [0, 1, 2, 3])
    if values is not None:
        assert array.coords[axis].units == units
        assert array.coords[axis].values.tolist() == pytest.approx(values)


def test_the_page_lists_the_classes_that_are_tried() -> None:
    rows = re.findall(
        r"^\| [^|]+ \| `([0-9.]+)` \| `(\w+)`", PAGE.read_text(), re.MULTILINE
    )

    elsewhere = dict.fromkeys(SLIDES, "y")  # whole slides: test_slides.py
    assert dict(rows) == {end: row[2] for end, row in ROWS.items()} | elsewhere
