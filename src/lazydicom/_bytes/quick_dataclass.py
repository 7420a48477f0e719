"""`dataclasses.dataclass` at a fifth of its cost.

The standard one compiles a text for each method of each class: 0.5 ms, half of what the first
frame of a small file took. Here `__init__` alone is such a text, compiled when the second value
of its class is made: most classes have one value, or none, before the first frame is there. The
other methods are the same for all classes, and look at the fields.
See ``docs/decisions/0022-first-frame.md``.
"""

import dataclasses
from collections.abc import Callable
from dataclasses import MISSING, FrozenInstanceError
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

T = TypeVar("T")
_Fields: TypeAlias = "tuple[Field[Any], ...]"


def _make_dataclass(
    *,
    frozen: bool = False,
    slots: bool = False,
    eq: bool = True,
    repr: bool = True,  # noqa: A002 (as the standard one calls it)
    kw_only: bool = False,
) -> Callable[[type[T]], type[T]]:
    """Return what makes a data class of a class, as `dataclasses.dataclass` does."""

    def make(cls: type[T]) -> type[T]:
        if any(map(dataclasses.is_dataclass, cls.__mro__[1:])):
            return dataclasses.dataclass(
                frozen=frozen, slots=slots, eq=eq, repr=repr, kw_only=kw_only
            )(cls)  # one of a library, whose fields and methods it has too
        own = dict(vars(cls))
        bare = dataclasses.dataclass(init=False, repr=False, eq=False, kw_only=kw_only)
        fields = dataclasses.fields(bare(cls))  # type: ignore[arg-type]
        init = _Init(fields, frozen=frozen)
        methods: dict[str, Any] = {"__init__": init} | (_REPR if repr else {})
        if frozen:
            methods |= _FROZEN | _STATE if slots else _FROZEN
        if eq:
            methods |= _equality_of(fields, hashed=frozen)
        # beside an own `__eq__`, `__hash__` is None
        missing = {n: m for n, m in methods.items() if own.get(n) is None}
        made: Any = _with_slots(cls, fields, missing) if slots else _with(cls, missing)
        made.__dataclass_params__.frozen = frozen  # for classes that inherit from it
        init.cls = made
        kept: type[T] = made
        return kept

    return make


if TYPE_CHECKING:
    from dataclasses import Field
    from dataclasses import dataclass as dataclass  # noqa: PLC0414 (it is handed on)
else:
    dataclass = _make_dataclass


def _with(cls: type, methods: dict[str, Any]) -> type:
    """Return a class that has these methods too."""
    for name, method in methods.items():
        setattr(cls, name, method)
    return cls


def _with_slots(cls: type, fields: _Fields, methods: dict[str, Any]) -> type:
    """Return a class like another, with slots and methods.

    It has its methods from the beginning: each that is set later takes 3 µs.
    """
    names = tuple(one.name for one in fields)
    dropped = {*names, "__dict__", "__weakref__"}
    members = {n: m for n, m in vars(cls).items() if n not in dropped}
    members |= {"__slots__": names, "__qualname__": cls.__qualname__}
    return type(cls)(cls.__name__, cls.__bases__, members | methods)


class _Init:
    """Makes the first value of a class field by field, and compiles `__init__` for others."""

    cls: Any
    """The class, once it is made."""

    def __init__(self, fields: _Fields, *, frozen: bool) -> None:
        self._fields = fields
        self._frozen = frozen
        self._is_used = False

    def __get__(self, value: object, cls: type | None = None) -> Callable[..., None]:
        asked = value is None or isinstance(value, type)  # by `inspect`, as of 3.13
        if asked or self._is_used:
            return self._compile(value, cls)
        self._is_used = True
        return partial(self._fill, value)

    def _compile(self, value: object, cls: type | None) -> Callable[..., None]:
        self.cls.__init__ = init = _init_of(self.cls, self._fields, frozen=self._frozen)
        bound: Callable[..., None] = init.__get__(value, cls)
        return bound

    def _fill(self, value: object, /, *given: object, **named: object) -> None:
        """Set the fields as the text would, which tells what is wrong with arguments."""
        taken = [one for one in self._fields if one.init]
        order = [one.name for one in taken if not one.kw_only]
        values = dict(zip(order, given, strict=False)) | named
        needed = {one.name for one in taken if not _has_default(one)}
        unlike = len(values) != len(given) + len(named)
        if unlike or not needed <= values.keys() <= {one.name for one in taken}:
            self._compile(value, type(value))(*given, **named)
            return
        set_field = object.__setattr__ if self._frozen else setattr
        for one in self._fields:
            if one.name in values:
                set_field(value, one.name, values[one.name])
            elif _has_default(one):
                set_field(value, one.name, _default_of(one))
        if hasattr(value, "__post_init__"):
            value.__post_init__()


def _default_of(field: "Field[Any]") -> object:
    make = field.default_factory
    return field.default if make is MISSING else make()


def _init_of(cls: type, fields: _Fields, *, frozen: bool) -> Callable[..., None]:
    """Compile what takes the values of fields as arguments, in their order."""
    given = [one for one in fields if one.init]
    arguments = ["self", *(_argument(one) for one in given if not one.kw_only)]
    named = [_argument(one) for one in given if one.kw_only]
    arguments += ["*", *named] if named else []
    kept = [one for one in fields if one.init or _has_default(one)]
    form = "_set(self, {0!r}, {1})" if frozen else "self.{0} = {1}"
    lines = [form.format(one.name, _value(one)) for one in kept]
    lines += ["self.__post_init__()"] if hasattr(cls, "__post_init__") else ["pass"]
    text = "\n ".join([f"def __init__({', '.join(arguments)}):", *lines])
    names: dict[str, Any] = {"_set": object.__setattr__, "_missing": MISSING}
    names |= {f"_default_{one.name}": one.default for one in fields}
    names |= {f"_make_{one.name}": one.default_factory for one in fields}
    exec(text, names)  # noqa: S102 (a text of our own names)
    init: Callable[..., None] = names["__init__"]
    init.__qualname__ = f"{cls.__qualname__}.__init__"
    return init


def _has_default(field: "Field[Any]") -> bool:
    return field.default is not MISSING or field.default_factory is not MISSING


def _argument(field: "Field[Any]") -> str:
    if field.default_factory is not MISSING:
        return f"{field.name}=_missing"
    if field.default is not MISSING:
        return f"{field.name}=_default_{field.name}"
    return field.name


def _value(field: "Field[Any]") -> str:
    name = field.name
    if field.default_factory is not MISSING:
        made = f"_make_{name}()"
        return f"{made} if {name} is _missing else {name}" if field.init else made
    return name if field.init else f"_default_{name}"


def _refuse_to_set(self: object, name: str, value: object) -> None:
    del self, value
    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_to_delete(self: object, name: str) -> None:
    del self
    raise FrozenInstanceError(f"cannot delete field {name!r}")


def _repr(self: Any) -> str:  # noqa: ANN401 (of any data class)
    shown = [one.name for one in dataclasses.fields(self) if one.repr]
    values = ", ".join(f"{name}={getattr(self, name)!r}" for name in shown)
    return f"{type(self).__qualname__}({values})"


def _get_state(self: Any) -> list[object]:  # noqa: ANN401
    return [getattr(self, one.name) for one in dataclasses.fields(self)]


def _set_state(self: Any, state: list[object]) -> None:  # noqa: ANN401
    for one, value in zip(dataclasses.fields(self), state, strict=True):
        object.__setattr__(self, one.name, value)


def _equality_of(fields: _Fields, *, hashed: bool) -> dict[str, Any]:
    """Return the methods that compare fields."""
    values_of = _values_of([one.name for one in fields if one.compare])

    def __eq__(self: object, other: object) -> Any:  # noqa: ANN401, N807
        if other.__class__ is not self.__class__:
            return NotImplemented
        return values_of(self) == values_of(other)

    def __hash__(self: object) -> int:  # noqa: N807
        return hash(values_of(self))

    return {"__eq__": __eq__, "__hash__": __hash__ if hashed else None}


def _values_of(names: list[str]) -> Callable[[Any], tuple[object, ...]]:
    """Return what gives the values of fields; `attrgetter` of one gives no tuple."""
    if len(names) > 1:
        return attrgetter(*names)
    return lambda self: tuple(getattr(self, name) for name in names)


_REPR: dict[str, Any] = {"__repr__": _repr}
_FROZEN: dict[str, Any] = {
    "__setattr__": _refuse_to_set,
    "__delattr__": _refuse_to_delete,
}
_STATE: dict[str, Any] = {"__getstate__": _get_state, "__setstate__": _set_state}
