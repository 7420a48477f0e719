"""The files that a DICOMDIR refers to (PS3.3 annex F); none outside its folder."""

import os
import re
from typing import Final

from lazydicom._bytes.source import ByteSource, open_lookahead
from lazydicom._header import tags
from lazydicom._header.columns.column import text_column
from lazydicom._header.columns.items import SequenceItems, read_items
from lazydicom._header.columns.layout import wanted_tree
from lazydicom._header.header import read_file_meta
from lazydicom._header.walker import UNDEFINED, read_element, walk
from lazydicom.errors import InvalidDicomError

_NAMES: Final = re.compile(r"[^/\\:\0]+")
"""One component of a File ID: no separator, no drive."""
_CODED: Final = re.compile(r"[%?#]")
"""What means something else in a URL: ``%2e%2e`` is the folder above."""
_NESTED: Final = "DIRFILE"
"""Vendors split their directory: a record refers to one of a study or series."""


def is_dicomdir(name: str) -> bool:
    """Return whether a name is that of a directory, which the standard fixes (PS3.10 8.6)."""
    return os.path.basename(name).upper() in {"DICOMDIR", _NESTED}  # noqa: PTH119


def read_dicomdir(source: ByteSource) -> list[tuple[str, ...]]:
    """Return the components of each File ID, in the order of the records.

    Raises
    ------
    InvalidDicomError
        If the bytes contradict the standard, or a component leads elsewhere.
    """
    tree = wanted_tree([(tags.REFERENCED_FILE_ID,)])
    with open_lookahead(source) as lookahead:
        meta = read_file_meta(lookahead)
        starts = {tag: at for tag, at, _ in walk(lookahead, meta.start, meta.framing)}
        if tags.DIRECTORY_RECORD_SEQUENCE not in starts:
            raise InvalidDicomError("No directory records", url=source.url)
        records = read_element(
            lookahead, starts[tags.DIRECTORY_RECORD_SEQUENCE], meta.framing
        )
    undefined = records.length == UNDEFINED
    stop = source.size() if undefined else records.offset + records.length
    items = SequenceItems(source, meta.framing, records.offset, stop, tree, 1)
    names = []
    for batch in read_items(items):
        offsets, lengths = batch.places.offsets[0], batch.places.lengths[0]
        names += text_column(batch.data, offsets, lengths).tolist()
    return [_components(name, source.url) for name in names if name]


def files_of_dicomdir(
    path: str, source: ByteSource, *, follow_links: bool = False
) -> list[str]:
    """Return the paths or URLs that a DICOMDIR refers to.

    Raises
    ------
    InvalidDicomError
        If one lies outside the folder of the DICOMDIR, through a symbolic link even,
        unless the caller follows those.
    """
    root = os.path.dirname(path)  # noqa: PTH120
    real_root = os.path.realpath(root)
    names = []
    for components in read_dicomdir(source):
        name = os.path.join(root, *components)  # noqa: PTH118
        inside = follow_links or _is_inside(os.path.realpath(name), real_root)
        coded = "://" in root and any(map(_CODED.search, components))
        if coded or not inside:
            message = "A file outside the folder of the DICOMDIR"
            raise InvalidDicomError(message, url=path, tag=tags.REFERENCED_FILE_ID)
        names.append(name)
    return names


def _is_inside(path: str, root: str) -> bool:
    try:
        return os.path.commonpath([root, path]) == root
    except ValueError:  # another drive of Windows
        return False


def _components(file_id: str, url: str) -> tuple[str, ...]:
    parts = tuple(part.strip() for part in file_id.split("\\"))
    if any(not _NAMES.fullmatch(part) or part in {".", ".."} for part in parts):
        message = "Expected names of folders and a file in Referenced File ID"
        raise InvalidDicomError(message, url=url, tag=tags.REFERENCED_FILE_ID)
    return parts
