"""Another storage is one file and one row: of the objects that are read as files."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from pydicom.data import get_testdata_file

import lazydicom
from lazydicom._bytes import open as opening
from lazydicom._bytes.file_object import OBJECTS
from lazydicom._bytes.location import Version
from lazydicom._bytes.source import ByteRange, check_span
from lazydicom.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

FILE = Path(str(get_testdata_file("rtdose.dcm", download=False)))


@dataclass
class Toy:
    """What gives bytes by offset and length, and has no cursor."""

    data: bytes
    lacks: int = 0

    @property
    def size(self) -> int:
        return len(self.data) + self.lacks

    def read(self, offset: int, length: int) -> bytes:
        return self.data[offset : offset + length]


@dataclass(frozen=True, eq=False)
class ToySource:
    toy: Toy
    url: str = "<toy>"

    def size(self) -> int:
        return self.toy.size

    def read(self, span: ByteRange) -> bytes:
        check_span(self, span)
        data = self.toy.read(span.offset, span.length)
        if len(data) != span.length:
            message = f"Expected {span.length} bytes, found {len(data)}"
            raise SourceError(message, url=self.url, offset=span.offset)
        return data

    def read_into(self, offset: int, out: memoryview) -> None:
        out[:] = self.read(ByteRange(offset, out.nbytes))

    def mapped(self) -> AbstractContextManager[memoryview | None]:
        return nullcontext(None)

    @property
    def version(self) -> Version:
        return Version(self.toy.size, id(self.toy))


def is_toy(value: object) -> bool:
    return isinstance(value, Toy)


@pytest.fixture(autouse=True)
def _row(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = (*OBJECTS, (is_toy, ToySource))
    monkeypatch.setattr("lazydicom._bytes.open.file_object.OBJECTS", rows)


def first_of_study(toy: Any) -> Any:  # noqa: ANN401
    return next(iter(lazydicom.open_study([toy]).values()))


@pytest.mark.parametrize(
    "opener",
    [
        lazydicom.open_image,
        lazydicom.open_series,
        lambda toy: lazydicom.open_series([toy]),
        first_of_study,
    ],
)
def test_a_storage_is_one_value_and_one_row(opener: Callable[[Any], Any]) -> None:
    array = opener(Toy(FILE.read_bytes()))

    assert np.array_equal(np.asarray(array), lazydicom.open_image(FILE)[...])


def test_a_storage_that_gives_less_than_its_size_is_an_error() -> None:
    data = FILE.read_bytes()
    toy: Any = Toy(data[:-500], lacks=500)

    with pytest.raises(SourceError, match=r"Expected \d+ bytes"):
        lazydicom.open_image(toy)[14]


def test_what_no_row_knows_is_told() -> None:
    thing: Any = object()

    with pytest.raises(TypeError, match="found object"):
        opening.open_source(thing)
