"""Planning reads: whatever the ranges, each is covered and none too large."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from lazydicom._bytes.ranges import coalesce, cut, group, span_of
from lazydicom._bytes.source import ByteRange

SPANS = st.lists(st.builds(ByteRange, st.integers(0, 500), st.integers(0, 50)))


@given(spans=SPANS, max_gap=st.integers(0, 40), max_block=st.integers(1, 200))
def test_every_range_lies_in_the_block_that_is_read_for_it(
    spans: list[ByteRange], max_gap: int, max_block: int
) -> None:
    groups = group(spans, max_gap=max_gap, max_block=max_block)

    assert sorted(member for members in groups for member in members) == list(
        range(len(spans))
    )
    for members in groups:
        block = span_of(spans[member] for member in members)
        assert len(members) == 1 or block.length <= max_block


@given(spans=SPANS, max_gap=st.integers(0, 40))
def test_merged_ranges_are_sorted_and_lie_apart(
    spans: list[ByteRange], max_gap: int
) -> None:
    merged = coalesce(spans, max_gap=max_gap, max_block=1 << 20)

    for before, after in pairwise(merged):
        assert after.offset - before.stop > max_gap


@given(spans=SPANS, max_gap=st.integers(0, 40))
def test_merging_adds_no_more_than_the_gaps(
    spans: list[ByteRange], max_gap: int
) -> None:
    wanted = {at for span in spans for at in range(span.offset, span.stop)}

    merged = coalesce(spans, max_gap=max_gap, max_block=1 << 20)
    read = {at for span in merged for at in range(span.offset, span.stop)}

    assert wanted <= read
    assert len(read) <= len(wanted) + max_gap * max(len(spans) - 1, 0)


@given(offset=st.integers(0, 99), length=st.integers(0, 99), block=st.integers(1, 30))
def test_pieces_of_a_range_are_the_range(offset: int, length: int, block: int) -> None:
    span = ByteRange(offset, length)

    pieces = cut(span, max_block=block)

    assert [at for p in pieces for at in range(p.offset, p.stop)] == list(
        range(span.offset, span.stop)
    )
    assert all(0 < piece.length <= block for piece in pieces)
