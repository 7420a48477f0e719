"""What a process makes once and keeps: pools, clients, caches, spills, locks.

A fork inherits neither threads nor connections, and a lock that another thread holds at
that moment is never released in the child. So one hook lets the child forget all of it; what
else must happen around a fork is said here, too, and how many cores a process has.
"""

import os
import threading
from collections.abc import Callable
from typing import Any, Final, Generic, TypeVar
from weakref import WeakSet

T = TypeVar("T")


def _nothing() -> None:
    """Do nothing."""


class PerProcess(Generic[T]):
    """A value that is made when it is first asked for, in each process anew.

    >>> numbers = per_process(list)
    >>> numbers() is numbers()
    True
    """

    def __init__(self, factory: Callable[[], T]) -> None:
        self._factory = factory
        self._values: list[T] = []
        self._lock = threading.Lock()
        _KEPT.add(self)

    def __call__(self) -> T:
        """Return the value of this process."""
        if not self._values:  # two threads may come at once
            with self._lock:
                if not self._values:
                    self._values.append(self._factory())
        return self._values[0]

    def forget(self) -> None:
        """Let the next call make the value anew."""
        self._values = []
        self._lock = threading.Lock()


def per_process(factory: Callable[[], T]) -> PerProcess[T]:
    """Return a function that gives what `factory` makes, once for each process."""
    return PerProcess(factory)


def at_fork(
    *,
    before: Callable[[], object] = _nothing,
    in_parent: Callable[[], object] = _nothing,
    in_child: Callable[[], object] = _nothing,
) -> None:
    """Call functions around every fork from now on; Windows cannot fork."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(
            before=before, after_in_parent=in_parent, after_in_child=in_child
        )


_KEPT: Final[WeakSet[PerProcess[Any]]] = WeakSet()


def _forget_all() -> None:
    for kept in list(_KEPT):
        kept.forget()


at_fork(in_child=_forget_all)


def available_cores() -> int:
    """Count the cores that this process may use."""
    return (
        len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else (os.cpu_count() or 1)
    )
