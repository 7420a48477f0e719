"""What is loaded, and when."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import metadata
from typing import TYPE_CHECKING, Final

import pytest
from dicom_files import DEFLATED, EXPLICIT_BIG, make_native

import lazydicom

if TYPE_CHECKING:
    from pathlib import Path

HEAVY: Final = ("dask", "zarr", "xarray", "imagecodecs", "pydicom", "numcodecs")
REMOTE: Final = (
    "fsspec.implementations.http",
    "fsspec.implementations.sftp",
    "fsspec.implementations.ftp",
    "aiohttp",
    "s3fs",
    "gcsfs",
    "adlfs",
    "requests",
)
UNUSED: Final = (
    "fsspec",
    "asyncio",
    "ssl",
    "hashlib",
    "socket",
    "subprocess",
    "multiprocessing",
    "tempfile",
    "platformdirs",
    "concurrent.futures",
    "bisect",
    "bz2",
    "difflib",
    "glob",
    "ipaddress",
    "json",
    "lzma",
    "mmap",
    "pathlib",
    "random",
    "shutil",
    "tarfile",
    "threading",
    "urllib.parse",
    "uuid",
    "zipfile",
)
"""What a frame of a local file does not need, unless NumPy does."""
MODULES_OF_A_FRAME: Final = 31
"""Our own, door signs aside. A number is lowered when fewer are loaded: each takes 0.3 ms."""
MODULES_OF_COMMANDS: Final = 52
MODULES_OF_FIRSTS: Final = {
    "lazydicom.to_dask(array)": 45,
    "lazydicom.to_zarr(array, sys.argv[2])": 58,
    "lazydicom.to_xarray(array)": 66,
}
OPTIONAL: Final = ("rich", "click", "dicomweb_client", "pandas", "pyarrow", "highdicom")

LOADED: Final = "import json, sys; print(json.dumps(sorted(sys.modules)))"


def loaded_after(code: str, *arguments: object) -> set[str]:
    """Run `code` in a fresh interpreter and give the modules it has loaded."""
    command = [sys.executable, "-c", f"{code}\n{LOADED}", *map(str, arguments)]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return set(json.loads(output))


@pytest.mark.parametrize(
    "code",
    [
        "import lazydicom",
        "import lazydicom; dir(lazydicom)",
        "from lazydicom import errors",
        "from lazydicom import open_image",
    ],
)
def test_importing_is_light(code: str) -> None:
    loaded = loaded_after(code)

    assert loaded.isdisjoint(HEAVY + REMOTE + OPTIONAL)


@pytest.mark.parametrize("transfer_syntax", [EXPLICIT_BIG, DEFLATED])
def test_reading_a_native_frame_needs_numpy_alone(
    tmp_path: Path, transfer_syntax: str
) -> None:
    path = tmp_path / "native.dcm"
    path.write_bytes(make_native(transfer_syntax=transfer_syntax))
    code = (
        "import sys, lazydicom\n"
        "array = lazydicom.open_image(sys.argv[1])\n"
        "repr(array), array.attrs, array[1], array[:]"
    )

    loaded = loaded_after(code, path)

    assert "numpy" in loaded
    assert loaded.isdisjoint(HEAVY + REMOTE + OPTIONAL)


def test_a_frame_of_a_local_file_loads_nothing_for_networks_workers_and_spills(
    tmp_path: Path,
) -> None:
    path = tmp_path / "native.dcm"
    path.write_bytes(make_native())
    code = "import sys, lazydicom\nlazydicom.open_image(sys.argv[1])[0]"

    loaded = loaded_after(code, path) - loaded_after("import numpy")

    assert loaded.isdisjoint(UNUSED)


def own_modules(loaded: set[str]) -> list[str]:
    """Return our own modules that were loaded, without door signs."""
    own = [name for name in loaded if name.startswith("lazydicom.")]
    rooms = {name.rpartition(".")[0] for name in own}
    return sorted(set(own) - rooms)


def test_a_frame_of_a_local_file_loads_few_modules(tmp_path: Path) -> None:
    path = tmp_path / "native.dcm"
    path.write_bytes(make_native())
    code = "import sys, lazydicom\nlazydicom.open_image(sys.argv[1])[0]"

    own = own_modules(loaded_after(code, path))

    assert len(own) <= MODULES_OF_A_FRAME, own


@pytest.mark.parametrize("first", MODULES_OF_FIRSTS)
def test_a_first_view_or_copy_loads_few_modules(tmp_path: Path, first: str) -> None:
    path = tmp_path / "native.dcm"
    path.write_bytes(make_native())
    code = f"import sys, lazydicom\narray = lazydicom.open_image(sys.argv[1])\n{first}"

    own = own_modules(loaded_after(code, path, tmp_path / "copy.zarr"))

    assert len(own) <= MODULES_OF_FIRSTS[first], own


def test_the_command_line_loads_no_library_before_it_knows_what_for() -> None:
    code = "import lazydicom.cli"

    loaded = loaded_after(code)

    assert loaded.isdisjoint((*HEAVY, *REMOTE, "fsspec", "asyncio", "zipfile"))
    assert len(own_modules(loaded)) <= MODULES_OF_COMMANDS


def test_pydicom_is_loaded_when_a_dataset_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "native.dcm"
    path.write_bytes(make_native())
    code = (
        "import sys, lazydicom\n"
        "lazydicom.open_image(sys.argv[1]).images[0].header.dataset"
    )

    loaded = loaded_after(code, path)

    assert "pydicom" in loaded
    assert loaded.isdisjoint({"dask", "zarr", "imagecodecs"})


def test_every_public_name_is_there() -> None:
    names = dir(lazydicom)

    assert {"open_image", "to_dask", "DicomArray", "errors"} <= set(names)
    assert all(getattr(lazydicom, name) is not None for name in names)


def test_the_version_is_that_of_the_package_and_is_loaded_when_asked_for() -> None:
    code = "import lazydicom"

    assert lazydicom.__version__ == metadata.version("lazydicom")
    assert "importlib.metadata" not in loaded_after(code) - loaded_after("")
