"""Modules that are loaded when something of them is first used.

A frame of a plain file of this machine needs a third of the library: no network, no archive,
no codec. What only others need is named at the top of a module, beside its imports, and loaded
by its first use. Type checkers and `lint-imports` see an import, as ever.
"""

from importlib import import_module
from typing import Any


class _Loaded:
    """Stands for a module whose names it has."""


class _Deferred(_Loaded):
    """Stands for a module until something of it is asked for."""

    def __init__(self, name: str) -> None:
        self._module_name = name

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 (a module holds anything)
        module = import_module(self._module_name)
        vars(self).update(vars(module))
        _find_names_directly(self)
        return getattr(module, name)


def _find_names_directly(module: _Loaded) -> None:
    """Let names be found without a call: it takes longer even where it is not made."""
    module.__class__ = _Loaded


def deferred(name: str) -> Any:  # noqa: ANN401 (its type is that of the import beside it)
    """Return what stands for a module, and loads it when a name of it is first used.

    It belongs into a pair that names one module twice, so that its types are known and the
    contracts of the layers hold for it (``tests/house/test_layers.py``):

    >>> from typing import TYPE_CHECKING
    >>> if TYPE_CHECKING:
    ...     from lazydicom._bytes import ranges
    ... else:
    ...     ranges = deferred("lazydicom._bytes.ranges")
    >>> ranges.MAX_BLOCK
    4194304
    """
    return _Deferred(name)
