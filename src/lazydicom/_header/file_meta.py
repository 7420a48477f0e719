"""Where the data set of a file begins and how it is encoded (PS3.10 section 7.1).

The standard's preamble, prefix and File Meta Information come first; old files lack any of
them, and some writers lie in them. What the first data element looks like decides.
"""

import re
from dataclasses import dataclass
from typing import Final

from lazydicom._bytes.source import Lookahead
from lazydicom._header import tags
from lazydicom._header.transfer_syntax import (
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    TRANSFER_SYNTAXES,
    TransferSyntax,
)
from lazydicom._header.values import decode_values
from lazydicom._header.walker import UNDEFINED, Framing, read_element
from lazydicom.errors import InvalidDicomError, LimitError, UnsupportedError, warn

_PREAMBLE: Final = 128
_PREFIX: Final = b"DICM"
_SHORTEST: Final = 8
_MOST_ELEMENTS: Final = 1000
_UID: Final = re.compile(r"[0-9.]{1,64}")


@dataclass(frozen=True, slots=True)
class FileMeta:
    """How the data set is encoded and where it starts."""

    transfer_syntax: TransferSyntax
    framing: Framing
    start: int
    """First byte of the data set."""
    meta_start: int
    """First byte of the File Meta Information."""
    declared: str = ""
    """UID that the file gives, where the caller gives another one."""


def read_file_meta(
    lookahead: Lookahead, given: TransferSyntax | None = None
) -> FileMeta:
    """Read the File Meta Information, or conclude from the data set what it would say.

    `given` is what the caller says of the pixels, whatever the file declares.

    Raises
    ------
    InvalidDicomError
        If this is no DICOM file.
    UnsupportedError
        If the transfer syntax is not known.
    LimitError
        If there are more elements of group 0002 than anybody writes.
    """
    meta_start = _find_start(lookahead)
    uid, start = _read_group_2(lookahead, meta_start)
    written = _native_syntax_at(lookahead, start)
    if uid is None:
        warn("No transfer syntax in the File Meta Information", url=lookahead.url)
        uid = written or EXPLICIT_LITTLE
    if given is not None:
        form = TRANSFER_SYNTAXES[written] if written else given
        framing = Framing(form.little_endian, form.implicit_vr)
        return FileMeta(given, framing, start, meta_start, declared=uid)
    syntax = TRANSFER_SYNTAXES.get(uid)
    if syntax is None:
        message = f"Transfer syntax {shown_uid(uid)} is not known"
        tag = tags.TRANSFER_SYNTAX_UID
        raise UnsupportedError(message, url=lookahead.url, offset=start, tag=tag)
    if written is None or syntax.deflated:
        framing = Framing(syntax.little_endian, syntax.implicit_vr)
        return FileMeta(syntax, framing, start, meta_start)
    syntax, framing = _as_written(lookahead, syntax, TRANSFER_SYNTAXES[written])
    return FileMeta(syntax, framing, start, meta_start)


def find_data_set(lookahead: Lookahead) -> tuple[int, Framing]:
    """Return where the data set begins and how it is written, whatever the syntax is.

    Raises
    ------
    InvalidDicomError
        If this is no DICOM file.
    """
    start = _read_group_2(lookahead, _find_start(lookahead))[1]
    syntax = TRANSFER_SYNTAXES[_native_syntax_at(lookahead, start) or EXPLICIT_LITTLE]
    return start, Framing(syntax.little_endian, syntax.implicit_vr)


def shown_uid(uid: str) -> str:
    """Return a UID for a message; anything else is not quoted.

    >>> shown_uid("1.2.3"), shown_uid("DOE^JOHN")
    ("'1.2.3'", 'that is no UID')
    """
    return repr(uid) if _UID.fullmatch(uid) else "that is no UID"


def _find_start(lookahead: Lookahead) -> int:
    """Return the first data element: after the prefix, or at once where there is none."""
    start = _PREAMBLE + len(_PREFIX)
    if (
        lookahead.size >= start
        and lookahead.bytes_at(_PREAMBLE, len(_PREFIX)) == _PREFIX
    ):
        return start
    if lookahead.size >= _SHORTEST:
        group = lookahead.bytes_at(0, 2)
        if group in {b"\x02\x00", b"\x08\x00", b"\x00\x08"}:
            return 0
    message = "Expected prefix 'DICM' or a data element: this is no DICOM file"
    raise InvalidDicomError(message, url=lookahead.url, offset=0)


def _read_group_2(lookahead: Lookahead, start: int) -> tuple[str | None, int]:
    """Read elements as long as they are of group 0002; its length element may be wrong.

    A second File Meta Information may stand in the data set; the first one counts.
    """
    uid: str | None = None
    count = 0
    while (
        start + _SHORTEST <= lookahead.size
        and lookahead.bytes_at(start, 2) == b"\x02\x00"
    ):
        count += 1
        if count > _MOST_ELEMENTS:
            message = f"More than {_MOST_ELEMENTS} elements of group 0002"
            raise LimitError(message, url=lookahead.url, offset=start)
        element = read_element(lookahead, start, Framing())
        end = element.offset + element.length
        if element.length == UNDEFINED or end > lookahead.size:
            message = f"Value of {element.length} bytes runs over the end of the file"
            raise InvalidDicomError(
                message, url=lookahead.url, offset=start, tag=element.tag
            )
        if element.tag == tags.TRANSFER_SYNTAX_UID:
            value = lookahead.bytes_at(element.offset, element.length)
            again = "".join(str(part) for part in decode_values("UI", value)[:1])
            if uid is not None and again not in {uid, ""}:
                message = "Transfer Syntax UID stands twice, the first is taken"
                warn(message, url=lookahead.url)
            uid = uid or again or None
        start = end
    return uid, start


def _native_syntax_at(lookahead: Lookahead, start: int) -> str | None:
    """Return the native syntax that the first data element is written in."""
    if start + _SHORTEST > lookahead.size:
        return None
    first = lookahead.bytes_at(start, _SHORTEST)
    if not _is_vr(first[4:6]):
        return IMPLICIT_LITTLE
    return EXPLICIT_BIG if first[0] == 0 and first[1] != 0 else EXPLICIT_LITTLE


def _as_written(
    lookahead: Lookahead, declared: TransferSyntax, written: TransferSyntax
) -> tuple[TransferSyntax, Framing]:
    """Believe the data set where it contradicts the declared VR form or byte order."""
    framing = Framing(written.little_endian, written.implicit_vr)
    if framing == Framing(declared.little_endian, declared.implicit_vr):
        return declared, framing
    order = "little" if written.little_endian else "big"
    form = "implicit VR" if written.implicit_vr else f"explicit VR, {order} endian"
    warn(f"Data set is in {form}, {declared.name} declared", url=lookahead.url)
    turned = written.little_endian != declared.little_endian
    return (written if turned and declared.native else declared), framing


def _is_vr(code: bytes) -> bool:
    """Return whether two bytes can be a VR: two capital letters."""
    return code.isalpha() and code.isupper()
