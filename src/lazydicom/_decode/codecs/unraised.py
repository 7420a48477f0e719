"""Errors that a codec of imagecodecs cannot raise.

OpenJPH fails in a function that has no way to pass the error on to its caller: Python tells
`sys.unraisablehook`, and what was not decoded yet comes out as zeros.
"""

import sys
from collections.abc import Callable
from functools import partial
from threading import Lock, get_ident
from typing import Any, Final, TypeAlias, TypeVar

from lazydicom._bytes.per_process import at_fork

T = TypeVar("T")
_Hook: TypeAlias = "Callable[[sys.UnraisableHookArgs], Any]"

_PACKAGE: Final = "imagecodecs."
_lock: Final = Lock()
_unraised: Final[dict[int, list[str]]] = {}
"""By thread that has a call under way: what it could not raise."""
_hooks: Final[list[_Hook]] = []
"""That of others and ours, while there is any such call."""


def call_and_raise(function: Callable[..., T], *arguments: Any, **options: Any) -> T:  # noqa: ANN401
    """Call a function, and raise what it could not.

    Raises
    ------
    RuntimeError
        If an error was passed over.
    """
    errors: list[str] = []
    thread = get_ident()
    with _lock:
        if not _unraised:
            _begin()
        _unraised[thread] = errors
    try:
        result = function(*arguments, **options)
    finally:
        with _lock:
            del _unraised[thread]
            if not _unraised:
                _end()
    if errors:
        raise RuntimeError(errors[0])
    return result


def _begin() -> None:
    """Put our hook before that of others; a new one each time: none calls itself."""
    others = sys.unraisablehook
    _hooks[:] = others, partial(_note, others)
    sys.unraisablehook = _hooks[1]


def _end() -> None:
    """Restore the hook of others, unless somebody has put another one in its place."""
    others, ours = _hooks
    if sys.unraisablehook is ours:
        sys.unraisablehook = others


def _forget() -> None:
    """Forget calls of threads that a fork leaves behind."""
    if _unraised:
        _unraised.clear()
        _end()
    _lock.release()


at_fork(before=_lock.acquire, in_parent=_lock.release, in_child=_forget)
"""A lock that is held at a fork would be held in the child for ever."""


def _note(others: _Hook, found: "sys.UnraisableHookArgs", /) -> None:
    errors = _unraised.get(get_ident())
    if errors is None or not str(found.object).startswith(_PACKAGE):
        others(found)
    else:
        errors.append(str(found.exc_value))
