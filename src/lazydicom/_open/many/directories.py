"""Directories of media stand for the files they refer to (PS3.10 section 8.6, PS3.3 annex F).

They are called DICOMDIR, in any letter case; another name is known by its content. A
directory inside that is lost is a problem of its files alone.
"""

import os
from collections.abc import Mapping
from dataclasses import field
from typing import Any, Final

from lazydicom._bytes.listing import Listed
from lazydicom._bytes.location import chain, is_local
from lazydicom._bytes.open import open_source
from lazydicom._bytes.quick_dataclass import dataclass
from lazydicom._bytes.source import ByteSource
from lazydicom._header import tags
from lazydicom._header.columns.dicomdir import (
    files_of_dicomdir,
    is_dicomdir,
    read_dicomdir,
)
from lazydicom._open.many.problems import Problem, media_storage, problem_of
from lazydicom.errors import InvalidDicomError, LazyDicomError, LimitError

_DEEPEST: Final = 8
"""A disk has directories of patients, studies and series."""
_DIRECTORY: Final = "1.2.840.10008.1.3.10"
_CODED: Final = frozenset("%?#")


@dataclass(slots=True)
class Directories:
    """Expands the directories among some files."""

    storage_options: Mapping[str, Any]
    follow_links: bool
    problems: list[Problem] = field(default_factory=list)
    """Directories that directories refer to and that cannot be read."""
    seen: set[str] = field(default_factory=set)
    """They refer to each other, maybe in a circle: each is read once."""
    top: str = ""
    """The directory that was named: those inside count from its folder, or from theirs."""

    def expand(self, files: list[Listed], *, depth: int = 0) -> list[Listed]:
        """Let a directory that was named stand for the files it refers to.

        Raises
        ------
        LimitError
            If they go on and on, as a server may make them.
        LazyDicomError
            If one that the caller named cannot be read.
        """
        expanded: list[Listed] = []
        for file in files:
            name = _name_of(file) if file.named else ""  # names of thousands cost time
            alone = depth == 0 and len(files) == 1
            if not name or not self._is_directory(name, alone=alone):
                expanded.append(file)
            elif name not in self.seen:
                if depth > _DEEPEST:
                    raise LimitError("Directories refer deeper and deeper", url=name)
                self.seen.add(name)
                self.top = self.top if depth else name
                expanded += self.expand(self._inside(name, depth), depth=depth + 1)
        return expanded

    def _is_directory(self, name: str, *, alone: bool) -> bool:
        """Return whether a file is a directory, by name or, if it is `alone`, by content."""
        if is_dicomdir(chain(name)[0]):
            return True
        if not alone or not is_local(name):  # far away it would be a request more
            return False
        try:
            source = open_source(name, self.storage_options)
            return media_storage(source) == _DIRECTORY
        except LazyDicomError:
            return False  # whoever opens it hears why

    def _inside(self, name: str, depth: int) -> list[Listed]:
        try:
            source = open_source(name, self.storage_options)
            names = self._names(name, source)
            if depth:
                from_top = self._names(self.top, source)
                pairs = zip(names, from_top, strict=True)
                names = [
                    other if not self._is_there(own) and self._is_there(other) else own
                    for own, other in pairs
                ]
        except LazyDicomError as error:
            if depth == 0:
                raise
            self.problems.append(problem_of(name, error, None))
            return []
        return [Listed(url, named=True) for url in names]

    def _is_there(self, name: str) -> bool:
        if is_local(name):
            return os.path.exists(name)  # noqa: PTH110
        try:
            open_source(name, self.storage_options, first_block=1)
        except LazyDicomError:
            return False
        return True

    def _names(self, name: str, source: ByteSource) -> list[str]:
        member, archive, around = name.partition("::")
        if not archive:
            return files_of_dicomdir(name, source, follow_links=self.follow_links)
        folder = member.rpartition("/")[0]
        root = f"{folder}/" if folder and not member.endswith("://") else "zip://"
        names = read_dicomdir(source)
        if any(_CODED & set(part) for components in names for part in components):
            message = "A file outside the folder of the DICOMDIR"
            raise InvalidDicomError(message, url=name, tag=tags.REFERENCED_FILE_ID)
        return [f"{root}{'/'.join(components)}::{around}" for components in names]


def _name_of(file: Listed) -> str:
    return "" if isinstance(file.file, bytes | bytearray | memoryview) else file.url
