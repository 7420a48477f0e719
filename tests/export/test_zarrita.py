"""zarrita, in Node and over a web server, reads our copies."""

from __future__ import annotations

import json
import os
import subprocess
from hashlib import sha256
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from kinds_of_files import FILES
from servers import nginx
from tools import require_program, skip_outside_ci

import lazydicom

if TYPE_CHECKING:
    from collections.abc import Iterator

SCRIPT = """
import { createHash } from "node:crypto";
const [library, ...urls] = process.argv.slice(2);
const zarr = await import(library);
for (const url of urls) {
  const array = await zarr.open.v3(new zarr.FetchStore(url), { kind: "array" });
  const { data, shape } = await zarr.get(array);
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  const hash = createHash("sha256").update(bytes).digest("hex");
  console.log(JSON.stringify([shape, array.dtype, hash]));
}
"""

CODECS = ("zstd", "blosc", "gzip", "none")


def zarrita() -> str:
    """Find the module that .ci/run installs."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
    package = Path(cache, "lazydicom-ci", "node_modules", "zarrita")
    if not package.exists():
        skip_outside_ci("zarrita is not installed (.ci/run installs it)")
    exported = json.loads((package / "package.json").read_text())["exports"]["."]
    entry = exported if isinstance(exported, str) else exported["import"]
    return (package / entry).as_uri()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    folder = tmp_path_factory.mktemp("nginx")
    with nginx(folder) as place:
        yield folder / "files", place.url


def test_zarrita_reads_the_pixels(served: tuple[Path, str], tmp_path: Path) -> None:
    folder, url = served
    script = tmp_path / "read.mjs"
    script.write_text(SCRIPT)
    expected, urls = {}, []
    for codec, shards, (kind, file) in product(CODECS, (None, 4), FILES.items()):
        array = lazydicom.open_image(file)
        name = f"{codec}-{shards}-{kind.replace(' ', '-')}.zarr"
        lazydicom.to_zarr(
            array, folder / name, chunks=2, shards=shards, compressors=codec
        )
        pixels = sha256(np.asarray(array).tobytes()).hexdigest()
        expected[name] = [list(array.shape), str(array.dtype), pixels]
        urls.append(f"{url}/{name}")

    command = [require_program("node"), str(script), zarrita(), *urls]
    printed = subprocess.run(command, capture_output=True, text=True, check=False)

    found = [json.loads(line) for line in printed.stdout.splitlines()]
    assert dict(zip(expected, found, strict=False)) == expected, printed.stderr
