"""A source that remembers what was read of it."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import lazydicom
from lazydicom._bytes.open import open_source
from lazydicom._bytes.source import ByteRange

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    import pytest

    from lazydicom import DicomArray
    from lazydicom._bytes.location import Version
    from lazydicom._bytes.source import BytesLike, ByteSource


@dataclass(frozen=True)
class CountingSource:
    """Any source, read by ranges only: it lends no memory, so that each byte counts."""

    source: ByteSource
    spans: list[ByteRange] = field(default_factory=list)
    """Ranges in the order in which they were read."""

    @property
    def reads(self) -> int:
        return len(self.spans)

    @property
    def bytes_read(self) -> int:
        return sum(span.length for span in self.spans)

    @property
    def url(self) -> str:
        return self.source.url

    def size(self) -> int:
        return self.source.size()

    def read(self, span: ByteRange) -> BytesLike:
        self.spans.append(span)
        return self.source.read(span)

    def read_into(self, offset: int, out: memoryview) -> None:
        self.spans.append(ByteRange(offset, out.nbytes))
        self.source.read_into(offset, out)

    def mapped(self) -> AbstractContextManager[memoryview | None]:
        return nullcontext(None)

    @property
    def version(self) -> Version:
        return self.source.version


def open_counted(
    monkeypatch: pytest.MonkeyPatch,
    url: Any,  # noqa: ANN401 - as open_image
    *,
    opening: bool = False,
) -> tuple[DicomArray, CountingSource]:
    """Open an image whose reads are counted, those of the opening only if asked."""
    counter = CountingSource(open_source(url))
    with monkeypatch.context() as patch:
        patch.setattr("lazydicom._open.image.open_source", lambda *_, **__: counter)
        array = lazydicom.open_image(url)
    if not opening:
        counter.spans.clear()
    return array, counter
