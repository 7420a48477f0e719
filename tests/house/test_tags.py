"""A tag has one name in one place (`lazydicom._header.tags`)."""

from __future__ import annotations

import re
import tokenize
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pydicom.datadict

import lazydicom
from lazydicom._header import tags

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCE: Final = Path(lazydicom.__file__).parent
TAGS: Final = {
    name: tag for name, tag in vars(tags).items() if name.isupper() and name[0] != "_"
}
NUMBER: Final = re.compile(r"""(0x|['"])[0-9A-Fa-f]{8}['"]?""")
NO_TAGS: Final = {
    "0xFFFFFFFF": "no length",
    "0xE000FFFE": "a tag as two swapped words",
    '"19700101"': "a date",
}
OF_VENDORS: Final = ("SIEMENS_", "GE_", "PHILIPS_", "UIH_")
OF_ITEMS: Final = ("ITEM", "ITEM_DELIMITER", "SEQUENCE_DELIMITER")


def literals(path: Path) -> Iterator[str]:
    with path.open("rb") as file:
        for token in tokenize.tokenize(file.readline):
            is_literal = token.type in {tokenize.NUMBER, tokenize.STRING}
            if is_literal and NUMBER.fullmatch(token.string):
                yield token.string


def test_no_tag_is_typed_a_second_time() -> None:
    others = [path for path in SOURCE.rglob("*.py") if path.name != "tags.py"]

    typed = {(path.name, text) for path in others for text in literals(path)}

    assert not [where for where in typed if where[1] not in NO_TAGS]


def test_no_tag_has_two_names() -> None:
    repeated = [tag for tag, count in Counter(TAGS.values()).items() if count > 1]

    assert not repeated


def test_a_tag_is_named_as_its_keyword() -> None:
    for name, tag in TAGS.items():
        if not name.startswith(OF_VENDORS) and name not in OF_ITEMS:
            keyword = pydicom.datadict.keyword_for_tag(tag)

            assert name.replace("_", "") == keyword.upper()
