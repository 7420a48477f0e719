"""The door to pydicom's `Dataset`: one made of our bytes, and one that a caller brings."""

import math
import struct
import sys
from collections.abc import Iterable, Iterator, Mapping, MutableSequence
from contextlib import contextmanager
from dataclasses import field
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final, TypeGuard

from lazydicom._bytes.quick_dataclass import dataclass
from lazydicom._bytes.source import BytesLike
from lazydicom._header import tags
from lazydicom._header.image_pixel import PIXEL_TAGS
from lazydicom._header.values import Values, as_integer, decode_as, plain_text
from lazydicom._header.walker import Framing
from lazydicom.errors import InvalidDicomError, LazyDicomError

if TYPE_CHECKING:
    from pydicom import Dataset
    from pydicom.dataelem import RawDataElement

DATASET_URL: Final = "<Dataset>"
"""What stands for the name of a file in errors."""
_UNCHECKED: Final = (
    ArithmeticError,
    AttributeError,
    LookupError,
    NotImplementedError,
    RecursionError,
    TypeError,
    ValueError,
)
"""What pydicom raises, without a check of its own, for values of another kind."""


@dataclass(frozen=True, slots=True, eq=False)
class DatasetElements:
    """Elements of a `Dataset`, asked for as those of a file."""

    dataset: "Dataset" = field(repr=False)

    def get(self, tag: int, vr: str) -> Values:
        """Return plain values; none where the element is absent or empty.

        Raises
        ------
        InvalidDicomError
            If a value is no `vr`.
        """
        raw = self._raw(tag)
        if raw is not None:
            return self._decode(raw, tag, vr)
        value = self._value(tag)
        if value is None or value == "":
            return ()
        if isinstance(value, MutableSequence):
            return tuple(_plain(one, tag, vr) for one in value)
        return (_plain(value, tag, vr),)

    def read(self, tag: int) -> bytes | None:
        """Return the bytes of a value, ``None`` where the element is absent."""
        value = self._value(tag)
        if tag not in self.dataset:
            return None
        with only_ours("Expected bytes", url=DATASET_URL, tag=tag):
            return bytes(value or b"")

    def pixels(self, tag: int) -> BytesLike:
        """Return the bytes that hold the pixels, without a copy.

        Raises
        ------
        InvalidDicomError
            If the value is neither bytes nor a buffer.
        """
        element = self.dataset[tag]
        if element.is_buffered:
            element.value.seek(0)
            return bytes(element.value.read())
        if element.value is None:
            return b""
        if not isinstance(element.value, bytes):
            message = f"Expected bytes, found {type(element.value).__name__}"
            raise InvalidDicomError(message, url=DATASET_URL, offset=0, tag=tag)
        return element.value

    def without_pixels(self) -> "Dataset":
        """Return a shallow copy without the elements that hold pixels.

        Not `Dataset.copy`: that one shares its elements with the caller's.
        """
        dataset: Dataset = self.dataset[: min(PIXEL_TAGS)]
        dataset.update(self.dataset[max(PIXEL_TAGS) + 1 :])
        dataset.file_meta = self.dataset.file_meta
        return dataset

    def holds(self, tag: int) -> bool:
        """Return whether an element is there, empty or not."""
        return tag in self.dataset

    def written(self, wanted: Iterable[int], *, url: str) -> bytes:
        """Write some elements as a file in Explicit VR Little Endian holds them.

        Raises
        ------
        InvalidDicomError
            If pydicom cannot write them.
        """
        from pydicom import Dataset
        from pydicom.filebase import DicomBytesIO
        from pydicom.filewriter import write_dataset

        file = DicomBytesIO()
        file.is_little_endian, file.is_implicit_VR = True, False
        with only_ours("pydicom cannot write the elements", url=url):
            elements = (self.dataset[tag] for tag in wanted if self.holds(tag))
            some = Dataset({one.tag: one for one in elements})  # no parent changes
            if self.dataset.original_encoding != (False, True):
                for _ in some.iterall():  # parsed, whatever the order of their bytes is
                    pass
            write_dataset(file, some)
        return file.getvalue()

    def position(self, tag: int) -> int | None:
        """Return ``None``: a `Dataset` has no bytes to point at."""
        del tag
        return None

    def _raw(self, tag: int) -> "RawDataElement | None":
        """Return an element that pydicom has read and not parsed: the bytes of a file."""
        from pydicom.dataelem import RawDataElement

        with only_ours("pydicom cannot find the element", url=DATASET_URL, tag=tag):
            element = self.dataset.get_item(tag) if tag in self.dataset else None
        if not isinstance(element, RawDataElement) or element.value is None:
            return None
        return element

    def _decode(self, raw: "RawDataElement", tag: int, vr: str) -> Values:
        data, little_endian = bytes(raw.value or b""), raw.is_little_endian
        declared = "" if raw.is_implicit_VR else str(raw.VR or "")
        try:
            return decode_as(vr, declared, data, little_endian=little_endian)
        except ValueError as error:
            message = f"Expected a value of VR {vr}, found {len(data)} bytes: {error}"
            raise InvalidDicomError(message, url=DATASET_URL, tag=tag) from None

    def _value(self, tag: int) -> Any:  # noqa: ANN401 (whatever pydicom makes of it)
        """Return a value that pydicom parses when it is first asked for."""
        with only_ours("pydicom cannot parse the value", url=DATASET_URL, tag=tag):
            return self.dataset[tag].value if tag in self.dataset else None


def parse_data_set(
    meta: bytes, body: bytes, framing: Framing, *, url: str
) -> "Dataset":
    """Parse the bytes of File Meta Information and data set with pydicom.

    Raises
    ------
    InvalidDicomError
        If pydicom cannot parse them.
    """
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.filereader import read_dataset

    little, implicit = framing.little_endian, framing.implicit_vr
    with only_ours(f"pydicom cannot parse {len(body)} bytes", url=url):
        dataset = read_dataset(BytesIO(body), implicit, little)
        group_2 = read_dataset(
            BytesIO(meta), is_implicit_VR=False, is_little_endian=True
        )
        return FileDataset(
            url,
            dataset,
            file_meta=FileMetaDataset(group_2),
            is_implicit_VR=implicit,
            is_little_endian=little,
        )


@contextmanager
def only_ours(message: str, *, url: str, tag: int | None = None) -> Iterator[None]:
    """Turn whatever pydicom raises for odd bytes into an error of ours.

    Raises
    ------
    InvalidDicomError
        With the class of pydicom's error, not its text: that may hold a value.
    """
    from pydicom.errors import BytesLengthException
    from pydicom.errors import InvalidDicomError as NotDicomError

    own = (BytesLengthException, NotDicomError)
    try:
        yield
    except LazyDicomError:
        raise
    except (OSError, EOFError, struct.error, *own, *_UNCHECKED) as error:
        text = f"{message}: {type(error).__name__}"
        raise InvalidDicomError(text, url=url, tag=tag) from None


def is_dataset(value: object) -> "TypeGuard[Dataset]":
    """Return whether a value is a `Dataset`; who made one has imported pydicom."""
    pydicom = sys.modules.get("pydicom")
    return pydicom is not None and isinstance(value, pydicom.Dataset)


def transfer_syntax_uid(dataset: "Dataset") -> str:
    """Return how the Pixel Data of a `Dataset` is encoded.

    Raises
    ------
    InvalidDicomError
        If its File Meta Information does not say so.
    TypeError
        If it is no `Dataset`, and nothing else that can be opened.
    """
    from pydicom import Dataset

    if not isinstance(dataset, Dataset):
        kind = type(dataset).__name__
        message = (
            f"Expected a path, a URL, the bytes of a file or a Dataset, found {kind}"
        )
        raise TypeError(message)
    meta = getattr(dataset, "file_meta", None)
    uid = getattr(meta, "TransferSyntaxUID", None)
    if uid:
        return str(uid)
    message = "The Dataset has no Transfer Syntax UID in its file_meta"
    raise InvalidDicomError(message, tag=tags.TRANSFER_SYNTAX_UID)


def attribute_name(tag: int) -> tuple[str, str]:
    """Return keyword and VR of an attribute of the standard, nothing for others.

    >>> attribute_name(0x00181314)
    ('FlipAngle', 'DS')
    """
    from pydicom.datadict import dictionary_VR, keyword_for_tag

    keyword = keyword_for_tag(tag)
    return (keyword, dictionary_VR(tag)) if keyword else ("", "")


def uid_name(uid: str) -> str:
    """Name a UID as PS3.6 annex A does; one that is not there names itself.

    >>> uid_name("1.2.840.10008.5.1.4.1.1.481.2")
    'RT Dose Storage'
    """
    from pydicom.config import IGNORE
    from pydicom.uid import UID

    return UID(uid, validation_mode=IGNORE).name


def _plain(value: Any, tag: int, vr: str) -> int | float | str:  # noqa: ANN401
    """Make pydicom's number classes plain, and text as that of a file is read."""
    try:
        if vr in {"US", "SS", "UL", "SL", "IS"}:
            return as_integer(value)
        if vr in {"DS", "FD", "FL"}:
            return _real(value)
        if vr == "AT":
            return _tag_number(value)
        text = plain_text(str(value))
    except (ArithmeticError, TypeError, ValueError):
        message = f"Expected a value of VR {vr}, found {type(value).__name__}"
        raise InvalidDicomError(message, url=DATASET_URL, tag=tag) from None
    return text.upper() if vr == "CS" else text


def _tag_number(value: Any) -> int:  # noqa: ANN401
    """Return a tag as a number: pydicom's own is one, JSON and its text have hex digits.

    >>> _tag_number(0x3004000C) == _tag_number("3004000C") == _tag_number("(3004,000c)")
    True
    """
    if isinstance(value, str):
        return int(plain_text(value).strip("()").replace(",", ""), 16)
    return as_integer(value)


def _real(value: Any) -> float:  # noqa: ANN401
    """Return a number; a decimal string knows no infinity (PS3.5 table 6.2-1)."""
    number = float(value)
    if not math.isfinite(number) and type(value) is not float:
        raise ValueError("it is no number")
    return number


def dataset_of_json(metadata: Mapping[str, Any], *, url: str) -> "Dataset":
    """Make a `Dataset` of DICOM JSON (PS3.18 annex F), without what lies elsewhere.

    Raises
    ------
    InvalidDicomError
        If pydicom cannot make one of it.
    """
    from pydicom.dataset import Dataset, FileMetaDataset

    with only_ours("pydicom cannot parse the metadata", url=url):
        dataset = Dataset.from_json(without_bulk(metadata))
    dataset.file_meta = FileMetaDataset()
    return dataset


def name_transfer_syntax(dataset: "Dataset", uid: str) -> None:
    """Write into the File Meta Information how the pixels are encoded."""
    from pydicom.uid import UID

    dataset.file_meta.TransferSyntaxUID = UID(uid)


def without_bulk(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out values that must be asked for, at any depth."""
    kept: dict[str, Any] = {}
    for tag, element in metadata.items():
        if "BulkDataURI" in element or tag.startswith("0002"):
            continue
        if element.get("vr") == "SQ":
            items = [without_bulk(item or {}) for item in element.get("Value", ())]
            kept[tag] = {**element, "Value": items}
        else:
            kept[tag] = element
    return kept
