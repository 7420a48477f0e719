"""Play Windows or macOS: take away what they lack, then run something.

``python other_system.py windows tests/open …`` runs pytest there. With ``--few`` before
the tests, little is imported: enough for those that only open. All but lazydicom is
imported before, so that only lazydicom sees the difference. Path syntax, open files that
cannot be removed and encodings are not played.
"""

from __future__ import annotations

import asyncio
import builtins
import concurrent.futures
import importlib
import multiprocessing.connection
import os
import shutil
import subprocess
import sys
import warnings
from contextlib import suppress
from typing import Any, Final

LINUX_ONLY: Final = ("sched_getaffinity", "memfd_create", "posix_fadvise")
UNIX_ONLY: Final = (
    *LINUX_ONLY, "pread", "preadv", "pwrite", "pwritev", "readv", "writev", "O_CLOEXEC",
    "O_NONBLOCK", "O_DIRECTORY", "O_NOFOLLOW", "register_at_fork", "fork", "fchmod",
    "uname",
)  # fmt: skip
UNIX_MODULES: Final = ("fcntl", "resource")
OTHERS: Final = (
    "aiohttp", "click.testing", "dask.array", "fsspec", "fsspec.implementations.memory",
    "fsspec.implementations.cached", "gcsfs", "highdicom", "hypothesis", "imagecodecs",
    "numcodecs", "numpy", "ome_zarr.io", "pydicom", "pytest", "requests", "rich.console",
    "s3fs", "upath", "xarray", "zarr", "zarr.storage", "tqdm", "pkg_resources",
)  # fmt: skip
FEW: Final = ("aiohttp", "fsspec", "hypothesis", "numpy", "pydicom", "pytest")
"""What tests of opening need."""
_REWRITTEN: Final = "pytest.PytestAssertRewriteWarning"
_ = (asyncio, concurrent.futures, multiprocessing.connection, subprocess)


def become(system: str, others: tuple[str, ...]) -> None:
    """Take away what a system lacks."""
    if system == "windows":  # shutil saw at its import that folders have descriptors
        vars(shutil)["_use_fd_functions"] = False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in others:
            with suppress(ImportError):
                importlib.import_module(name)
    for name in LINUX_ONLY if system == "macos" else UNIX_ONLY:
        if hasattr(os, name):
            delattr(os, name)
    if system == "windows":
        _forget_modules()


def _forget_modules() -> None:
    """Let lazydicom find no module of Unix; others have theirs."""
    original = builtins.__import__

    def imported(name: str, *args: Any, **options: Any) -> Any:  # noqa: ANN401
        importer = ((args[0] if args else None) or {}).get("__name__", "")
        if name in UNIX_MODULES and importer.startswith(("lazydicom", "filelock")):
            raise ModuleNotFoundError(f"No module named {name!r}")
        return original(name, *args, **options)

    builtins.__import__ = imported
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        importlib.import_module("filelock")  # it warns that it has no better lock here


def main() -> None:
    """Run pytest on what the command line names."""
    import pytest

    system, *arguments = sys.argv[1:]
    is_short = arguments[0] == "--few"
    become(system, FEW if is_short else OTHERS)
    plain = ["-p", "no:cacheprovider", "-q", "-W", f"ignore::{_REWRITTEN}"]
    sys.exit(pytest.main([*plain, *arguments[is_short:]]))


if __name__ == "__main__":
    main()
