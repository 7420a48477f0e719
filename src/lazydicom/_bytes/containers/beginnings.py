"""The first bytes of many parts of a distant file, fetched together where they lie together."""

import threading
from collections.abc import Sequence

from lazydicom._bytes.ranges import MAX_BLOCK, MAX_GAP, group, span_of
from lazydicom._bytes.source import ByteRange, BytesLike, ByteSource


class Beginnings:
    """Blocks of some MiB that are forgotten when each of their parts was taken once."""

    def __init__(self, whole: ByteSource, spans: Sequence[ByteRange]) -> None:
        self._whole = whole
        self._spans = spans
        groups = group(spans, max_gap=MAX_GAP, max_block=MAX_BLOCK)
        blocks = [
            _Block(set(parts), span_of(spans[k] for k in parts)) for parts in groups
        ]
        self._block_of = {k: block for block in blocks for k in block.left}

    def take(self, part: int) -> BytesLike:
        """Return the first bytes of one part."""
        span = self._spans[part]
        block = self._block_of[part]
        with block.lock:
            if part not in block.left:  # taken before, it is fetched alone
                return self._whole.read(span)
            if block.data is None:
                block.data = memoryview(self._whole.read(block.span))
            begin = span.offset - block.span.offset
            data = block.data[begin : begin + span.length]
            block.left.discard(part)
            if not block.left:
                block.data = None
        return data


class _Block:
    def __init__(self, left: set[int], span: ByteRange) -> None:
        self.left = left
        self.span = span
        self.data: memoryview | None = None
        self.lock = threading.Lock()
