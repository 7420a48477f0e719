"""Files that are no part of what was opened, and why: by what they say of themselves.

One odd file does not spoil a study: what cannot be read is named, what can be read opens. A
series that was asked for is complete or an error, so the series of an odd file is looked for.
"""

from dataclasses import field
from typing import Final, Literal, NoReturn, TypeAlias

from lazydicom._bytes.quick_dataclass import dataclass
from lazydicom._bytes.source import ByteRange, ByteSource, Lookahead, open_lookahead
from lazydicom._header import tags
from lazydicom._header.elements import FileElements, read_elements
from lazydicom._header.header import find_data_set, read_file_meta
from lazydicom._header.transfer_syntax import FileMeta
from lazydicom._header.values import decode_values
from lazydicom._header.walker import UNDEFINED, Framing, read_element, walk
from lazydicom.errors import LazyDicomError, redact_url, warn

OnError: TypeAlias = Literal["raise", "warn", "skip"]
_LONGEST_UID: Final = 64
_STORAGE: Final = "1.2.840.10008.5.1.4.1.1."
_NO_IMAGES: Final = (
    "4.2", "9.", "11.", "66", "67", "68.", "78.", "79.", "80.", "81.", "88.", "104.",
    "131", "200.", "34.", "481.3", "481.4", "481.5", "481.6", "481.7", "481.8", "481.9",
)  # fmt: skip
"""Spectra, waveforms, presentation states, raw data, maps, reports, documents, plans
(PS3.4 annex B.5); a segmentation is here because one without pixels tells nothing."""
_IMAGE_SUFFIXES: Final = (".dcm", ".dicom", ".ima")
_PREFIX: Final = b"DICM"
_PREFIX_SPAN: Final = ByteRange(128, 4)


@dataclass(frozen=True, slots=True)
class Problem:
    """A file that is no part of what was opened."""

    url: str
    """The file, without secrets."""
    reason: str
    error: LazyDicomError | None = field(default=None, repr=False, compare=False)
    """``None`` where the file is merely no image."""
    series_instance_uid: str = field(default="", repr=False, compare=False)
    """The series it says it is of, empty where it cannot be known."""


def problem_of(url: str, error: LazyDicomError, source: ByteSource | None) -> Problem:
    """Return what to say of a file that cannot be read."""
    series = "" if source is None else _series_of(source)
    return Problem(redact_url(url), str(error), error, series)


def raise_problem(problem: Problem) -> NoReturn:
    """Raise the error of a file.

    Raises
    ------
    LazyDicomError
        Always.
    """
    assert problem.error is not None, "asked of faults alone"
    raise problem.error


def raise_unknown(problem: Problem) -> NoReturn:
    """Raise the error of a file that may be of the series that was asked for.

    Raises
    ------
    LazyDicomError
        Always; its message says how to leave the file out.
    """
    error = problem.error
    assert error is not None, "asked of faults alone"
    error.message += ". Its series cannot be known, on_error='skip' leaves it out"
    raise error


def _series_of(source: ByteSource) -> str:
    """Read the Series Instance UID, however the file goes on."""
    try:
        with open_lookahead(source) as lookahead:
            start, framing = find_data_set(lookahead)
            for tag, at, length in walk(lookahead, start, framing):
                if tag > tags.SERIES_INSTANCE_UID:
                    break
                if tag == tags.SERIES_INSTANCE_UID and length != UNDEFINED:
                    element = read_element(lookahead, at, framing)
                    count = min(element.length, _LONGEST_UID)
                    value = lookahead.bytes_at(element.offset, count)
                    return "".join(map(str, decode_values("UI", value)[:1]))
    except (LazyDicomError, ValueError):
        return ""
    return ""


def media_storage(source: ByteSource) -> str:
    """Return the Media Storage SOP Class UID of a file, nothing where it has none.

    Raises
    ------
    LazyDicomError
        If this is no DICOM file.
    """
    with open_lookahead(source) as lookahead:
        return media_storage_at(lookahead, read_file_meta(lookahead))


def media_storage_at(lookahead: Lookahead, meta: FileMeta) -> str:
    """Return the Media Storage SOP Class UID that the File Meta group names."""
    at = meta.meta_start
    while at < meta.start:
        element = read_element(lookahead, at, Framing())
        at = element.offset + element.length
        if element.tag == tags.MEDIA_STORAGE_SOP_CLASS_UID:
            value = lookahead.bytes_at(element.offset, element.length)
            return value.decode("latin-1").rstrip("\0 ")
    return ""


def is_broken_image(source: ByteSource) -> bool:
    """Return whether a DICOM file that does not open should be an image."""
    return _has_prefix(source) and _should_be_image(source)


def why_passed_over(source: ByteSource) -> str:
    """Return why a file of a folder is no image; it may have been one."""
    if _has_prefix(source):
        return "DICOM, but no image"
    if _is_named_as_image(source):
        message = "Passed over as no DICOM file, maybe an image whose copy failed"
        warn(message, url=source.url)
    return "no DICOM file"


def _has_prefix(source: ByteSource) -> bool:
    return source.size() >= _PREFIX_SPAN.stop and source.read(_PREFIX_SPAN) == _PREFIX


def _is_named_as_image(source: ByteSource) -> bool:
    """Return what may be left of an image: a copy that failed is empty, or all zeros."""
    name = source.url.rpartition("/")[2].lower()
    hidden = name.startswith(".")  # macOS writes ._1.dcm beside 1.dcm
    return not hidden and (name.endswith(_IMAGE_SUFFIXES) or source.size() == 0)


def _should_be_image(source: ByteSource) -> bool:
    """Return whether a DICOM file without pixels is a broken image, or something else."""
    try:
        with open_lookahead(source) as lookahead:
            meta = read_file_meta(lookahead)
            kind = media_storage_at(lookahead, meta)
            kind = _sop_class(read_elements(source, lookahead, meta)) or kind
    except LazyDicomError:
        return True
    return kind.startswith(_STORAGE) and not kind[len(_STORAGE) :].startswith(
        _NO_IMAGES
    )


def _sop_class(elements: FileElements) -> str:
    return "".join(map(str, elements.get(tags.SOP_CLASS_UID, "UI")))
