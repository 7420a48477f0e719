"""Stores that cannot rename: written where they will be, by one export at a time.

They have no locks either, so each export shows a token while it writes. It puts its token, then
lists all of them. Where stores list what was put (S3, GCS, Azure and memory do), the later one
of two sees the other: it withdraws, tries again, and gives way to an export that writes. A
token says who holds it and is renewed, so that one whose export was killed is known: at once
on the same machine, elsewhere after it has not changed for a while.
"""

import os
import platform
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import field
from typing import Final
from uuid import uuid4

from lazydicom._bytes.quick_dataclass import dataclass
from lazydicom._export.store.folder import LEASE, Folder
from lazydicom._export.store.layout import METADATA
from lazydicom._export.store.manifest import JOURNAL, MANIFEST
from lazydicom.errors import ExportError, redact_url

_BEGUN: Final = f"{JOURNAL}/000000"
"""An export writes this one before all others, and deletes it after them."""
_RENEWED_S: Final = 2.0
_PATIENCE_S: Final = 10.0
"""A token of another machine that does not change for so long is of a dead export."""
_HELD: Final[set[str]] = set()
"""Keys of the tokens of this process."""
_MACHINE: Final = platform.node().replace(" ", "-") or "unknown"


@dataclass(frozen=True, slots=True)
class InPlaceTarget:
    """A store that cannot rename: it is written where it will be."""

    staging: Folder

    @property
    def url(self) -> str:
        """Name of the store."""
        return self.staging.url

    @property
    def name(self) -> str:
        """The URL without secrets."""
        return redact_url(self.url)

    @property
    def streams(self) -> bool:
        """Whether the folder appends."""
        return self.staging.appends

    def alone(self) -> AbstractContextManager[Callable[[], None]]:
        """Show a token: such a store has no locks."""
        return only_export_into(self.staging)

    def published(self) -> Folder | None:
        """Return what is there, unless it is an unfinished export of ours."""
        if self.staging.get(METADATA) is None and self._is_unfinished():
            return None
        return None if self.staging.is_empty() else self.staging

    def discard(self) -> None:
        """Delete everything: an unfinished export until all of it is gone."""
        if not self.staging.is_empty():
            self.staging.put(_BEGUN, b"")
            self.staging.delete(METADATA)
            self.staging.clear(last=_BEGUN)

    def tidy(self) -> None:
        """Nothing is beside."""

    def publish(self, metadata: bytes) -> None:
        """Write what makes it a store."""
        self.staging.put(METADATA, metadata)

    def _is_unfinished(self) -> bool:
        return any(self.staging.size(key) is not None for key in (_BEGUN, MANIFEST))


def is_being_deleted(folder: Folder) -> bool:
    """Return whether a crash left a part of what an export was about to replace."""
    return folder.size(_BEGUN) == 0


@dataclass(slots=True)
class Lease:
    """The token of an export."""

    folder: Folder
    key: str = field(default_factory=lambda: f"{LEASE}/{uuid4().hex}")
    _renewals: int = 0

    def show(self) -> None:
        """Put the token, or renew it."""
        self.folder.put(self.key, f"{_MACHINE} {os.getpid()} {self._renewals}".encode())

    def renew(self) -> None:
        """Show that this export goes on."""
        self._renewals += 1
        self.show()

    def withdraw(self) -> None:
        """Delete the token."""
        self.folder.delete(self.key)

    def others(self) -> dict[str, bytes]:
        """Return the tokens of all other exports that may go on."""
        tokens = {}
        for key in self.folder.keys(LEASE):
            token = None if key == self.key else self.folder.get(key)
            if token is None:
                continue
            if _is_dead(key, token):
                self.folder.delete(key)
            else:
                tokens[key] = token
        return tokens

    def check(self) -> None:
        """Read the token back before the store is published.

        Raises
        ------
        ExportError
            If another export took it for dead, and its place.
        """
        if self.folder.size(self.key) is None:
            message = "Another export took over here while this one stood still"
            raise ExportError(message, url=self.folder.url)


@contextmanager
def only_export_into(folder: Folder) -> Iterator[Callable[[], None]]:
    """Show a token for the length of a block; yield what checks that it stands there.

    Raises
    ------
    ExportError
        If another export writes here.
    """
    lease = Lease(folder)
    stopped = threading.Event()
    renewing = threading.Thread(
        target=_renew, args=(lease, stopped), name="lazydicom-lease", daemon=True
    )
    _HELD.add(lease.key)
    try:
        _acquire(lease)
        renewing.start()
        yield lease.check
    finally:
        stopped.set()
        if renewing.ident is not None:
            renewing.join()
        _HELD.discard(lease.key)
        with suppress(
            OSError
        ):  # the store is what it is; a token of nobody does no harm
            lease.withdraw()


def _acquire(lease: Lease) -> None:
    first_seen: dict[str, tuple[bytes, float]] = {}
    while True:
        lease.show()
        others = lease.others()
        if not others:
            lease.renew()
            return
        lease.withdraw()
        _check_none_writes(others, first_seen, lease.folder.url)
        now = time.monotonic()
        first_seen = {
            key: first_seen.get(key, (token, now)) for key, token in others.items()
        }
        for key, (_, since) in first_seen.items():
            if now - since > _PATIENCE_S:
                lease.folder.delete(key)
        time.sleep(random.uniform(0.02, 0.2))  # noqa: S311 (no secret)


def _check_none_writes(
    others: Mapping[str, bytes],
    first_seen: Mapping[str, tuple[bytes, float]],
    url: str,
) -> None:
    """Raise where an export has begun and goes on; others withdraw as this one does.

    Raises
    ------
    ExportError
        If there is one.
    """
    for key, token in others.items():
        renewals = token.decode(errors="replace").rpartition(" ")[2]
        renewed = key in first_seen and first_seen[key][0] != token
        if renewals != "0" and (key in _HELD or renewed):
            raise ExportError("Another export writes here", url=url)


def _is_dead(key: str, token: bytes) -> bool:
    """Return whether who showed a token was on this machine, and is gone."""
    try:
        machine, process, _ = token.decode().split(" ")
        if machine != _MACHINE:
            return False
        if int(process) == os.getpid():
            return key not in _HELD
        os.kill(int(process), 0)
    except ProcessLookupError:
        return True
    except (ValueError, OverflowError):
        return True  # nobody wrote this
    except OSError:
        return False
    return False


def _renew(lease: Lease, stopped: threading.Event) -> None:
    while not stopped.wait(_RENEWED_S):
        with suppress(OSError):
            if lease.folder.size(lease.key) is not None:
                lease.renew()
