"""A process from its start to its first frame, beside the imports that it cannot do without."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np
import pytest
from dicom_files import make_native
from ratios import best_seconds, hold

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.benchmark

OPEN: Final = "import sys, lazydicom; array = lazydicom.open_image(sys.argv[1]); "
BARE: Final = "import os, sys, numpy; open(sys.argv[1], 'rb').read(10_000); "
LIMIT: Final = 1.4
WHY: Final = "1.3 wished, and held where nobody shares a core: 1.03 to 1.25"
FIRSTS: Final = {
    "array[0]": ("array[0]", "", "import numpy, and the read"),
    "to_dask": ("lazydicom.to_dask(array)", "import dask.array", ""),
    "to_xarray": ("lazydicom.to_xarray(array)", "import xarray", ""),
    "to_zarr": ("lazydicom.to_zarr(array, sys.argv[2])", "import zarr", ""),
}


@pytest.mark.parametrize("name", FIRSTS)
def test_a_process_reaches_its_first_result(name: str, tmp_path: Path) -> None:
    ours, imports, floor = FIRSTS[name]
    path, count = tmp_path / "a.dcm", itertools.count()
    path.write_bytes(make_native(np.zeros((3, 64, 64), np.uint16)))
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(tmp_path / "compiled")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # as an installed package is

    def run(code: str) -> None:
        target = str(tmp_path / f"{next(count)}.zarr")
        command = [sys.executable, "-c", code, str(path), target]
        subprocess.run(command, check=True, env=environment)

    floor = floor or f"import numpy; {imports}"
    ways = {"ours": partial(run, OPEN + ours), floor: partial(run, BARE + imports)}
    best_seconds(ways, rounds=1)  # which compiles
    best = best_seconds(ways, rounds=12)

    hold(f"a new process to {name}", best, floor=floor, limit=LIMIT, why=WHY)
