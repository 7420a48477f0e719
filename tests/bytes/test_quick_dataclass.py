"""Our data classes are those of the standard library, made more quickly."""

from __future__ import annotations

import ast
import copy
import dataclasses
import inspect
import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import FrozenInstanceError, field
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from tools import REPOSITORY, tree_of

from lazydicom._bytes.cached import cached
from lazydicom._bytes.quick_dataclass import dataclass as quick

if TYPE_CHECKING:
    from collections.abc import Callable

    Maker = Callable[..., Callable[[type], type]]

MODULES = [
    path
    for path in sorted((REPOSITORY / "src").rglob("*.py"))
    if path.name != "quick_dataclass.py"
]
OPTIONS: list[dict[str, bool]] = [
    {"frozen": True},
    {"frozen": True, "slots": True},
    {"frozen": True, "slots": True, "eq": False},
    {"frozen": True, "eq": False, "repr": False},
    {"frozen": True, "slots": True, "kw_only": True},
    {"slots": True},
    {"slots": True, "eq": False},
]


def plain(maker: Maker, **options: bool) -> Any:  # noqa: ANN401
    class Value:
        """Has fields of all kinds."""

        name: str
        size: int = 3
        hidden: float = field(default=0.5, repr=False, compare=False)
        parts: tuple[int, ...] = field(default_factory=lambda: (1, 2))
        total: int = field(init=False, default=7)

        @property
        def double(self) -> int:
            return 2 * self.size

    return maker(**options)(Value)


def made(value_of: Any, **changes: Any) -> Any:  # noqa: ANN401
    return value_of(**({"name": "a"} | changes))


def outcome(action: Callable[[], object]) -> object:
    """Return what comes of an action, or the type and text of its error."""
    try:
        return action()
    except (TypeError, AttributeError) as error:
        return type(error), str(error)


@pytest.fixture(params=OPTIONS, ids=" ".join)
def both(request: pytest.FixtureRequest) -> list[Any]:
    return [plain(maker, **request.param) for maker in (dataclasses.dataclass, quick)]


def set_size(value: Any) -> None:  # noqa: ANN401
    value.size = 4


def delete_size(value: Any) -> None:  # noqa: ANN401
    del value.size


def set_other(value: Any) -> None:  # noqa: ANN401
    value.other = 4


LOOKS: dict[str, Callable[[Any], object]] = {
    "fields": lambda of: [(f.name, f.repr, f.init) for f in dataclasses.fields(of)],
    "arguments": lambda of: list(inspect.signature(of).parameters),
    "kinds": lambda of: [p.kind for p in inspect.signature(of).parameters.values()],
    "match": lambda of: of.__match_args__,
    "double": lambda of: made(of).double,
    "missing argument": lambda of: of(),
    "unknown argument": lambda of: made(of, other=1),
    "too many arguments": lambda of: of("a", 1, 2.0, (3,), 7, 8),
    "dict": lambda of: dataclasses.asdict(made(of, size=5)),
    "replace": lambda of: dataclasses.asdict(dataclasses.replace(made(of), size=9)),
    "alike": lambda of: made(of) == made(of),
    "unlike": lambda of: made(of) == made(of, size=4),
    "not compared": lambda of: made(of) == made(of, hidden=9.0),
    "with another": lambda of: made(of) == "a",
    "hash": lambda of: len({made(of), made(of, hidden=2.0)}),
    "set": lambda of: set_size(made(of)),
    "delete": lambda of: delete_size(made(of)),
    "copy": lambda of: dataclasses.asdict(copy.copy(made(of, size=8))),
    "factory": lambda of: made(of).parts is made(of).parts,
}


def test_a_class_is_as_the_standard_one_makes_it(both: list[Any]) -> None:
    for name, look in LOOKS.items():
        standard, ours = [outcome(partial(look, of)) for of in both]

        assert ours == standard, name


def test_a_class_shows_its_fields_as_the_standard_one_does(both: list[Any]) -> None:
    standard, ours = [repr(made(of)).partition(" at 0x")[0] for of in both]

    assert ours == standard


def test_a_frozen_value_takes_nothing(both: list[Any]) -> None:
    value = made(both[1])
    frozen = outcome(lambda: set_size(made(both[0]))) is not None

    if not frozen:
        set_size(value)
        assert value.size == 4
        return
    for change in (set_size, delete_size, set_other):
        with pytest.raises(FrozenInstanceError):
            change(value)


@pytest.mark.parametrize("frozen", [True, False])
@pytest.mark.parametrize(
    ("given", "named"),
    [
        (("a",), {}),
        (("a", 5), {"parts": (3,)}),
        ((), {"name": "a", "hidden": 1.5}),
        ((), {}),
        (("a",), {"name": "b"}),
        (("a",), {"other": 1}),
        (("a",), {"total": 1}),
        (("a", 1, 2.0, (3,), 7, 8), {}),
    ],
)
def test_the_first_value_of_a_class_is_made_as_the_others_are(
    given: tuple[Any, ...], named: dict[str, Any], *, frozen: bool
) -> None:
    standard = plain(dataclasses.dataclass, frozen=frozen, slots=True)
    ours = plain(quick, frozen=frozen, slots=True)
    expected = outcome(lambda: dataclasses.asdict(standard(*given, **named)))

    values = [outcome(lambda: dataclasses.asdict(ours(*given, **named))) for _ in "abc"]

    assert values == [expected] * 3


def test_a_first_value_is_looked_at_and_has_no_more_than_its_fields() -> None:
    def checked() -> Any:  # noqa: ANN401
        class Value:
            size: int
            twice: int = field(init=False)

            def __post_init__(self) -> None:
                if self.size < 0:
                    raise ValueError("too small")
                self.twice = 2 * self.size

        return quick(slots=True)(Value)

    assert checked()(3).twice == 6
    assert not hasattr(checked()(3), "__dict__")
    with pytest.raises(ValueError, match="too small"):
        checked()(-3)


def test_threads_that_make_first_values_at_once_get_whole_ones() -> None:
    for _ in range(50):
        value_of = plain(quick, frozen=True, slots=True)
        with ThreadPoolExecutor(8) as pool:
            values = list(pool.map(lambda k, of=value_of: of("a", k), range(16)))

        assert [(one.name, one.size, one.total) for one in values] == [
            ("a", k, 7) for k in range(16)
        ]


@quick(frozen=True, slots=True)
class Slotted:
    """Pickles by the values of its fields."""

    name: str
    size: int = 2


@quick(frozen=True, eq=False)
class WithCache:
    """Keeps what it worked out, though it is frozen."""

    size: int
    made: list[int] = field(default_factory=list, repr=False)

    @cached
    def double(self) -> int:
        self.made.append(1)
        return 2 * self.size


@quick(frozen=True, slots=True)
class Reduced:
    """Says itself how it pickles, looks and compares."""

    size: int

    def __reduce__(self) -> tuple[object, ...]:
        return (Reduced, (self.size + 1,))

    def __repr__(self) -> str:
        return "mine"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Reduced)

    def __hash__(self) -> int:
        return 5


@quick(slots=True)
class Checked:
    """Looks at what it is given."""

    size: int
    twice: int = field(init=False)

    def __post_init__(self) -> None:
        self.twice = 2 * self.size


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_values_pickle(protocol: int) -> None:
    values = [Slotted("a", 4), Checked(3)]

    copies = pickle.loads(pickle.dumps(values, protocol))

    assert copies == values
    assert copies[1].twice == 6


def test_a_cached_property_is_worked_out_once() -> None:
    value = WithCache(4)

    assert (value.double, value.double) == (8, 8)
    assert value.made == [1]
    assert pickle.loads(pickle.dumps(value)).double == 8


@pytest.mark.parametrize("names", [(), ("one",), ("one", "two")])
def test_fields_are_compared_as_in_a_tuple(names: tuple[str, ...]) -> None:
    body = {"__annotations__": dict.fromkeys(names, float)}
    value_of: Any = quick(frozen=True, slots=True)(type("Value", (), body))
    nan = float("nan")

    one, other = (value_of(*[nan for _ in names]) for _ in range(2))

    assert one == other
    assert hash(one) == hash(other)


def test_methods_of_its_own_stay() -> None:
    value = Reduced(1)

    assert repr(value) == "mine"
    assert value == Reduced(2)
    assert hash(value) == 5
    assert pickle.loads(pickle.dumps(value)).size == 2


@pytest.mark.parametrize("maker", [dataclasses.dataclass, quick])
@pytest.mark.parametrize("slots", [True, False])
def test_a_frozen_class_inherits_from_a_frozen_class(maker: Maker, slots: bool) -> None:
    class More(Slotted):
        more: int = 5

    More.__annotations__ = {"more": int}
    value = maker(frozen=True, slots=slots)(More)("a")

    assert dataclasses.asdict(value) == {"name": "a", "size": 2, "more": 5}
    with pytest.raises(FrozenInstanceError):
        set_size(value)
    with pytest.raises(TypeError, match="cannot inherit non-frozen"):
        dataclasses.dataclass(type("Mutable", (Slotted,), {}))


def test_a_value_stands_in_a_pattern() -> None:
    match Slotted("a", 4):
        case Slotted(name, size):
            assert (name, size) == ("a", 4)
        case _:
            pytest.fail("no match")


def test_no_module_makes_data_classes_the_slow_way() -> None:
    slow = [
        module.name
        for module in MODULES
        for node in ast.walk(tree_of(module))
        if isinstance(node, ast.ImportFrom) and node.module == "dataclasses"
        for alias in node.names
        if alias.name == "dataclass"
    ]

    assert not slow
