"""Text of a file, wherever it stands, is in no error, warning, attribute, repr or export."""

from __future__ import annotations

import traceback
import warnings
from functools import partial
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pydicom
import pytest
from dicom_files import element, make_native, sequence
from noting import noting
from pydicom.datadict import dictionary_has_tag, dictionary_VR

import lazydicom
from lazydicom._header import tags
from lazydicom._header.attributes import FRAME_ATTRIBUTES
from lazydicom.errors import LazyDicomError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

CANARY: Final = "CNRY"
TEXTS: Final = (b"CNRY^JOE", b"CNRY JOE\\X")
NO_ELEMENTS: Final = (0x0002, 0x7FE0, 0xFFFE)
TAGS: Final = {
    name: tag
    for name, tag in vars(tags).items()
    if name.isupper() and tag >> 16 not in NO_ELEMENTS
}
TERMS: Final = (
    "SOP_CLASS_UID",
    "MODALITY",
    "PHOTOMETRIC_INTERPRETATION",
    "BURNED_IN_ANNOTATION",
    "LOSSY_IMAGE_COMPRESSION",
    "RESCALE_TYPE",
    "UNITS",
)
"""What is written down where it is a defined term."""


def files_with(tag: int) -> Iterator[bytes]:
    """Make files that hold the canary in one element, of its own VR and of names."""
    known = dictionary_VR(tag).split(" or ")[0] if dictionary_has_tag(tag) else "LO"
    for vr, text in zip(("PN", known), TEXTS, strict=True):
        if vr != "SQ":
            yield make_native(elements={tag: element(tag, vr, text)})


def said_by(act: Callable[[], object]) -> tuple[object, list[str]]:
    """Return the result of an act, and all that it says meanwhile."""
    result: object = None
    said: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = act()
        except (LazyDicomError, ValueError, TypeError) as error:
            said += traceback.format_exception_only(error)
            said.append(repr(error.__cause__))
    return result, [*said, *(str(warning.message) for warning in caught)]


def looks_at(array: Any) -> Iterator[Callable[[], object]]:  # noqa: ANN401 (of any opener)
    """Yield whatever shows something of an array."""
    yield lambda: repr((array, array.attrs, array.frames, array.images))
    yield lambda: repr([(k, v.values) for k, v in array.coords.items()])
    yield lambda: repr([image.header for image in array.images])
    yield lambda: repr(lazydicom.to_xarray(array).load().to_dict(data=False))
    yield lambda: np.asarray(array).shape
    for apply in (lazydicom.apply_modality_lut, lazydicom.apply_voi_lut):
        yield lambda apply=apply: repr(apply(array).attrs)  # type: ignore[misc]


def assert_nothing_shows(file: bytes, canary: str = CANARY) -> None:
    openers: list[Callable[[], Any]] = [
        partial(lazydicom.open_image, file),
        partial(lazydicom.open_series, file),
        lambda: lazydicom.open_image(pydicom.dcmread(BytesIO(file))),
    ]
    for opener in openers:
        array, said = said_by(opener)
        assert canary not in " ".join(said).upper()
        for look in () if array is None else looks_at(array):
            shown, said = said_by(look)
            assert canary not in f"{shown} {' '.join(said)}".upper()
    study, said = said_by(lambda: lazydicom.open_study(file))
    assert canary not in f"{study} {' '.join(said)}".upper()


@pytest.mark.parametrize("group", sorted({tag >> 16 for tag in TAGS.values()}), ids=hex)
def test_text_in_an_element_is_shown_nowhere(group: int) -> None:
    for name, tag in TAGS.items():
        if tag >> 16 == group:
            for file in files_with(tag):
                with noting(element=name):
                    assert_nothing_shows(file)


@pytest.mark.parametrize("vr", ["own", "PN"])
def test_text_in_functional_groups_is_shown_nowhere(vr: str) -> None:
    for name, attribute in FRAME_ATTRIBUTES.items():
        if attribute.vr in {"SH", "LO", "CS", "UI"} and name != "rescale_type":
            continue  # an axis may be named by it
        for path in attribute.paths:
            group = element(path[-1], attribute.vr if vr == "own" else vr, TEXTS[0])
            for tag in reversed(path[:-1]):
                group = sequence(tag, group)
            groups = sequence(0x52009230, *[group] * 3)

            with noting(attribute=name):
                assert_nothing_shows(make_native(extra_before=groups))


@pytest.mark.filterwarnings("ignore::lazydicom.errors.LazyDicomWarning")
@pytest.mark.parametrize("name", TERMS)
def test_text_that_is_no_term_is_exported_nowhere(name: str, tmp_path: Path) -> None:
    for number, file in enumerate(files_with(TAGS[name])):
        array = lazydicom.open_image(file)
        lazydicom.to_zarr(array, tmp_path / f"{number}.zarr")
        lazydicom.to_ome_zarr(array, tmp_path / f"{number}.ome.zarr")

    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert written
    for path in written:
        assert CANARY.encode() not in path.read_bytes().upper()
        assert CANARY not in path.name.upper()
