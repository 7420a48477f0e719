"""The elements that name an instance."""

from __future__ import annotations

from dicom_files import (
    element,
)


def uids(instance: str, *, big_endian: bool = False) -> dict[int, bytes | None]:
    values = {
        0x00080016: b"1.2.840.10008.5.1.4.1.1.4.1",
        0x00080018: instance.encode(),
        0x0020000D: b"1.2.3",
        0x0020000E: b"1.2.3.9",
    }
    made: dict[int, bytes | None] = {
        tag: element(tag, "UI", value, big_endian=big_endian)
        for tag, value in values.items()
    }
    others = ((0x00100020, "LO", b"Canary"), (0x00280030, "DS", b"0.5\\0.25"))
    for tag, vr, value in others:
        made[tag] = element(tag, vr, value, big_endian=big_endian)
    return made
