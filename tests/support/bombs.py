"""Small inputs made to harm, each opened in a child with little memory and time.

`python tests/support/bombs.py [word …]` prints a row for each whose name holds one of the
words: seconds of the action, MiB of memory beyond those of the child, and what came of it.
"""

from __future__ import annotations

import gzip
import io
import json
import multiprocessing
import resource
import struct
import sys
import tarfile
import tempfile
import time
import warnings
import zipfile
import zlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

from dicom_elements import element_header
from dicom_files import (
    DEFLATED,
    element,
    item,
    make_encapsulated,
    make_native,
)

import lazydicom
from lazydicom._header.attributes import FRAME_ATTRIBUTES
from lazydicom._header.columns.layout import wanted_tree

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

MILLION: Final = 1_000_000
MEMORY: Final = 4 << 30
SECONDS: Final = 60
PER_FRAME: Final = 0x52009230
SHARED: Final = 0x52009229
PATIENT: Final = 0x00291010
JPEG: Final = "1.2.840.10008.1.2.4.50"
JPEG_LOSSLESS: Final = "1.2.840.10008.1.2.4.70"
JPEG_LS: Final = "1.2.840.10008.1.2.4.80"
JPEG_2000: Final = "1.2.840.10008.1.2.4.90"
RLE: Final = "1.2.840.10008.1.2.5"
HTJ2K: Final = "1.2.840.10008.1.2.4.201"
JPEG_XL: Final = "1.2.840.10008.1.2.4.110"
DEFLATED_FRAME: Final = "1.2.840.10008.1.2.8.1"

Value: TypeAlias = Any
BOMBS: Final[dict[str, Any]] = {}
"""By name: a function of a folder that makes the input, and gives what is to be tried."""


def bomb(
    name: str, act: Callable[[Value], object], make: Callable[[Path], Any]
) -> None:
    """Add a row; `make` is not measured."""
    BOMBS[name] = (make, act)


# --- what is tried ------------------------------------------------------------


def open_all(source: Value) -> object:
    array = lazydicom.open_image(source)
    return array[0].shape, array[-1].shape


def look(source: Value) -> object:
    """Open it, and ask for everything but pixels."""
    array = lazydicom.open_image(source)
    _ = array.attrs, array.coords, repr(array), array.frames
    return array.shape


def series(source: Value) -> object:
    return lazydicom.open_series(source).shape


def study(source: Value) -> object:
    return len(lazydicom.open_study(source))


def slide(source: Value) -> object:
    return [level.shape for level in lazydicom.open_slide(source)]


def segmentation(source: Value) -> object:
    return lazydicom.open_segmentation(source).shape


def saved(folder: Path, data: bytes, name: str = "a.dcm") -> Path:
    (folder / name).write_bytes(data)
    return folder / name


def file(data: Callable[[], bytes], name: str = "a.dcm") -> Callable[[Path], Path]:
    return lambda folder: saved(folder, data(), name)


# --- elements and items -------------------------------------------------------


def native(frames: int = 1, **more: Value) -> bytes:
    """Write frames of one byte."""
    return make_native(
        rows=1, columns=1, bits_allocated=8, number_of_frames=frames, **more
    )


def before(data: bytes, frames: int = 1) -> bytes:
    return native(frames, extra_before=data)


def per_frame(items: bytes, frames: int, *, undefined: bool = False) -> bytes:
    return native(
        frames, extra_before=element(PER_FRAME, "SQ", items, undefined=undefined)
    )


def long_item() -> bytes:
    """Write the groups of a frame that has every attribute that is read."""
    paths = [
        (path, attribute)
        for attribute in FRAME_ATTRIBUTES.values()
        for path in attribute.paths[:1]
    ]
    vrs = [attribute.vr for _, attribute in paths]
    widths = [attribute.width or 16 for _, attribute in paths]

    def written(tree: Value) -> bytes:
        data = b""
        for tag, branch in sorted(tree.items()):
            if isinstance(branch, dict):
                data += element(tag, "SQ", item(written(branch)))
            else:
                data += element(tag, vrs[branch], value_of(vrs[branch], widths[branch]))
        return data

    return item(written(wanted_tree(path for path, _ in paths)))


def value_of(vr: str, count: int) -> bytes:
    size = {"US": 2, "UL": 4, "SL": 4, "FL": 4, "FD": 8}.get(vr)
    if size is not None:
        return bytes(size * count)
    text = {"DT": "20260101", "UI": "1.2", "CS": "A", "LO": "A" * 60}.get(vr, "1")
    return "\\".join([text] * count).encode()[:64]


def text_item(length: int) -> bytes:
    """Write a frame's groups with a Stack ID, and two other texts."""
    text = b"x" * length
    content = element(0x00209111, "SQ", item(element(0x00209056, "SH", text)))
    content += element(
        0x00480105 + 0x00000102, "SQ", item(element(0x00480106, "SH", text))
    )
    return item(content)


@cache
def rising() -> bytes:
    """Write many elements without a value, whose tags rise."""
    return b"".join(
        element_header(0x00291000 + (k // 0xE000 << 17) + k % 0xE000, "LO", 0)
        for k in range(200_000)
    )


EMPTY: Final = item()
HALF: Final = item(undefined=True)
SAME: Final = element_header(0x00291000, "LO", 0)

bomb("elements at the top", look, file(lambda: before(rising() + SAME * MILLION)))
bomb("elements of one tag", look, file(lambda: before(SAME * MILLION)))
bomb(
    "elements of unknown VR",
    look,
    file(lambda: before(rising().replace(b"LO", b"ZZ") + SAME * MILLION)),
)
bomb(
    "elements in an item",
    look,
    file(lambda: before(element(PATIENT, "SQ", item(SAME * MILLION), undefined=True))),
)
bomb(
    "items of a sequence",
    look,
    file(lambda: before(element(PATIENT, "SQ", EMPTY * MILLION, undefined=True))),
)
bomb(
    "items without length",
    look,
    file(lambda: before(element(PATIENT, "SQ", HALF * MILLION, undefined=True))),
)
bomb(
    "empty sequences",
    look,
    file(lambda: before(element(0x00291010, "SQ", b"", undefined=True) * 400_000)),
)
bomb(
    "nesting",
    look,
    file(lambda: before(element_header(PATIENT, "SQ", 0xFFFFFFFF) * MILLION)),
)
bomb("items per frame", look, file(lambda: per_frame(EMPTY * MILLION, MILLION)))
bomb(
    "items per frame without length",
    look,
    file(lambda: per_frame(HALF * MILLION, MILLION, undefined=True)),
)
bomb("items for one frame", look, file(lambda: per_frame(EMPTY * MILLION, 1)))
bomb(
    "items per frame, the last one full",
    look,
    file(lambda: per_frame(EMPTY * (MILLION - 1) + long_item(), MILLION)),
)
bomb(
    "items per frame, one text long",
    look,
    file(lambda: per_frame(text_item(2) * 300_000 + text_item(2000), 300_001)),
)
bomb(
    "items per frame, texts long",
    look,
    file(lambda: per_frame(text_item(128) * 100_000, 100_000)),
)
bomb(
    "shared groups of many frames",
    look,
    file(lambda: native(10 * MILLION, extra_before=element(SHARED, "SQ", long_item()))),
)
bomb(
    "dimension indices",
    look,
    file(
        lambda: per_frame(
            item(
                element(
                    0x00209111,
                    "SQ",
                    item(element(0x00209157, "UL", struct.pack("<I", 1))),
                )
            )
            * 200_000
            + item(
                element(
                    0x00209111,
                    "SQ",
                    item(element(0x00209157, "UL", bytes(4 * 10_000))),
                )
            ),
            200_001,
        )
    ),
)
bomb(
    "a number of a million digits",
    look,
    file(lambda: before(element(0x00280030, "DS", b"1" * 65_534))),
)
bomb(
    "values of one element",
    look,
    file(lambda: before(element(0x00080008, "CS", b"A\\" * 32_000))),
)
bomb(
    "dataset of a million elements",
    lambda source: len(lazydicom.open_image(source).images[0].header.dataset),
    file(lambda: before(rising())),
)

# --- native pixels ------------------------------------------------------------


def claim(frames: int, rows: int, columns: int) -> bytes:
    data = make_native(
        rows=1, columns=1, number_of_frames=1, declared_frames=str(frames)
    )
    data = data.replace(
        element(0x00280010, "US", struct.pack("<H", 1)),
        element(0x00280010, "US", struct.pack("<H", rows)),
    )
    return data.replace(
        element(0x00280011, "US", struct.pack("<H", 1)),
        element(0x00280011, "US", struct.pack("<H", columns)),
    )


def zeros(length: int, begin: bytes = b"", **how: Value) -> bytes:
    packer = zlib.compressobj(9, **how)
    packed = packer.compress(begin)
    block = bytes(1 << 20)
    packed += b"".join(packer.compress(block) for _ in range(length >> 20))
    return packed + packer.flush()


def deflated(length: int, frames: int) -> bytes:
    whole = native(frames=1, transfer_syntax=DEFLATED)
    start = 132 + 12 + struct.unpack_from("<I", whole, 140)[0]
    inside = zlib.decompress(whole[start:], -15)
    head = inside[: inside.index(struct.pack("<HH", 0x7FE0, 0x0010))]
    old = element(0x00280008, "IS", b"1 ")
    if old in head:
        head = head.replace(old, element(0x00280008, "IS", str(frames).encode()))
    head += struct.pack("<HH2s2xI", 0x7FE0, 0x0010, b"OB", length)
    return whole[:start] + zeros(length, head, wbits=-15)


bomb("a thousand million frames", open_all, file(lambda: claim(10**9, 1, 1)))
bomb("the largest frame", open_all, file(lambda: claim(1, 65535, 65535)))
bomb(
    "many of the largest frame", open_all, file(lambda: claim(2**31 - 1, 65535, 65535))
)
bomb(
    "deflated, 60 million frames", open_all, file(lambda: deflated(60 << 20, 60 << 20))
)
bomb("deflated, 600 MiB", open_all, file(lambda: deflated(600 << 20, 600 << 20)))
bomb("gzip, 600 MiB", open_all, file(lambda: zeros(600 << 20, wbits=31), "a.dcm.gz"))
bomb(
    "gzip of a million members",
    open_all,
    file(lambda: gzip.compress(b"", mtime=0) * 500_000, "a.dcm.gz"),
)

# --- fragments and tables -----------------------------------------------------


def fragments(count: int, *, table: bytes = b"", frames: int = 1) -> bytes:
    items = item(table) + EMPTY * count
    data = make_encapsulated(
        [b"\xff\xd8\xff\xd9"],
        transfer_syntax=JPEG,
        rows=1,
        columns=1,
        bits_allocated=8,
        declared_frames=str(frames),
    )
    start = data.index(struct.pack("<HH2s2xI", 0x7FE0, 0x0010, b"OB", 0xFFFFFFFF))
    end = struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
    return data[: start + 12] + items + end


bomb("fragments for one frame", open_all, file(lambda: fragments(MILLION)))
bomb("fragments, one each", open_all, file(lambda: fragments(MILLION, frames=MILLION)))
bomb(
    "fragments, two each",
    open_all,
    file(lambda: fragments(MILLION, frames=MILLION // 2)),
)
bomb(
    "a basic table of a million zeros",
    open_all,
    file(lambda: fragments(10, table=bytes(4 * MILLION), frames=MILLION)),
)
bomb(
    "a basic table that falls",
    open_all,
    file(
        lambda: fragments(
            MILLION,
            table=np.arange(MILLION, 0, -1, dtype="<u4").tobytes(),
            frames=MILLION,
        )
    ),
)
bomb(
    "a basic table that tells each fragment",
    open_all,
    file(
        lambda: fragments(
            MILLION,
            table=(np.arange(MILLION, dtype="<u4") * 8).tobytes(),
            frames=MILLION,
        )
    ),
)
bomb(
    "fragments that are declared ten",
    open_all,
    file(lambda: fragments(MILLION, frames=10)),
)

# --- codestreams --------------------------------------------------------------


def coded(
    data: bytes, syntax: str, rows: int = 16000, columns: int = 16000, bits: int = 8
) -> bytes:
    return make_encapsulated(
        [data + bytes(len(data) % 2)],
        transfer_syntax=syntax,
        rows=rows,
        columns=columns,
        bits_allocated=bits,
    )


def jpeg(kind: int, rows: int, columns: int, body: bytes, more: bytes = b"") -> bytes:
    frame = struct.pack(">BBHBHHB3B", 0xFF, kind, 11, 8, rows, columns, 1, 1, 0x11, 0)
    scan = struct.pack(">BBHB2B3B", 0xFF, 0xDA, 8, 1, 1, 0, 1, 0, 0)
    return b"\xff\xd8" + more + frame + scan + body + b"\xff\xd9"


def encoded(codec: str, shape: tuple[int, ...]) -> bytes:
    import imagecodecs

    return bytes(getattr(imagecodecs, f"{codec}_encode")(np.zeros(shape, np.uint8)))


def resized(data: bytes, marker: bytes, at: int, code: str, *values: int) -> bytes:
    """Write other numbers behind a marker."""
    changed = bytearray(data)
    struct.pack_into(code, changed, data.index(marker) + at, *values)
    return bytes(changed)


def tiled(kind: str, tile: int) -> bytes:
    """Let a small JPEG 2000 codestream claim 16000² pixels, in tiles of one size."""
    claim = (16000, 16000, 0, 0, tile, tile)
    return resized(encoded(kind, (8, 8)), b"\xff\x51", 6, ">IIIIII", *claim)


def lossless(rows: int, columns: int, interval: int) -> bytes:
    restart = struct.pack(">BBHH", 0xFF, 0xDD, 4, interval)
    return jpeg(0xC3, rows, columns, b"\0" * 200, restart)


def scans(count: int) -> bytes:
    scan = struct.pack(">BBHB2B3B", 0xFF, 0xDA, 8, 1, 1, 0, 0, 0, 0) + b"\0"
    frame = struct.pack(">BBHBHHB3B", 0xFF, 0xC2, 11, 8, 16000, 16000, 1, 1, 0x11, 0)
    return b"\xff\xd8" + frame + scan * count + b"\xff\xd9"


bomb(
    "JPEG, large frame",
    open_all,
    file(lambda: coded(jpeg(0xC0, 16000, 16000, b"\0"), JPEG)),
)
bomb(
    "JPEG, a million segments",
    open_all,
    file(
        lambda: coded(
            jpeg(0xC0, 64, 64, b"\0", b"\xff\xe0\0\2" * MILLION), JPEG, 64, 64
        )
    ),
)
bomb("JPEG, a thousand scans", open_all, file(lambda: coded(scans(1000), JPEG)))
bomb(
    "JPEG, a million fill bytes",
    open_all,
    file(lambda: coded(b"\xff" * MILLION, JPEG, 64, 64)),
)
bomb(
    "JPEG lossless, a restart for each pixel",
    open_all,
    file(lambda: coded(lossless(16000, 16000, 1), JPEG_LOSSLESS)),
)
bomb(
    "JPEG lossless, large frame",
    open_all,
    file(lambda: coded(lossless(16000, 16000, 0), JPEG_LOSSLESS)),
)
bomb(
    "JPEG-LS, large frame",
    open_all,
    file(
        lambda: coded(
            resized(encoded("jpegls", (8, 8)), b"\xff\xf7", 5, ">HH", 16000, 16000),
            JPEG_LS,
        )
    ),
)
bomb(
    "JPEG 2000, large frame",
    open_all,
    file(lambda: coded(tiled("jpeg2k", 16000), JPEG_2000)),
)
bomb(
    "JPEG 2000, a tile for each pixel",
    open_all,
    file(lambda: coded(tiled("jpeg2k", 1), JPEG_2000)),
)
bomb(
    "HTJ2K, large frame",
    open_all,
    file(lambda: coded(tiled("htj2k", 16000), HTJ2K)),
)
bomb(
    "RLE, large frame",
    open_all,
    file(lambda: coded(struct.pack("<16I", 1, 64, *[0] * 14) + b"\x81\0" * 9, RLE)),
)
bomb(
    "RLE, runs of nothing",
    open_all,
    file(
        lambda: coded(
            struct.pack("<16I", 1, 64, *[0] * 14) + b"\x80" * (8 * MILLION), RLE, 64, 64
        )
    ),
)
bomb(
    "deflated frame, large",
    open_all,
    file(lambda: coded(zeros(256_000_000, wbits=-15)[:2000], DEFLATED_FRAME)),
)
bomb(
    "deflated frame, a thousand to one",
    open_all,
    file(lambda: coded(zeros(600 << 20, wbits=-15), DEFLATED_FRAME, 64, 64)),
)
bomb(
    "JPEG XL, cut",
    open_all,
    file(lambda: coded(encoded("jpegxl", (2000, 2000))[:60], JPEG_XL, 2000, 2000)),
)

# --- archives -----------------------------------------------------------------


def zipped(members: list[tuple[str, bytes]], method: int = zipfile.ZIP_STORED) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", method) as opened:
        for name, data in members:
            opened.writestr(zipfile.ZipInfo(name), data, method)
    return archive.getvalue()


def directory(count: int) -> bytes:
    """Write a zip file of that many members of no bytes."""
    local = struct.pack("<4s5H3I2H", b"PK\3\4", 20, 0, 0, 0, 0, 0, 0, 0, 1, 0) + b"a"
    entry = struct.pack(
        "<4s6H3I5H2I", b"PK\1\2", 20, 20, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0
    )
    entries = (entry + b"a") * count
    end = struct.pack(
        "<4s4H2IH", b"PK\5\6", 0, 0, count & 0xFFFF, count & 0xFFFF,
        len(entries), len(local) * count, 0,
    )  # fmt: skip
    return local * count + entries + end


def overlapping(count: int) -> bytes:
    """Let members share the same deflated bytes."""
    data = bytearray(zipped([("a", bytes(1 << 20))], zipfile.ZIP_DEFLATED))
    start = data.index(b"PK\1\2")
    stop = data.index(b"PK\5\6")
    entry, end = bytes(data[start:stop]), bytearray(data[stop:])
    struct.pack_into("<HHI", end, 8, count & 0xFFFF, count & 0xFFFF, len(entry) * count)
    return bytes(data[:start]) + entry * count + bytes(end)


def tarred(members: list[tuple[str, bytes]], **fields: Value) -> bytes:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as opened:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            for field, value in fields.items():
                setattr(info, field, value)
            opened.addfile(info, io.BytesIO(data))
    return archive.getvalue()


def tar_head(kind: bytes, size: int) -> bytes:
    info = tarfile.TarInfo("a")
    info.type, info.size = kind, size
    return info.tobuf(tarfile.GNU_FORMAT)


bomb("zip of a million members", series, file(lambda: directory(MILLION), "a.zip"))
bomb("zip of 100,000 members", series, file(lambda: directory(100_000), "a.zip"))
bomb("zip of members that overlap", series, file(lambda: overlapping(2000), "a.zip"))
bomb(
    "zip of members of zeros",
    series,
    file(
        lambda: zipped(
            [(str(k), bytes(60 << 20)) for k in range(20)], zipfile.ZIP_DEFLATED
        ),
        "a.zip",
    ),
)
bomb(
    "zip in zip of zeros",
    lambda path: lazydicom.open_series(f"zip://::zip://b.zip::{path}"),
    file(
        lambda: zipped(
            [("b.zip", zipped([("a", bytes(200 << 20))], zipfile.ZIP_DEFLATED))],
            zipfile.ZIP_DEFLATED,
        ),
        "a.zip",
    ),
)
bomb(
    "zip with a name of 64 KiB",
    series,
    file(lambda: zipped([("a" * 65_000, b"x")] * 50), "a.zip"),
)
bomb("tar of 200,000 files", series, file(lambda: tar_head(b"0", 0) * 200_000, "a.tar"))
bomb("tar of pax headers", series, file(lambda: tar_head(b"x", 0) * 200_000, "a.tar"))
bomb(
    "tar with a name of gigabytes",
    series,
    file(lambda: tar_head(b"L", 5 << 30), "a.tar"),
)
bomb(
    "tar with digits in pax",
    series,
    file(lambda: (tar_head(b"x", 60_000) + b"1" * 60_416) * 20, "a.tar"),
)
bomb(
    "tar.gz of zeros",
    series,
    file(lambda: zeros(600 << 20, tar_head(b"0", 600 << 20), wbits=31), "a.tar.gz"),
)

# --- stores, indexes, references ----------------------------------------------


def store_with(name: str, change: Callable[[Value], Any]) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        array = lazydicom.open_image(make_native(number_of_frames=3, rows=4, columns=4))
        lazydicom.to_zarr(array, folder / "x.zarr")
        path = folder / "x.zarr" / name
        path.write_text(json.dumps(change(json.loads(path.read_text()))))
        return folder / "x.zarr"

    return make


def huge_shape(config: Value) -> Value:
    return config | {"shape": [2**60, 4, 4]}


def huge_chunks(config: Value) -> Value:
    config["chunk_grid"]["configuration"]["chunk_shape"] = [2**40, 2**20, 2**20]
    return config | {"shape": [2**40, 2**20, 2**20]}


def many_files(manifest: Value) -> Value:
    return manifest | {"files": {f"c/{k}": [1, 2] for k in range(300_000)}}


bomb("store of a huge shape", lazydicom.verify, store_with("zarr.json", huge_shape))
bomb("store of huge chunks", lazydicom.verify, store_with("zarr.json", huge_chunks))
bomb(
    "manifest of 300,000 keys",
    lazydicom.verify,
    store_with("lazydicom.json", many_files),
)


def index_bomb(folder: Path) -> Path:
    path = saved(folder, make_native(number_of_frames=2))
    lazydicom.save_index(path, folder / "a.index")
    record = zlib.compress(b" " * (300 << 20), 9)
    with zipfile.ZipFile(folder / "a.index") as archive:
        about, row = archive.read("index.json"), archive.read("directory")
    with zipfile.ZipFile(folder / "a.index", "w") as archive:
        archive.writestr("records", record)
        archive.writestr("directory", row[:16] + struct.pack("<QQQ", 0, len(record), 0))
        archive.writestr("index.json", about)
    return path


bomb(
    "index of a record of 300 MiB",
    lambda path: lazydicom.open_image(path, index=path.with_name("a.index")),
    index_bomb,
)

# --- slides, segmentations, DICOMDIR ------------------------------------------

bomb(
    "no slide: items per frame",
    slide,
    file(lambda: per_frame(EMPTY * MILLION, MILLION)),
)
bomb(
    "no segmentation: items per frame",
    segmentation,
    file(lambda: per_frame(EMPTY * MILLION, MILLION)),
)
bomb(
    "no study: a thousand rubbish files",
    study,
    lambda folder: (
        [saved(folder, bytes(k) + b"x" * 4000, f"{k}.dcm") for k in range(1000)]
        and folder
    ),
)
bomb(
    "DICOMDIR of a million records",
    series,
    file(
        lambda: make_native(
            extra_before=element(0x00041220, "SQ", EMPTY * MILLION, undefined=True)
        ),
        "DICOMDIR",
    ),
)


# --- measuring ----------------------------------------------------------------


def _child(name: str, pipe: Connection) -> None:
    make, act = BOMBS[name]
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        source = make(Path(folder))
        lazydicom.open_image(make_native())[0]
        pid = multiprocessing.Process(target=_measured, args=(source, act, pipe))
        pid.start()
        pid.join(SECONDS)
        if pid.is_alive():
            pid.kill()
            pipe.send((f"killed after {SECONDS} s", SECONDS, 0.0))


def _measured(source: Value, act: Callable[[Any], object], pipe: Connection) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    Path("/proc/self/clear_refs").write_text("5")
    before_kib = _high_water()
    begin = time.perf_counter()
    try:
        outcome = str(act(source))[:70]
    except Exception as error:  # noqa: BLE001 (whatever it is, it is shown)
        outcome = f"{type(error).__name__}: {error}"[:110]
    spent = time.perf_counter() - begin
    pipe.send((outcome, spent, (_high_water() - before_kib) / 1024))


def _high_water() -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return float(next(line for line in lines if line.startswith("VmHWM")).split()[1])


def measure(name: str) -> tuple[str, float, float]:
    """Try one in a child: what came of it, seconds, MiB."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    child = context.Process(target=_child, args=(name, theirs))
    child.start()
    theirs.close()
    try:
        row: tuple[str, float, float] = ours.recv()
    except EOFError:
        row = ("died", 0.0, 0.0)
    child.join()
    return row


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(words: list[str]) -> None:
    """Print a table."""
    late = 0
    names = [n for n in BOMBS if not words or any(word in n for word in words)]
    for name in names:
        outcome, seconds, mebibytes = measure(name)
        bad = seconds > 1 or mebibytes > 256 or outcome.startswith(("died", "killed"))
        late += bad
        mark = " <<<" * bad
        _say(f"| {name} | {seconds:.2f} | {mebibytes:.0f} | {outcome} |{mark}")
    _say(f"{len(names)} bombs, {late} beyond 1 s or 256 MiB")


if __name__ == "__main__":
    main(sys.argv[1:])
