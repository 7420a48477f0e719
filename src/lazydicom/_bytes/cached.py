"""A property that is worked out once for each object, with no lock while it is.

`functools.cached_property` of Python 3.11 holds one lock for all objects of a class: a file
that is inflated would wait for another one, and a child of a fork for ever.
"""

from collections.abc import Callable
from contextlib import nullcontext
from functools import cached_property
from typing import Any, TypeVar

T = TypeVar("T")


class cached(cached_property[T]):  # noqa: N801 (used as `property` is)
    """Keep what a method returns in the object; threads that come at once both call it.

    >>> class Circle:
    ...     @cached
    ...     def name(self) -> str:
    ...         print("worked out")
    ...         return "circle"
    >>> circle = Circle()
    >>> circle.name, circle.name
    worked out
    ('circle', 'circle')
    """

    def __init__(self, method: Callable[[Any], T]) -> None:
        super().__init__(method)
        self.lock = nullcontext()  # from Python 3.12 on there is none
