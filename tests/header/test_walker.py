"""The walker steps over anything, and stands where the next element begins."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pytest
from dicom_elements import element, element_header, item, sequence
from hypothesis import given, settings
from hypothesis import strategies as st

from lazydicom._bytes.source import Lookahead, MemorySource, open_lookahead
from lazydicom._header.walker import MAX_DEPTH, UNDEFINED, Framing, read_element, walk
from lazydicom.errors import InvalidDicomError, LazyDicomWarning, LimitError

if TYPE_CHECKING:
    from collections.abc import Iterator

FORMS: Final[dict[str, dict[str, bool]]] = {
    "explicit": {},
    "implicit": {"implicit": True},
    "big endian": {"big_endian": True},
}
SEQUENCE: Final = 0x00081140
LAST: Final = 0x00400001


class Step(NamedTuple):
    tag: int
    start: int
    length: int


def framing_of(form: str) -> Framing:
    return Framing(little_endian=form != "big endian", implicit_vr=form == "implicit")


def steps(data: bytes, form: str = "explicit") -> list[Step]:
    with open_lookahead(MemorySource(data)) as window:
        return [Step(*step) for step in walk(window, 0, framing_of(form))]


@st.composite
def contents(draw: st.DrawFn, form: str, depth: int = 3) -> bytes:
    """Draw what may stand in an item: elements, and sequences of such."""
    parts: list[bytes] = []
    for number in range(draw(st.integers(0, 3))):
        tag = 0x00090010 + number
        if depth and draw(st.booleans()):
            parts.append(draw(sequences(form, tag, depth - 1)))
        else:
            vr = draw(st.sampled_from(("LO", "OB", "US", "UN", "UT", "ZZ")))
            value = draw(_values())
            parts.append(element(tag, vr, value, **FORMS[form]))
    return b"".join(parts)


@st.composite
def sequences(draw: st.DrawFn, form: str, tag: int, depth: int) -> bytes:
    """Draw a sequence; some of its items repeat, as those of frames do."""
    items = draw(st.lists(contents(form, depth), max_size=3))
    repeated = [one for one in items for _ in range(draw(st.integers(1, 4)))]
    order: Any = {"big_endian": form == "big endian"}
    body = b"".join(
        item(one, undefined=draw(st.booleans()), **order) for one in repeated
    )
    undefined = draw(st.booleans())
    return element(tag, "SQ", body, undefined=undefined, pad=False, **FORMS[form])


def _values() -> st.SearchStrategy[bytes]:
    """Values that look like delimiters are the worst ones."""
    traps = (item(b"", undefined=True), element(0x7FE00010, "OW", b"ab"))
    return st.sampled_from(traps) | st.binary(max_size=6).map(lambda b: b + b[::-1])


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=25)
@given(data=st.data())
def test_each_step_ends_where_the_next_element_begins(
    form: str, data: st.DataObject
) -> None:
    parts = [
        data.draw(sequences(form, SEQUENCE + number, depth=2)) for number in range(2)
    ]
    last = element(LAST, "LO", b"last", **FORMS[form])
    file = b"".join(parts) + last

    found = steps(file, form)

    starts = [0, len(parts[0]), len(file) - len(last)]
    assert [step.start for step in found] == starts
    assert [step.tag for step in found] == [SEQUENCE, SEQUENCE + 1, LAST]
    for block in (16, 64, 1 << 16):
        assert list(_walk_by_blocks(file, form, block)) == found, block


def _walk_by_blocks(data: bytes, form: str, block: int) -> Iterator[Step]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lazydicom._bytes.source.FIRST_BLOCK", block)
        patch.setattr("lazydicom._bytes.source.BLOCK_AFTER_JUMP", block)
        window = Lookahead(MemorySource(data), None)
        for step in walk(window, 0, framing_of(form)):
            yield Step(*step)


def test_items_that_differ_in_one_length_are_told_apart() -> None:
    chance = random.Random(3)
    items = [
        element(0x00090010, "LO", b"x" * (2 * chance.randrange(1, 9)))
        for _ in range(500)
    ]
    file = sequence(SEQUENCE, *items, undefined=True) + element(LAST, "LO", b"last")

    found = steps(file)

    assert [step.tag for step in found] == [SEQUENCE, LAST]


DELIMITERS: Final = bytes.fromhex("feff0de000000000 feffdde000000000")
ODD_ITEMS: Final = {
    "another length": element(0x00090010, "LO", b"x" * 18),
    "another tag": element(0x00090012, "LO", b"x" * 16),
    "an element more": element(0x00090010, "LO", b"x" * 8) + element(0x00090011, "LO"),
    "a sequence": sequence(0x00090010, b"", undefined=True),
    "a value like delimiters": element(0x00090010, "LO", DELIMITERS),
    "nothing": b"",
}


@pytest.mark.parametrize("place", [0, 1, 65, 66, 67, 140, 299])
@pytest.mark.parametrize("block", [64, 700, 1 << 16])
@pytest.mark.parametrize("odd", ODD_ITEMS)
def test_an_odd_item_among_many_alike_is_stepped_over_as_it_is(
    odd: str, block: int, place: int
) -> None:
    items = [element(0x00090010, "LO", DELIMITERS) for _ in range(300)]
    items[place] = ODD_ITEMS[odd]
    many = sequence(SEQUENCE, *items, undefined=True)
    file = many + element(LAST, "LO", b"last")

    expected = [(SEQUENCE, 0), (LAST, len(many))]

    assert [step[:2] for step in steps(file)] == expected
    assert [step[:2] for step in _walk_by_blocks(file, "explicit", block)] == expected


@pytest.mark.parametrize("cut", [1, 8, 20, 40])
def test_a_file_that_ends_inside_items_alike_is_an_error(cut: int) -> None:
    file = sequence(
        SEQUENCE, *[element(0x00090010, "LO", b"x" * 16)] * 300, undefined=True
    )

    with pytest.raises(InvalidDicomError):
        steps(file[: -8 - cut])


def test_un_of_undefined_length_is_implicit_little_endian_inside() -> None:
    inside = element(0x00100020, "LO", b"inside", implicit=True)
    for form in ("explicit", "big endian"):
        big = FORMS[form]
        head = element_header(0x00091010, "UN", UNDEFINED, **big)
        file = head + sequence(SEQUENCE, inside, implicit=True, undefined=True)[8:]

        found = steps(file + element(LAST, "LO", b"last", **big), form)

        assert [step.tag for step in found] == [0x00091010, LAST]


@pytest.mark.parametrize("depth", [1, MAX_DEPTH, MAX_DEPTH + 1, 50_000])
def test_sequences_may_be_nested_64_deep_and_no_deeper(depth: int) -> None:
    head = element_header(SEQUENCE, "SQ", UNDEFINED) + item(length=UNDEFINED)
    tail = sequence(SEQUENCE, b"", undefined=True)[len(head) :]
    file = head * depth + tail * depth

    if depth <= MAX_DEPTH:
        assert len(steps(file)) == 1
    else:
        with pytest.raises(LimitError, match=r"64.*\(0008,1140\).*at byte \d+"):
            steps(file)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x08\x00", "Expected 8 more bytes.* at byte 0"),
        (element(LAST, "OB", b"ab", length=99), r"\(0040,0001\) .*at byte 0"),
        (element(LAST, "OB", b"ab")[:10], "at byte 0"),
        (item(b"", undefined=True)[8:], r"\(FFFE,E00D\)"),
        (element(SEQUENCE, "SQ", b"", length=UNDEFINED), "at byte 12"),
    ],
)
def test_what_is_no_element_is_named_with_its_byte(data: bytes, message: str) -> None:
    with pytest.raises(InvalidDicomError, match=message):
        steps(data)


def test_an_item_outside_a_sequence_is_odd_and_stepped_over() -> None:
    with pytest.warns(LazyDicomWarning, match="byte 0"):
        found = steps(item(b"abcd") + element(LAST, "LO", b"last"))

    assert found[-1].tag == LAST


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("vr", ["US", "OB", "UN", "SQ"])
def test_an_element_knows_its_value(form: str, vr: str) -> None:
    file = element(LAST, vr, b"abcd", **FORMS[form])

    with open_lookahead(MemorySource(file)) as window:
        found = read_element(window, 0, framing_of(form))

    assert (found.tag, found.length) == (LAST, 4)
    assert found.vr == ("" if form == "implicit" else vr)
    assert file[found.offset :] == b"abcd"
