"""Files of a local folder, and what its symbolic links lead to.

One rule for links to files and to folders: what lies inside the folder that was asked for is
listed once, under its own name; what lies outside only where the caller says so. Links that
lead nowhere are none of the files; who gives a list for them hears of them.
"""

import os
from collections.abc import Iterator
from glob import glob, has_magic

from lazydicom.errors import SourceError, source_error, warn


def list_folder(
    folder: str, *, follow_links: bool, lost: list[str] | None = None
) -> list[str]:
    """Return all files below a folder, sorted folder by folder.

    Links that lead nowhere are added to `lost`.

    Raises
    ------
    SourceError
        If a folder cannot be listed.
    """
    walk = _Walk(folder, follow_links)
    names = list(walk.files(folder))
    walk.warn_of_links()
    if lost is not None:
        lost += walk.lost
    return names


def list_pattern(
    pattern: str, *, follow_links: bool, lost: list[str] | None = None
) -> list[str]:
    """Return the files that a pattern matches, sorted; `lost` is as for a folder."""
    root = pattern
    while has_magic(root):
        root = os.path.dirname(root)  # noqa: PTH120
    walk = _Walk(root, follow_links)
    names = sorted(glob(pattern, recursive=True))  # noqa: PTH207 (any pattern)
    there = [n for n in names if os.path.exists(n)]  # noqa: PTH110
    files = [n for n in there if not os.path.isdir(n) and walk.may_open(n)]  # noqa: PTH112
    walk.warn_of_links()
    if lost is not None:
        lost += sorted(set(names) - set(there))
    return files


class _Walk:
    """What was seen below one root."""

    def __init__(self, root: str, follow_links: bool) -> None:  # noqa: FBT001
        self.root = root
        self.real_root = os.path.realpath(root)
        self.follow_links = follow_links
        self.left_out = 0
        """Links that lead out of the root."""
        self.lost: list[str] = []
        """Links that lead nowhere."""
        self.seen: set[str] = set()
        """Where links led to, so that no circle is walked twice."""

    def files(self, folder: str) -> Iterator[str]:
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            raise _unlisted(error) from None
        folders = []
        for entry in entries:
            if entry.is_symlink() and not self._follow(entry.path):
                continue
            if entry.is_dir():
                folders.append(entry.path)
            else:
                yield entry.path
        for inside in folders:
            yield from self.files(inside)

    def may_open(self, path: str) -> bool:
        """Return whether a file lies inside the root, wherever links lead."""
        inside = self.follow_links or self._is_inside(os.path.realpath(path))
        self.left_out += not inside
        return inside

    def warn_of_links(self) -> None:
        """Say that something was left out."""
        if self.left_out:
            message = (
                f"{self.left_out} symbolic links lead out of the folder and were left "
                "out; follow_links=True follows them"
            )
            warn(message, url=self.root)

    def _follow(self, link: str) -> bool:
        """Return whether to list what a link leads to: inside it is listed anyway."""
        real = os.path.realpath(link)
        if not os.path.exists(real):  # noqa: PTH110
            self.lost.append(link)
            return False
        if self._is_inside(real):
            return False
        if not self.follow_links:
            self.left_out += 1
            return False
        new = real not in self.seen
        self.seen.add(real)
        return new

    def _is_inside(self, real: str) -> bool:
        try:
            return os.path.commonpath([self.real_root, real]) == self.real_root
        except ValueError:  # another drive of Windows
            return False


def _unlisted(error: OSError) -> SourceError:
    """Refuse to leave out a folder that cannot be listed."""
    message = f"Could not list: {error.strerror or type(error).__name__}"
    return source_error(message, number=error.errno, url=str(error.filename))
