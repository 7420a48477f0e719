"""Print what reading over a network costs: the table of ``docs/performance.md``.

The server waits 20 ms before each answer; the floor of the times are the same ranges,
fetched by hand through the same client with as many requests at once.
"""

# ruff: noqa: T201 (it prints a table)

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from functools import partial

import fsspec
import numpy as np
from numpy.typing import NDArray
from range_server import RangeServer
from remote_files import FRAME, encapsulated, enhanced, native

import lazydicom
from lazydicom._array.work.parallel import run
from lazydicom._bytes.ranges import MAX_BLOCK, REQUESTS, cut
from lazydicom._bytes.source import ByteRange

FRAMES = 2000
"""Of the native file."""


def fetch(array: lazydicom.DicomArray, numbers: Sequence[int]) -> None:
    """Read frames as they are stored."""
    fetches = array.images[0].fetches(numbers, lambda *_: None)
    run(fetches, threads=None, requests=REQUESTS)


def all_of(array: lazydicom.DicomArray) -> None:
    """Read all frames as they are stored, then the index."""
    fetch(array, range(len(array)))
    assert len(array.images[0].index) == len(array)


def by_hand(url: str, spans: list[ByteRange]) -> NDArray[np.uint8]:
    """Fetch ranges into fresh memory, by the same client and as many requests at once."""
    filesystem = fsspec.filesystem("http")
    starts = np.cumsum([0, *(span.length for span in spans)]).tolist()
    out = np.empty(starts[-1], np.uint8)

    async def fetch_all() -> None:
        session = await filesystem.set_session()
        slots = asyncio.Semaphore(REQUESTS)

        async def fetch_one(span: ByteRange, start: int) -> None:
            headers = {"Range": f"bytes={span.offset}-{span.stop - 1}"}
            async with slots, session.get(url, headers=headers) as response:
                data = np.frombuffer(await response.read(), np.uint8)
            out[start : start + span.length] = data

        await asyncio.gather(*map(fetch_one, spans, starts[:-1]))

    fsspec.asyn.sync(filesystem.loop, fetch_all)
    return out


def seconds(action: Callable[[], object]) -> float:
    begin = time.perf_counter()
    action()
    return time.perf_counter() - begin


def ratio(ours: Callable[[], object], floor: Callable[[], object]) -> float:
    """Compare best times of rounds in turn."""
    rounds = [(seconds(ours), seconds(floor)) for _ in range(5)]
    return min(mine for mine, _ in rounds) / min(theirs for _, theirs in rounds)


def print_table() -> None:
    files = {
        "native": native(FRAMES),
        "enhanced": enhanced(),
        "table": encapsulated("basic"),
        "empty": encapsulated("empty"),
    }
    print("| what | requests | bytes | of the file |\n|---|---|---|---|")
    with RangeServer(files, latency_s=0.02) as server:

        def row(what: str, name: str, action: Callable[[], object]) -> None:
            server.forget()
            action()
            sent, size = server.bytes_sent, len(files[name])
            share = f"{100 * sent / size:.2f} %"
            print(f"| {what} | {len(server.requests)} | {sent:,} | {share} |")

        for name in files:  # the server hashes a GB for its first ETag
            lazydicom.open_image(server.url(name))

        def open_(name: str) -> lazydicom.DicomArray:
            return lazydicom.open_image(server.url(name))

        def first_frame(name: str) -> bytes:
            return open_(name).images[0].encoded_frame(0)

        row("native, 1 GB: open + one frame", "native", lambda: open_("native")[7])
        row(
            "20,000 per-frame items: open + one frame",
            "enhanced",
            lambda: open_("enhanced")[9],
        )
        for name, what in (("table", "basic table"), ("empty", "empty table")):
            row(
                f"200 × 200 kB, {what}: open + first frame",
                name,
                partial(first_frame, name),
            )
        row(
            "the same: all of its index",
            "empty",
            lambda: open_("empty").images[0].index,
        )
        row(
            "the same: all frames and the index",
            "empty",
            lambda: all_of(open_("empty")),
        )
        array, url = open_("native"), server.url("native")
        chosen = sorted(random.Random(3).sample(range(FRAMES), 100))
        row("native: 100 random frames", "native", lambda: array[chosen])
        row("native: all frames", "native", lambda: np.asarray(array))
        start = array.images[0].index.offsets[0].item()
        random_spans = [ByteRange(start + FRAME * at, FRAME) for at in chosen]
        every_span = cut(ByteRange(start, FRAMES * FRAME), max_block=MAX_BLOCK)
        hundred = ratio(lambda: array[chosen], lambda: by_hand(url, random_spans))
        full = ratio(lambda: np.asarray(array), lambda: by_hand(url, every_span))
        array, url = open_("table"), server.url("table")
        numbers = sorted(random.Random(3).sample(range(len(array)), 100))
        row(
            "basic table: 100 random frames of 200",
            "table",
            lambda: fetch(array, numbers),
        )
        row("basic table: all frames", "table", lambda: fetch(array, range(len(array))))
        index = array.images[0].index
        pairs = zip(index.offsets.tolist(), index.lengths.tolist(), strict=True)
        spans = [ByteRange(*pair) for pair in pairs]
        few = [spans[number] for number in numbers]
        whole = ByteRange(spans[0].offset, spans[-1].stop - spans[0].offset)
        every = cut(whole, max_block=MAX_BLOCK)
        of_table = ratio(lambda: fetch(array, numbers), lambda: by_hand(url, few))
        all_of_table = ratio(
            lambda: fetch(array, range(len(array))), lambda: by_hand(url, every)
        )
    print("\nTimes, as multiples of the same ranges by hand, or of a plain download:")
    print(f"100 random frames {hundred:.2f} (native), {of_table:.2f} (basic table);")
    print(f"all frames {full:.2f} (native), {all_of_table:.2f} (basic table).")


if __name__ == "__main__":
    print_table()
