"""Files that are no part of what was opened, and why.

One odd file does not spoil a study: what cannot be read is named, what can be read opens. A
series that was asked for is complete or an error, so the series of an odd file is looked for.
"""

from dataclasses import dataclass, field
from typing import Final, Literal, NoReturn, TypeAlias

from lazydicom._bytes.source import ByteSource, open_lookahead
from lazydicom._header import tags
from lazydicom._header.file_meta import find_data_set
from lazydicom._header.values import decode_values
from lazydicom._header.walker import UNDEFINED, read_element, walk
from lazydicom.errors import LazyDicomError, redact_url

OnError: TypeAlias = Literal["raise", "warn", "skip"]
_LONGEST_UID: Final = 64


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
