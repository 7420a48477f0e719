"""Print what reading over a network costs: the table of ``docs/performance.md``.

The server waits 20 ms before each answer; the floor of the times are the same ranges,
fetched by hand through the same client with as many requests at once.
"""

# ruff: noqa: T201 (it prints a table)

import asyncio
import random
import time
from collections.abc import Callable
from functools import partial

import fsspec
import numpy as np

import lazydicom
from lazydicom._ranges import MAX_BLOCK, REQUESTS, ByteRange, cut
from range_server import RangeServer
from test_remote_budgets import FRAME, encapsulated, enhanced, native


def by_hand(url: str, spans: list[ByteRange]) -> None:
    """Fetch ranges with the same client and as many requests at once, no more."""
    filesystem = fsspec.filesystem("http")

    async def fetch_all() -> None:
        session = await filesystem.set_session()
        slots = asyncio.Semaphore(REQUESTS)

        async def fetch(span: ByteRange) -> None:
            headers = {"Range": f"bytes={span.offset}-{span.stop - 1}"}
            async with slots, session.get(url, headers=headers) as response:
                await response.read()

        await asyncio.gather(*map(fetch, spans))

    fsspec.asyn.sync(filesystem.loop, fetch_all)


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
        "native": native(400),
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

        def open_(name: str) -> lazydicom.DicomArray:
            return lazydicom.open_image(server.url(name))

        def first_frame(name: str) -> bytes:
            return open_(name).images[0].encoded_frame(0)

        row("native, 210 MB: open + one frame", "native", lambda: open_("native")[7])
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
        array, url = open_("native"), server.url("native")
        chosen = sorted(random.Random(3).sample(range(400), 100))
        row("native: 100 random frames", "native", lambda: array[chosen])
        row("native: all frames", "native", lambda: np.asarray(array))
        start = array.images[0].index.offsets[0].item()
        random_spans = [ByteRange(start + FRAME * at, FRAME) for at in chosen]
        every_span = cut(ByteRange(start, 400 * FRAME), max_block=MAX_BLOCK)
        hundred = ratio(lambda: array[chosen], lambda: by_hand(url, random_spans))
        full = ratio(lambda: np.asarray(array), lambda: by_hand(url, every_span))
        print(
            f"\n100 random frames take {hundred:.2f} × the time of their ranges by hand,"
        )
        print(f"all frames {full:.2f} × the time of a plain concurrent download.")


if __name__ == "__main__":
    print_table()
