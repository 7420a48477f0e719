"""`lazydicom demo`: every step from a file to a Zarr copy, and what it costs."""

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import field
from pathlib import Path
from typing import Any, Final

import click
import numpy as np
from rich.console import Console
from rich.filesize import decimal
from rich.table import Table

import lazydicom
from lazydicom._array.array import DicomArray
from lazydicom._bytes.quick_dataclass import dataclass
from lazydicom._cli.debug import debug_option
from lazydicom._cli.demo_file import (
    FRAME_NBYTES,
    MOST_FRAMES,
    made_frame,
    shipped_file,
    write_enhanced,
)
from lazydicom._cli.info import facts_of, facts_table
from lazydicom.errors import ExportError

_COMPARED_TOGETHER: Final = 64


@dataclass(slots=True)
class _Costs:
    """What each step took, for the table at the end."""

    console: Console
    steps: list[tuple[str, float, int]] = field(default_factory=list)

    @contextmanager
    def of(self, step: str, nbytes: int) -> Iterator[None]:
        """Time a step that yields `nbytes` of pixels; name it while it runs."""
        with self.console.status(step):  # says nothing where nobody looks on
            start = time.perf_counter()
            yield
            self.steps.append((step, time.perf_counter() - start, nbytes))

    def table(self) -> Table:
        """Show steps, seconds and bytes per second."""
        table = Table("step", "time", "pixels", "rate", box=None, padding=(0, 2))
        for column in table.columns[1:]:
            column.justify = "right"
        for step, seconds, nbytes in self.steps:
            rate = f"{decimal(int(nbytes / seconds))}/s" if nbytes else ""
            pixels = decimal(nbytes) if nbytes else "none"
            table.add_row(step, _duration(seconds), pixels, rate)
        return table


@click.command()
@click.option(
    "--frames", type=click.IntRange(1, MOST_FRAMES), default=2000, hidden=True
)
@debug_option
def demo(*, frames: int) -> None:
    """Show every step on a real small file and on a large one made for it.

    The large one is written to a temporary folder and deleted in the end.
    """
    console = Console(highlight=False)
    with tempfile.TemporaryDirectory(prefix="lazydicom-demo-") as name:
        folder = Path(name)
        _check_room(folder, frames)
        console.print("[bold]1. A real file: the RT Dose that pydicom ships[/]\n")
        costs = _Costs(console)
        with costs.of("import dask and zarr", 0):
            _ = lazydicom.to_dask, lazydicom.to_zarr
        _show(shipped_file(), folder / "rtdose.zarr", costs)
        console.print(f"\n[bold]2. A large file, made here: {frames:,} frames[/]\n")
        path, costs = folder / "enhanced.dcm", _Costs(console)
        with costs.of("write the file", frames * FRAME_NBYTES):
            write_enhanced(path, frames=frames)
        array = _show(str(path), folder / "enhanced.zarr", costs)
        _check_written(array)
        console.print("What was read is what was written.")


def _check_room(folder: Path, frames: int) -> None:
    needed = int(2.1 * frames * FRAME_NBYTES)
    free = shutil.disk_usage(folder).free
    if free < needed:
        message = (
            f"The demonstration needs {decimal(needed)} in {folder.parent}, "
            f"{decimal(free)} are free; TMPDIR names another folder"
        )
        raise click.ClickException(message)


def _show(path: str, copy: Path, costs: _Costs) -> DicomArray:
    console = costs.console
    with costs.of("open, index", 0):
        array = lazydicom.open_image(path)
    console.print(facts_table(facts_of(array, Path(path).name)))
    frame = len(array) // 2
    with costs.of(f"read frame {frame}", array.nbytes // len(array)):
        array[frame]
    values: Any = lazydicom.to_dask(array)  # dask is not typed
    with costs.of("mean of all frames by dask", array.nbytes):
        mean = values.mean(axis=0).compute()
    with costs.of("export to Zarr", array.nbytes):
        lazydicom.to_zarr(array, copy)
    with costs.of("read it back, compare", array.nbytes):
        _compare(array, copy)
    console.print()
    console.print(costs.table())
    console.print(
        f"\nThe mean over frames goes from {mean.min():.1f} to {mean.max():.1f}."
    )
    console.print(f"The copy holds the same pixels in all {len(array):,} frames.")
    return array


def _compare(array: DicomArray, copy: Path) -> None:
    import zarr  # deferred: the other commands start without it

    stored: Any = zarr.open_array(copy, mode="r")
    for start in range(0, len(array), _COMPARED_TOGETHER):
        some = slice(start, start + _COMPARED_TOGETHER)
        if not np.array_equal(array[some], np.asarray(stored[some])):
            message = f"The copy differs in frames {some.start} to {some.stop - 1}"
            raise ExportError(message, url=str(copy))


def _check_written(array: DicomArray) -> None:
    """Compare some frames with what went into the file, whatever lazydicom wrote or read."""
    for number in {0, len(array) // 3, len(array) - 1}:
        if not np.array_equal(array[number], made_frame(number)):
            raise ExportError(
                "A frame differs from the one that was written", frame=number
            )


def _duration(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1e3:.1f} ms"
