"""A property that is worked out once for each object, with no lock while it is.

`functools.cached_property` of Python 3.11 holds one lock for all objects of a class: a file
that is inflated would wait for another one, and a child of a fork for ever.
"""

from collections.abc import Callable
from typing import Any, Generic, TypeVar, overload

T = TypeVar("T")


class cached(Generic[T]):  # noqa: N801 (used as `property` is)
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
        self.method = method
        self.__doc__ = method.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, instance: None, owner: type) -> "cached[T]": ...
    @overload
    def __get__(self, instance: object, owner: type) -> T: ...
    def __get__(self, instance: object | None, owner: type) -> "T | cached[T]":
        """Return the value; from now on the object has it by itself."""
        if instance is None:
            return self
        value = self.method(instance)
        return instance.__dict__.setdefault(self.name, value)  # type: ignore[no-any-return]
