"""The exception tree: what went wrong, in which file, at which byte.

::

    LazyDicomError
    ├── InvalidDicomError (ValueError)            the bytes contradict the standard
    ├── UnsupportedError (NotImplementedError)    the bytes are fine, the feature is not here
    ├── DecodeError (ValueError)                  a codestream is cut, lies or does not decode
    ├── LimitError (ValueError)                   more memory, depth or ratio than allowed
    ├── SourceError (OSError)                     the bytes could not be had
    │   ├── (FileNotFoundError)                   there is no such file or object
    │   ├── (PermissionError)                     the system or the server refuses access
    │   └── SourceChangedError                    the file is not the one that was opened
    └── ExportError (OSError)                     a store is incomplete, differs or not writable
    LazyDicomWarning (UserWarning)                read, but the file says something odd
"""

import errno
import inspect
import re
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final, Self

__all__ = [
    "DecodeError",
    "ExportError",
    "InvalidDicomError",
    "LazyDicomError",
    "LazyDicomWarning",
    "LimitError",
    "SourceChangedError",
    "SourceError",
    "UnsupportedError",
    "redact_url",
]

_NOTES: ContextVar[list[str] | None] = ContextVar("_NOTES", default=None)
_HELD: ContextVar[list[tuple[str, str]] | None] = ContextVar("_HELD", default=None)
_LONGEST_NAME: Final = 5000
"""Characters: no path of a system is longer, a name in an archive may be."""
_PACKAGE: Final = __file__.removesuffix("errors.py")
_OPENS_FOR_A_CALLER: Final = ("xarray", "pydicom")
_USER_INFO: Final = r"(?<=://)[^/]*@"
_USER_INFO_WITH_SLASH: Final = r"(?<=://)[^/:@]*:(?!\d+/).*@"
"""A slash or an at sign in a password should be quoted, and often is not."""
_QUERY: Final = r"(?s)(?<=[^?])[?#].*$"
_IN_STORE: Final = r"(?:s3a?|gs|gcs|memory|sftp|ssh)://"
_QUERY_OF_KEY: Final = r"(?s)\?[\w.-]+=.*$"
"""A key may hold "?" or "#" of its own."""


class LazyDicomError(Exception):
    """Base of every error that lazydicom raises on purpose.

    Parameters
    ----------
    message : str
        What was found, what was expected.
    url : str, optional
        The file; user, password and query are removed before it is kept.
    offset : int, optional
        Byte in the file, counted from 0.
    tag : int, optional
        The data element, ``0x7FE00010`` for Pixel Data.
    frame : int, optional
        Frame number, counted from 0.

    Examples
    --------
    >>> print(InvalidDicomError("Expected Item", url="s3://k:s@b/ct.dcm", offset=8))
    Expected Item in s3://b/ct.dcm at byte 8
    """

    def __init__(
        self,
        message: str,
        *,
        url: str | None = None,
        offset: int | None = None,
        tag: int | None = None,
        frame: int | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.url = None if url is None else redact_url(url)
        self.offset = offset
        self.tag = tag
        self.frame = frame

    def locate(
        self,
        *,
        url: str | None = None,
        offset: int | None = None,
        frame: int | None = None,
    ) -> Self:
        """Add the place where it happened, as far as it is not known yet."""
        self.url = self.url or (None if url is None else redact_url(url))
        self.offset = offset if self.offset is None else self.offset
        self.frame = frame if self.frame is None else self.frame
        return self

    def again(self) -> Self:
        """Make the same error anew, to be raised once more."""
        return type(self)(
            self.message,
            url=self.url,
            offset=self.offset,
            tag=self.tag,
            frame=self.frame,
        )

    def __str__(self) -> str:
        """Return the message with the place it speaks of."""
        parts = [self.message]
        if self.frame is not None:
            parts.append(f"frame {self.frame}")
        if self.tag is not None:
            parts.append(f"element {format_tag(self.tag)}")
        place = ", ".join(parts)
        if self.url is not None:
            place += f" in {self.url}"
        if self.offset is not None:
            place += f" at byte {self.offset}"
        return place


class InvalidDicomError(LazyDicomError, ValueError):
    """The bytes contradict the standard."""


class UnsupportedError(LazyDicomError, NotImplementedError):
    """The bytes are fine, the feature is not here."""


class DecodeError(LazyDicomError, ValueError):
    """A codestream contradicts its header, is cut, or does not decode."""


class LimitError(LazyDicomError, ValueError):
    """More memory, depth or ratio than allowed."""


class SourceError(LazyDicomError, OSError):
    """The bytes could not be had; `errno` and `filename` say what an `OSError` says.

    >>> error = source_error("No such file", number=errno.ENOENT, url="/data/a.dcm")
    >>> isinstance(error, FileNotFoundError), error.filename
    (True, '/data/a.dcm')
    """

    def __init__(
        self,
        message: str,
        *,
        url: str | None = None,
        offset: int | None = None,
        tag: int | None = None,
        frame: int | None = None,
        number: int | None = None,
    ) -> None:
        super().__init__(message, url=url, offset=offset, tag=tag, frame=frame)
        self.errno = number
        self.strerror = message
        self.filename = self.url

    def locate(
        self,
        *,
        url: str | None = None,
        offset: int | None = None,
        frame: int | None = None,
    ) -> Self:
        """Add the place where it happened, as far as it is not known yet."""
        super().locate(url=url, offset=offset, frame=frame)
        self.filename = self.url
        return self

    def again(self) -> Self:
        """Make the same error anew, to be raised once more."""
        error = super().again()
        error.errno = self.errno
        return error

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle with what `OSError` keeps apart."""
        state = {**self.__dict__, "errno": self.errno, "strerror": self.message}
        return (type(self), self.args, {**state, "filename": self.url})


class MissingSourceError(SourceError, FileNotFoundError):
    """There is no such file or object."""


class ForbiddenSourceError(SourceError, PermissionError):
    """The system or the server refuses access."""


_KINDS: Final[Mapping[int, type[SourceError]]] = {
    errno.ENOENT: MissingSourceError,
    errno.ENOTDIR: MissingSourceError,
    errno.EACCES: ForbiddenSourceError,
    errno.EPERM: ForbiddenSourceError,
}


def source_error(
    message: str,
    *,
    number: int | None,
    url: str | None = None,
    offset: int | None = None,
) -> SourceError:
    """Make the error that the number of an `OSError` stands for."""
    kind = _KINDS.get(number or 0, SourceError)
    return kind(message, url=url, offset=offset, number=number)


class SourceChangedError(SourceError):
    """Size, mtime or etag differ from when the file was opened."""


class ExportError(LazyDicomError, OSError):
    """A store is incomplete, differs, or could not be written."""


class LazyDicomWarning(UserWarning):
    """The file was read, but it says something odd."""


def warn(message: str, *, url: str) -> None:
    """Warn that a file says something odd, naming the file; it points at the caller.

    What a thread of a pool says is held, see `held_warnings`, and said by its starter.
    """
    notes, held = _NOTES.get(), _HELD.get()
    if notes is not None:
        notes.append(message)
    if held is not None:
        held.append((message, url))
        return
    text = f"{message} in {redact_url(url)}"
    if sys.version_info >= (3, 12):
        warnings.warn(text, LazyDicomWarning, skip_file_prefixes=_passed_over())
    else:
        warnings.warn(text, LazyDicomWarning, stacklevel=_caller_level())


def _caller_level() -> int:
    """Return how many frames up the first one of a caller is."""
    level, frame = 0, inspect.currentframe()
    while frame is not None and frame.f_code.co_filename.startswith(_passed_over()):
        level, frame = level + 1, frame.f_back
    return level


def _passed_over() -> tuple[str, ...]:
    """Return the folders of this package, and of those that open for a caller."""
    through = (sys.modules.get(name) for name in _OPENS_FOR_A_CALLER)
    files = (getattr(module, "__file__", None) for module in through)
    return (_PACKAGE, *(file.removesuffix("__init__.py") for file in files if file))


@contextmanager
def held_warnings() -> Iterator[list[tuple[str, str]]]:
    """Hold what `warn` says in this thread, which nobody called: messages and files."""
    held: list[tuple[str, str]] = []
    token = _HELD.set(held)
    try:
        yield held
    finally:
        _HELD.reset(token)


@contextmanager
def noted_warnings() -> Iterator[list[str]]:
    """Note what `warn` says meanwhile in this thread, besides saying it."""
    notes: list[str] = []
    token = _NOTES.set(notes)
    try:
        yield notes
    finally:
        _NOTES.reset(token)


def format_tag(tag: int) -> str:
    """Print a tag as the standard does.

    >>> format_tag(0x7FE00010)
    '(7FE0,0010)'
    """
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"


def redact_url(url: str) -> str:
    """Drop user, password, query and fragment from every part of a URL chain.

    >>> redact_url("zip://a.dcm::https://user:secret@host/b.zip?sig=1")
    'zip://a.dcm::https://host/b.zip'
    >>> redact_url("s3://bucket/a#1.dcm?X-Amz-Signature=1")
    's3://bucket/a#1.dcm'
    """
    if "://" not in url:
        return _printable(url)
    shown: list[str] = []
    in_query = False
    for part in re.sub(_USER_INFO, "", url).split("::"):
        if not in_query or "://" in part:
            place = re.sub(_USER_INFO_WITH_SLASH, "", part)
            query = _QUERY_OF_KEY if re.match(_IN_STORE, place) else _QUERY
            shown.append(re.sub(query, "", place))
            in_query = shown[-1] != place
    return _printable("::".join(shown))


def _printable(name: str) -> str:
    """Escape what a terminal or a log must not get: names come from anybody."""
    if len(name) > _LONGEST_NAME:
        name = f"{name[:500]}…{name[-500:]}"
    if name.isprintable():
        return name
    escaped = (one if one.isprintable() else ascii(one)[1:-1] for one in name)
    return "".join(escaped)
