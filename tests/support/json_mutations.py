"""JSON documents with a field changed, as a store of a stranger may have them."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

_VALUES: Final[tuple[Any, ...]] = (
    None,
    True,
    False,
    0,
    1,
    -1,
    2,
    7,
    2**31,
    2**32,
    2**63,
    2**64,
    10**30,
    0.5,
    float("nan"),
    float("inf"),
    1e400,
    "",
    "0",
    "x",
    "../x",
    "/etc/passwd",
    "a\0b",
    "c/0",
    "zarr.json",
    "float64",
    "<u8",
    "O",
    "gzip",
    [],
    {},
    [[]],
    [0] * 40,
    [1, 1, 1],
    {"name": "pickle"},
)


def mutated(document: bytes, random: Random) -> bytes:
    """Change a field or two, or some bytes of the text."""
    if random.random() < 0.2:
        return _with_other_bytes(document, random)
    value = json.loads(document)
    for _ in range(random.choice((1, 1, 2))):
        value = _change(value, random)
    if random.random() < 0.02:
        return b"[" * 100_000
    return json.dumps(value).encode()


def _with_other_bytes(document: bytes, random: Random) -> bytes:
    data = bytearray(document)
    for _ in range(random.choice((1, 2, 5))):
        data[random.randrange(len(data))] = random.choice(
            b'0123456789-"[]{},:e. x\0\xff'
        )
    return bytes(data[: random.choice((len(data), random.randrange(len(data))))])


def _change(value: Any, random: Random) -> Any:  # noqa: ANN401 (JSON)
    places = list(_places(value))
    if not places:
        return random.choice(_VALUES)
    value = copy.deepcopy(value)
    parents = list(_places(value))
    parent, key = parents[random.randrange(len(parents))]
    what = random.random()
    if what < 0.15:
        del parent[key]
    elif what < 0.25 and isinstance(parent, dict):
        parent[random.choice(("x", "../x", "c/9/9/9", "/etc/x"))] = parent.pop(key)
    elif what < 0.4 and isinstance(parent[key], int):
        parent[key] += random.choice((-1, 1, 10, 10**6, 10**12))
    else:
        parent[key] = copy.deepcopy(random.choice(_VALUES))
    return value


def _places(value: Any) -> Iterator[tuple[Any, Any]]:  # noqa: ANN401 (JSON)
    if isinstance(value, dict):
        for key in value:
            yield value, key
            yield from _places(value[key])
    elif isinstance(value, list):
        for number, one in enumerate(value):
            yield value, number
            yield from _places(one)
