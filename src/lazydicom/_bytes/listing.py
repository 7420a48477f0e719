"""Which files a caller means: a folder, a pattern, a zip file, a list of them."""

import os
from collections.abc import Iterable, Mapping
from glob import glob, has_magic
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias, TypeGuard

from lazydicom._bytes.open import URL_TYPES, Url, local_path
from lazydicom._bytes.remote.client import find_files, is_folder
from lazydicom.errors import SourceError

Urls: TypeAlias = Url | Iterable[Url]
_HTTP: Final = ("http://", "https://")


class Listed(NamedTuple):
    """One file to open."""

    url: Url
    named: bool
    """Whether the caller named it: one found in a folder may be no image."""


def list_files(urls: Urls, storage_options: Mapping[str, Any]) -> list[Listed]:
    """List the files behind names, in the order of the names.

    Raises
    ------
    SourceError
        If there is no such file, or none in a folder.
    """
    if isinstance(urls, bytes | bytearray | memoryview):
        return [Listed(urls, named=True)]
    if not isinstance(urls, str | os.PathLike):
        return _list_each(urls, storage_options)
    name = os.fspath(urls)
    if not name:
        raise ValueError("Expected the name of a file or a folder, found an empty text")
    if _is_remote(name):
        found = _list_remote(name, storage_options)
    else:
        found = _list_local(Path(local_path(name)))
    if not found:
        raise SourceError("There are no files", url=name)
    return found


def _list_each(urls: object, storage_options: Mapping[str, Any]) -> list[Listed]:
    if not is_list(urls):
        raise _no_url(urls)
    found = [each for one in urls for each in _list_one(one, storage_options)]
    if not found:
        raise SourceError("There are no files in an empty list")
    return found


def _list_one(url: Url, storage_options: Mapping[str, Any]) -> list[Listed]:
    """List one of many: a distant one is a file; asking for each would take a request."""
    if not isinstance(url, URL_TYPES):
        raise _no_url(url)
    name = os.fspath(url) if isinstance(url, str | os.PathLike) else ""
    place = _place(name)
    plain = not place.endswith(("/", ".zip", ".ZIP")) and not is_pattern(place)
    if _is_remote(name) and plain:
        return [Listed(url, named=True)]
    return list_files(url, storage_options)


def is_list(urls: object) -> TypeGuard[Iterable[Any]]:
    """Return whether these are many names: the lines of a file and keys are none."""
    return (
        isinstance(urls, Iterable)
        and not hasattr(urls, "read")
        and not isinstance(urls, Mapping)
    )


def is_pattern(name: str) -> bool:
    """Tell a pattern; over HTTP a question mark begins a query, a signature for instance.

    >>> is_pattern("s3://bucket/a?.dcm"), is_pattern("https://[::1]/a.dcm?sig=x")
    (True, False)
    """
    if name.startswith(_HTTP):
        path = name.partition("://")[2].partition("?")[0]
        return has_magic(path.partition("/")[2])
    return has_magic(name)


def _no_url(what: object) -> TypeError:
    kind = type(what).__name__
    return TypeError(f"Expected paths, URLs or bytes of files, found {kind}")


def _is_remote(name: str) -> bool:
    return "://" in name and not name.startswith("file://")


def _list_local(path: Path) -> list[Listed]:
    absolute = os.path.abspath(path)  # noqa: PTH100 (keeps symbolic links)
    if path.is_dir():
        return [Listed(name, named=False) for name in _walk(absolute)]
    if path.suffix.lower() == ".zip":
        return _list_remote(f"zip://::{path.absolute()}", {})
    if has_magic(str(path)) and not path.exists():
        names = sorted(glob(absolute, recursive=True))  # noqa: PTH207 (any pattern)
        return [Listed(n, named=False) for n in names if os.path.isfile(n)]  # noqa: PTH113
    return [Listed(str(path), named=True)]


def _walk(folder: str) -> list[str]:
    """Return all files below a folder; symbolic links to folders are not followed."""
    names = []
    for parent, folders, files in os.walk(folder, onerror=_refuse):
        folders.sort()
        names += [f"{parent}{os.sep}{file}" for file in sorted(files)]
    return names


def _refuse(error: OSError) -> None:
    """Refuse to leave out a folder that cannot be listed."""
    message = f"Could not list: {error.strerror or type(error).__name__}"
    raise SourceError(message, url=error.filename) from None


def _list_remote(url: str, storage_options: Mapping[str, Any]) -> list[Listed]:
    place = _place(url)
    if place.lower().endswith(".zip"):
        url = f"zip://::{url}"
    elif not is_pattern(place) and not _is_folder(url, storage_options):
        return [Listed(url, named=True)]
    return [Listed(one, named=False) for one in find_files(url, storage_options)]


def _place(url: str) -> str:
    """Return the part of a URL that may be a folder, a pattern or a zip file.

    >>> _place("zip://x/*.dcm::s3://bucket/b.zip"), _place("simplecache::s3://bucket/x")
    ('zip://x/*.dcm', 's3://bucket/x')
    >>> _place("https://host/a.dcm?signature=1")
    'https://host/a.dcm'
    """
    place = next((part for part in url.split("::") if "://" in part), url)
    return place.partition("?")[0] if place.startswith(_HTTP) else place


def _is_folder(url: str, storage_options: Mapping[str, Any]) -> bool:
    """Tell a folder; over HTTP only a slash does, where asking would fetch the file."""
    if url.startswith(_HTTP):
        return _place(url).endswith("/")
    return is_folder(url, storage_options)
