"""Long campaigns: files and stores of strangers, files that change, exports, signals.

`python tests/support/campaigns.py NAME [COUNT [SEED]]`; a line says how many tries there were
and what came of them. Each is bounded, and stops only what it started.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import warnings
from collections import Counter
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
import pydicom.data

TESTS: Final = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS / room) for room in ("support", "arrange", "export", "views")]

import lazydicom  # noqa: E402 (behind the path)
from lazydicom._bytes import location  # noqa: E402
from lazydicom.errors import (  # noqa: E402
    ExportError,
    LazyDicomError,
    SourceChangedError,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

Value: TypeAlias = Any
LATE_S: Final = 2.0
MOST_MIB: Final = 256
SLICE_S: Final = float(os.environ.get("CAMPAIGN_SECONDS", "inf"))
"""After so long no more tries are begun: go on with another seed."""
BATCH: Final = 500
"""Tries of one child: what it leaks, or dies of, ends with it."""


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


# --- tries in children --------------------------------------------------------


def in_children(
    name: str,
    tries: Callable[[int, random.Random], Callable[[], object]],
    count: int,
    seed: int,
) -> int:
    """Try things in children; return how often one was killed, late, large or foreign."""
    outcomes: Counter[str] = Counter()
    context = multiprocessing.get_context("fork")
    end, begun = time.monotonic() + SLICE_S, 0
    for first in range(0, count, BATCH):
        if time.monotonic() > end:
            break
        begun = min(first + BATCH, count)
        ours, theirs = context.Pipe(duplex=False)
        numbers = range(first, min(first + BATCH, count))
        child = context.Process(target=_tries, args=(tries, numbers, seed, theirs))
        child.start()
        theirs.close()
        last = first
        with contextlib.suppress(EOFError):
            while True:
                last, outcome = ours.recv()
                outcomes[outcome] += 1
        child.join()
        if child.exitcode:
            outcomes[f"child ended by {child.exitcode} at or after {last}"] += 1
    bad = sum(n for outcome, n in outcomes.items() if outcome not in {"ours", "opened"})
    say(f"{name}: {begun} tries, seed {seed}: {dict(outcomes)}")
    return bad


def _tries(
    tries: Callable[[int, random.Random], Callable[[], object]],
    numbers: range,
    seed: int,
    pipe: Connection,
) -> None:
    warnings.simplefilter("ignore")
    resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))
    for number in numbers:
        act = tries(number, random.Random(f"{seed} {number}"))
        Path("/proc/self/clear_refs").write_text("5")
        before, begin = high_water(), time.process_time()
        outcome = _outcome(act)
        if time.process_time() - begin > LATE_S:
            outcome = (
                f"late: {number} took {time.process_time() - begin:.1f} s, {outcome}"
            )
        elif high_water() - before > MOST_MIB << 10:
            outcome = (
                f"large: {number} took {(high_water() - before) >> 10} MiB, {outcome}"
            )
        pipe.send((number, outcome))
    pipe.close()


def _outcome(act: Callable[[], object]) -> str:
    try:
        act()
    except LazyDicomError:
        return "ours"
    except Exception as error:  # noqa: BLE001 (a foreign one is what is looked for)
        place = traceback.extract_tb(error.__traceback__)[-1]
        return f"foreign: {type(error).__name__} in {Path(place.filename).name}:{place.lineno}"
    return "opened"


def high_water() -> int:
    """Return the most memory that this process had, in KiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1])


# --- files --------------------------------------------------------------------


def seeds(folder: Path) -> list[tuple[bytes, str]]:
    """Return files of many kinds, and how each is opened."""
    from canaries import KINDS
    from codec_files import codec_file
    from codec_frames import CASES
    from enhanced_files import make_enhanced
    from kinds_of_files import FILES

    found = [(data, "image") for data in FILES.values()]
    found += [(codec_file(case), "image") for case in CASES]
    found.append((make_enhanced(number_of_frames=12), "series"))
    for number, (name, kind) in enumerate(KINDS.items()):
        own = folder / str(number)
        own.mkdir()
        kind.write(own)
        how = next(
            (word for word in ("slide", "segmentation") if word in name), "series"
        )
        found.append((min(own.iterdir()).read_bytes(), how))
    shipped = Path(pydicom.data.__file__).parent / "test_files"
    paths = [
        path for path in sorted(shipped.glob("*.dcm")) if path.stat().st_size < 200_000
    ]
    found += [(path.read_bytes(), "image") for path in paths]
    return found


_EXTREMES: Final = [
    bytes(4),
    b"\xff" * 4,
    b"\xff\xff\xff\x7f",
    b"\0\0\0\x80",
    b"\1\0\0\0",
]


def mutated(
    data: bytes, chance: random.Random, others: list[tuple[bytes, str]]
) -> bytes:
    """Change a few places, most of them in the header."""
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 3, 6))):
        size = len(changed)
        place = chance.randrange(
            132, max(min(size, 132 + chance.choice((400, 3000, size))), 133)
        )
        match chance.randrange(9):
            case 0 | 1:
                changed[place : place + 1] = bytes([chance.randrange(256)])
            case 2:
                changed[place : place + 1] = bytes(
                    [changed[min(place, size - 1)] ^ 1 << chance.randrange(8)]
                )
            case 3:
                changed[place : place + 4] = chance.choice(_EXTREMES)
            case 4:
                del changed[place : place + chance.choice((1, 2, 4, 8, 100))]
            case 5:
                changed[place:place] = chance.randbytes(chance.choice((1, 2, 4, 8, 40)))
            case 6:
                changed[place:place] = changed[
                    place : place + chance.choice((8, 40, 400))
                ]
            case 7:
                other = chance.choice(others)[0]
                begin = chance.randrange(len(other))
                changed[place:place] = other[
                    begin : begin + chance.choice((8, 60, 600))
                ]
            case _:
                del changed[chance.randrange(132, size) if size > 133 else 132 :]
    return bytes(changed)


def look(data: bytes, how: str, path: Path) -> None:
    """Open what was mutated, in the way of its kind and in another, and read of it."""
    path.write_bytes(data)
    array: Value
    match how:
        case "slide":
            array = lazydicom.open_slide(path)[0]
        case "segmentation":
            array = lazydicom.open_segmentation(path)
        case "series":
            array = lazydicom.open_series(path)
        case "dataset":
            _ = lazydicom.open_image(path).images[0].header.dataset
            return
        case "study":
            _ = repr(lazydicom.open_study(path))
            return
        case _:
            array = lazydicom.open_image(path, allow_truncated=how == "truncated")
    _ = repr(array), array.attrs, array.coords, array.frames
    for act in (
        lambda: array[(0,) * array.ndim], lambda: array[-1:], lambda: np.asarray(array).shape,
        lambda: lazydicom.to_xarray(array), lambda: lazydicom.apply_voi_lut(array)[..., :1],
    ):  # fmt: skip
        if array.nbytes > 1 << 27:
            continue
        with contextlib.suppress(LazyDicomError):
            act()


_WAYS: Final = ("own", "own", "own", "image", "truncated", "dataset", "study")


def files(count: int, seed: int) -> int:
    """Mutate files, open them, read of them: signals, foreign errors, time, memory."""
    with tempfile.TemporaryDirectory() as folder:
        known = seeds(Path(folder))
        path = Path(folder) / "a.dcm"

        def tries(_: int, chance: random.Random) -> Callable[[], object]:
            data, own = chance.choice(known)
            way = chance.choice(_WAYS)
            changed = mutated(data, chance, known)
            return partial(look, changed, own if way == "own" else way, path)

        return in_children("files", tries, count, seed)


# --- stores -------------------------------------------------------------------


def stores(count: int, seed: int) -> int:
    """Mutate each kind of store metadata."""
    import numcodecs
    from dicom_files import make_native
    from json_mutations import mutated as json_mutated
    from test_hostile_stores import (  # type: ignore[import-not-found]
        a_codec,
        changed,
        copy_of,
        interrupted,
    )

    pixels = np.random.default_rng(3).integers(1, 4096, (6, 8, 10), np.uint16)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.dcm"
        path.write_bytes(make_native(pixels))
        array = lazydicom.open_image(path)
        plain, begun = copy_of(array, chunks=2), interrupted(array)
        sharded = copy_of(array, chunks=1, shards=2)
        (Path(folder) / "b.dcm").write_bytes(make_native(pixels, bits_stored=12))
        config, data = a_codec(lazydicom.open_image(Path(folder) / "b.dcm"))
        lazydicom.save_index(path, Path(folder) / "a.index")

        def verify(number: int, chance: random.Random) -> Callable[[], object]:
            store = chance.choice((plain, sharded))
            key = chance.choice([key for key in store if key.endswith("zarr.json")])
            text = json_mutated(store[key].to_bytes(), chance)
            return partial(
                lazydicom.verify,
                changed(store, key, text),
                array if number % 2 else None,
            )

        def manifest(number: int, chance: random.Random) -> Callable[[], object]:
            store = changed(
                plain,
                "lazydicom.json",
                json_mutated(plain["lazydicom.json"].to_bytes(), chance),
            )
            if number % 2:
                return partial(lazydicom.verify, store, array)
            return partial(lazydicom.to_zarr, array, store, chunks=2, resume=True)

        def journal(_: int, chance: random.Random) -> Callable[[], object]:
            key = "lazydicom.journal/000000"
            lines = begun[key].to_bytes().split(b"\n")
            which = chance.randrange(len(lines))
            lines[which] = json_mutated(lines[which] or b"{}", chance)
            store = changed(begun, key, b"\n".join(lines))
            return partial(lazydicom.to_zarr, array, store, chunks=2, resume=True)

        def codec(_: int, chance: random.Random) -> Callable[[], object]:
            text = json_mutated(json.dumps(config).encode(), chance)

            def act() -> None:
                try:
                    found = json.loads(text)
                except (ValueError, RecursionError):
                    return
                if isinstance(found, dict) and found.get("id") == config["id"]:
                    numcodecs.get_codec(dict(found)).decode(data)

            return act

        def index(_: int, chance: random.Random) -> Callable[[], object]:
            return partial(_open_changed_index, path, Path(folder), chance)

        kinds = {
            "zarr.json": verify,
            "manifest": manifest,
            "journal": journal,
            "codec": codec,
            "index": index,
        }
        wanted = os.environ.get("CAMPAIGN_KINDS", " ".join(kinds)).split()
        return sum(
            in_children(f"stores {name}", kinds[name], count, seed) for name in wanted
        )


def _open_changed_index(path: Path, folder: Path, chance: random.Random) -> object:
    import zipfile
    import zlib

    from json_mutations import mutated as json_mutated

    with zipfile.ZipFile(folder / "a.index") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    which = chance.choice(("records", "directory", "index.json", "bytes"))
    if which == "records":
        text = zlib.compress(
            json_mutated(zlib.decompressobj().decompress(members[which]), chance)
        )
        members[which] = text
        row = bytearray(members["directory"])
        row[24:32] = len(text).to_bytes(8, "little")
        members["directory"] = bytes(row)
    elif which == "index.json":
        members[which] = json_mutated(members[which], chance)
    elif which == "directory":
        row = bytearray(members[which])
        row[chance.randrange(len(row))] = chance.randrange(256)
        members[which] = bytes(row)
    other = folder / f"{os.getpid()}.index"
    with zipfile.ZipFile(other, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    if which == "bytes":
        whole = bytearray(other.read_bytes())
        for _ in range(chance.choice((1, 2, 5))):
            whole[chance.randrange(len(whole))] = chance.randrange(256)
        other.write_bytes(whole)
    return lazydicom.open_image(path, index=other)[0]


# --- files that change --------------------------------------------------------


def sigbus(count: int, seed: int) -> int:
    """Cut files while they are opened, read and verified; each in a child."""
    from encapsulated_files import make_encapsulated
    from enhanced_files import write_enhanced

    outcomes: Counter[str] = Counter()
    context = multiprocessing.get_context("fork")
    with tempfile.TemporaryDirectory() as folder:
        fragments = [bytes((1, 0, 0, 0)) + bytes(260)] * 20_000
        walked = make_encapsulated(fragments, table="empty")
        write_enhanced(
            Path(folder) / "enhanced", number_of_frames=20_000, rows=4, columns=4
        )
        wholes = [walked, (Path(folder) / "enhanced").read_bytes()]
        path = Path(folder) / "a.dcm"
        for number in range(count):
            chance = random.Random(f"{seed} {number}")
            path.write_bytes(wholes[number % 2])
            child = context.Process(target=_read_all, args=(path, number))
            child.start()
            time.sleep(chance.uniform(0, 0.12))
            os.truncate(path, chance.choice((0, 200, 4096, 100_000)))
            child.join(30)
            outcomes[f"ended by {child.exitcode}"] += 1
    say(f"sigbus: {count} files cut, seed {seed}: {dict(outcomes)}")
    return count - outcomes["ended by 0"]


def _read_all(path: Path, number: int) -> None:
    warnings.simplefilter("ignore")
    with contextlib.suppress(LazyDicomError):
        array = (lazydicom.open_image, lazydicom.open_series)[number % 4 // 2](path)
        _ = array.frames
        for k in range(0, len(array), 50):
            with contextlib.suppress(LazyDicomError):
                _ = array[k]


def replaced(count: int, seed: int) -> int:
    """Put another file in the place of one that is open or indexed; read it."""
    from dicom_files import make_native

    size: Value = {"number_of_frames": 5, "rows": 16, "columns": 16}
    outcomes: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["XDG_CACHE_HOME"] = f"{folder}/cache"
        for number in range(count):
            chance = random.Random(f"{seed} {number}")
            generator = np.random.default_rng(chance.randrange(1 << 40))
            old, new = generator.integers(0, 4096, (2, 5, 16, 16)).astype(np.uint16)
            path = folder / f"{number}.dcm"
            path.write_bytes(make_native(old, **size))
            how = chance.choice(
                ("open", "pickle", "index", "index elsewhere", "cache", "mmap")
            )
            read = _opened(how, path)
            _replace(path, make_native(new, **size), chance.choice(_REPLACINGS), chance)
            outcomes[_replaced_outcome(how, read, old, new)] += 1
            path.unlink()
            Path(f"{path}.index").unlink(missing_ok=True)
    say(f"replaced: {count} files, seed {seed}: {dict(outcomes)}")
    return outcomes["unnoticed"] + sum(
        n for k, n in outcomes.items() if k.startswith("foreign")
    )


_REPLACINGS: Final = ("rename", "rsync", "tar", "in place", "plain", "cp -p")


def _opened(how: str, path: Path) -> Callable[[], Value]:
    if how in {"open", "mmap", "pickle"}:
        import pickle

        array = lazydicom.open_image(path, local="mmap" if how == "mmap" else "pread")
        if how == "pickle":
            array = pickle.loads(pickle.dumps(array))
        return lambda: np.asarray(array)
    if how == "cache":
        lazydicom.open_image(path, cache=True)
        return lambda: np.asarray(lazydicom.open_image(path, cache=True))
    index = f"{path}.index"
    lazydicom.save_index(path, index)

    def read() -> Value:
        here = location.THIS_MACHINE
        location.THIS_MACHINE = "another" if how == "index elsewhere" else here  # type: ignore[misc]
        try:
            return np.asarray(lazydicom.open_image(path, index=index))
        finally:
            location.THIS_MACHINE = here  # type: ignore[misc]

    return read


def _replace(path: Path, data: bytes, how: str, chance: random.Random) -> None:
    """Put other bytes there, with size and time kept but for "plain"."""
    times = path.stat()
    time.sleep(chance.uniform(0.011, 0.02))  # more than a tick of the clock
    other = path.with_name("other")
    if how == "in place":
        with path.open("r+b") as file:
            file.write(data)
    elif how == "tar":
        path.unlink()
        path.write_bytes(data)
    elif how == "cp -p":
        other.write_bytes(data)
        os.utime(other, ns=(times.st_atime_ns, times.st_mtime_ns))
        shutil.copy2(other, path)
    else:
        other.write_bytes(data)
        other.replace(path)
    if how != "plain":
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def _replaced_outcome(
    how: str, read: Callable[[], Value], old: Value, new: Value
) -> str:
    try:
        values = read()
    except SourceChangedError:
        return "noticed"
    except Exception as error:  # noqa: BLE001
        return f"foreign: {how} {type(error).__name__}"
    if how == "cache" and np.array_equal(values, new):
        return "cached anew"
    return "unnoticed"


# --- two exports into one object store ----------------------------------------


def exports(count: int, seed: int) -> int:
    """Let two processes export into one place of an S3 server."""
    from dicom_files import make_native
    from servers import moto

    outcomes: Counter[str] = Counter()
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder, moto(Path(folder)) as place:
        files = []
        for value in (1, 2):
            path = Path(folder) / f"{value}.dcm"
            path.write_bytes(make_native(np.full((24, 8, 8), value, np.uint16)))
            files.append(path)
        with context.Pool(2) as pool:
            for number in range(count):
                chance = random.Random(f"{seed} {number}")
                target = f"{place.url}/{number}.zarr"
                overwrite = number % 3 == 2
                if overwrite:
                    old = lazydicom.open_image(
                        make_native(np.full((24, 8, 8), 9, np.uint16))
                    )
                    lazydicom.to_zarr(
                        old, target, chunks=4, storage_options=place.storage_options
                    )
                both = [
                    pool.apply_async(
                        _export,
                        (
                            path,
                            target,
                            place.storage_options,
                            overwrite,
                            chance.uniform(0, 0.3),
                        ),
                    )
                    for path in files
                ]
                results = [one.get(60) for one in both]
                outcomes[
                    _two_outcomes(
                        results, files, target, place.storage_options, overwrite
                    )
                ] += 1
    say(f"exports: {count} pairs into S3, seed {seed}: {dict(outcomes)}")
    return sum(n for outcome, n in outcomes.items() if outcome.startswith("mixed"))


def _export(
    path: Path, target: str, options: Value, overwrite: bool, wait_s: float
) -> str:
    time.sleep(wait_s)
    array = lazydicom.open_image(path)
    try:
        lazydicom.to_zarr(
            array,
            target,
            chunks=1,
            workers=1,
            overwrite=overwrite,
            storage_options=options,
        )
    except ExportError:
        return "error"
    except Exception as error:  # noqa: BLE001
        return f"foreign {type(error).__name__}"
    return "report"


def _two_outcomes(
    results: list[str], files: list[Path], target: str, options: Value, overwrite: bool
) -> str:
    whole = [
        lazydicom.verify(target, lazydicom.open_image(path), storage_options=options).ok
        for path in files
    ]
    one = sorted(results) == ["error", "report"] and whole[results.index("report")]
    in_turn = overwrite and results == ["report", "report"] and sum(whole) == 1
    if one or in_turn:
        return "one report, one error" if one else "one after the other"
    return f"mixed: {results} {whole}"


# --- dask workers that are killed ---------------------------------------------


def kills(count: int, seed: int) -> int:
    """Kill workers of dask amid exports and computations."""
    from dicom_files import make_native
    from distributed import Client
    from test_cluster import (  # type: ignore[import-not-found]
        scheduler,
        worker,
    )

    outcomes: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        pixels = (
            np.random.default_rng(seed)
            .integers(0, 4096, (60, 64, 64))
            .astype(np.uint16)
        )
        (folder / "a.dcm").write_bytes(make_native(pixels))
        address = stack.enter_context(scheduler())
        stack.enter_context(worker(address, folder / "first"))
        client = stack.enter_context(Client(address, set_as_default=False))  # type: ignore[no-untyped-call]
        for number in range(count):
            chance = random.Random(f"{seed} {number}")
            with worker(address, folder / f"w{number}") as victim:
                client.wait_for_workers(2, timeout=60)
                timer = threading.Timer(chance.uniform(0, 0.8), victim.process.kill)
                timer.start()
                with client.as_current():
                    outcomes[_killed(number, folder, pixels)] += 1
                timer.join()
    say(f"kills: {count} workers, seed {seed}: {dict(outcomes)}")
    return sum(
        n for outcome, n in outcomes.items() if outcome.startswith(("foreign", "wrong"))
    )


def _killed(number: int, folder: Path, pixels: Value) -> str:
    array = lazydicom.open_image(folder / "a.dcm")
    target = folder / f"{number}.zarr"
    try:
        if number % 2:
            lazydicom.to_zarr(array, target, chunks=1)
            return "right" if lazydicom.verify(target, array).ok else "wrong copy"
        lazy: Value = lazydicom.to_dask(array, frames_per_chunk=1)
        values = lazy.map_blocks(_slowly).compute()
        return "right" if np.array_equal(values, pixels) else "wrong values"
    except LazyDicomError:
        lazydicom.to_zarr(array, target, chunks=1, workers=1, resume=True)
        return "resumed" if lazydicom.verify(target, array).ok else "wrong resumed copy"
    except Exception as error:  # noqa: BLE001
        return f"foreign: {type(error).__name__}"


def _slowly(values: Value) -> Value:
    time.sleep(0.02)
    return values


# --- signals ------------------------------------------------------------------

_INTERRUPTED: Final = """
import json, sys, threading, time, warnings
sys.path[:0] = {paths!r}
from campaigns import WORK
warnings.simplefilter("ignore")
act = WORK[{work!r}]({folder!r})
print("ready", flush=True)
try:
    while True:
        act()
except KeyboardInterrupt:
    caught = time.time()
time.sleep(0.2)
begin = time.process_time()
time.sleep(0.4)
busy = time.process_time() - begin
print(json.dumps([caught, busy]), flush=True)
"""


def _work_of_series(folder: str) -> Callable[[], object]:
    return lambda: lazydicom.open_series(f"{folder}/series")


def _work_of_study(folder: str) -> Callable[[], object]:
    return lambda: lazydicom.open_study(f"{folder}/series")


def _work_of_pixels(folder: str) -> Callable[[], object]:
    array = lazydicom.open_image(f"{folder}/coded.dcm")
    return lambda: np.asarray(array)


def _work_of_isolation(folder: str) -> Callable[[], object]:
    array = lazydicom.open_image(f"{folder}/coded.dcm", isolation="process")
    return lambda: np.asarray(array)


def _work_of_zarr(folder: str) -> Callable[[], object]:
    array = lazydicom.open_image(f"{folder}/coded.dcm")
    return lambda: lazydicom.to_zarr(
        array, f"{folder}/a.zarr", chunks=1, overwrite=True
    )


def _work_of_ome(folder: str) -> Callable[[], object]:
    array = lazydicom.open_image(f"{folder}/coded.dcm")
    return lambda: lazydicom.to_ome_zarr(array, f"{folder}/b.zarr", overwrite=True)


def _work_of_verify(folder: str) -> Callable[[], object]:
    array = lazydicom.open_image(f"{folder}/coded.dcm")
    lazydicom.to_zarr(array, f"{folder}/c.zarr", chunks=1, overwrite=True)
    return lambda: lazydicom.verify(f"{folder}/c.zarr", array)


def _work_of_index(folder: str) -> Callable[[], object]:
    return lambda: lazydicom.save_index(f"{folder}/series", f"{folder}/a.index")


def _work_of_server(folder: str) -> Callable[[], object]:
    from range_server import RangeServer

    data = Path(f"{folder}/coded.dcm").read_bytes()
    server = RangeServer({"a.dcm": data}, bytes_per_s=30_000)
    server.__enter__()
    return lambda: np.asarray(lazydicom.open_image(server.url("a.dcm")))


def _work_of_silence(_: str) -> Callable[[], object]:
    import socket

    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/a.dcm"
    return lambda: (listener, lazydicom.open_image(url))


def _work_of_dicomweb(_: str) -> Callable[[], object]:
    import socket

    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    url = f"dicomweb+http://127.0.0.1:{port}/studies/1/series/2/instances/3"
    return lambda: (listener, lazydicom.open_image(url))


def _work_of_dask(folder: str) -> Callable[[], object]:
    array = lazydicom.open_image(f"{folder}/coded.dcm")
    return lambda: lazydicom.to_dask(array, frames_per_chunk=1).compute()


WORK: Final[dict[str, Callable[[str], Callable[[], object]]]] = {
    "series": _work_of_series,
    "study": _work_of_study,
    "pixels": _work_of_pixels,
    "isolation": _work_of_isolation,
    "zarr": _work_of_zarr,
    "ome": _work_of_ome,
    "verify": _work_of_verify,
    "index": _work_of_index,
    "server": _work_of_server,
    "silence": _work_of_silence,
    "dicomweb": _work_of_dicomweb,
    "dask": _work_of_dask,
}


def sigint(count: int, seed: int) -> int:
    """Interrupt each kind of work; it ends within a second, and no thread goes on."""
    outcomes: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        _write_work(Path(folder))
        for number in range(count):
            chance = random.Random(f"{seed} {number}")
            work = list(WORK)[number % len(WORK)]
            outcomes[_interrupted(work, folder, chance.uniform(0.05, 0.9))] += 1
    say(f"sigint: {count} interrupts, seed {seed}: {dict(outcomes)}")
    return count - outcomes["in time"]


def _write_work(folder: Path) -> None:
    import imagecodecs
    from dicom_files import make_encapsulated
    from written_series import plane

    (folder / "series").mkdir()
    for k in range(300):
        plane(folder / "series", k % 100, (0.0, 0.0, 2.0 * k))
    noise = np.random.default_rng(1).integers(0, 64, (40, 512, 512), np.uint8)
    frames = [bytes(imagecodecs.jpegls_encode(frame)) for frame in noise]
    syntax: Value = {
        "transfer_syntax": "1.2.840.10008.1.2.4.80",
        "rows": 512,
        "columns": 512,
    }
    (folder / "coded.dcm").write_bytes(
        make_encapsulated(frames, bits_allocated=8, **syntax)
    )


def _interrupted(work: str, folder: str, wait_s: float) -> str:
    paths = [str(TESTS / room) for room in ("support", "arrange")]
    code = _INTERRUPTED.format(paths=paths, work=work, folder=folder)
    child = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509
    )  # fmt: skip
    try:
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(wait_s)
        sent = time.time()
        child.send_signal(signal.SIGINT)
        line = child.communicate(timeout=20)[0].strip()
    except subprocess.TimeoutExpired:
        return f"{work}: goes on after 20 s"
    finally:
        child.kill()
        child.wait()
    if not line:
        return f"{work}: another end, {child.returncode}"
    caught, busy = json.loads(line)
    if caught - sent > 1:
        return f"{work}: late by {caught - sent:.1f} s"
    return (
        "in time" if busy < 0.1 else f"{work}: a thread goes on ({busy:.2f} s of 0.4)"
    )


CAMPAIGNS: Final[dict[str, tuple[Callable[[int, int], int], int]]] = {
    "files": (files, 50_000),
    "stores": (stores, 12_000),
    "sigbus": (sigbus, 200),
    "replaced": (replaced, 2000),
    "exports": (exports, 45),
    "kills": (kills, 20),
    "sigint": (sigint, 60),
}
"""By name, with the count that is asked for."""


def main(words: list[str]) -> int:
    """Run one campaign."""
    campaign, count = CAMPAIGNS[words[0]]
    count = int(words[1]) if len(words) > 1 else count
    return campaign(count, int(words[2]) if len(words) > 2 else 1)


if __name__ == "__main__":
    sys.exit(bool(main(sys.argv[1:])))
