"""Running the command `lazydicom`, in this process and as a user does."""

import os
import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner, Result
from dicom_files import element, make_native

from lazydicom.cli import main

PATIENT = b"Canary^Patient"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def run_process(
    *arguments: object, cwd: Path, shell_pipe: str = "", **environment: str
) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "lazydicom", *map(str, arguments)]
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", f'"$@" {shell_pipe}', "bash", *words],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def write_file(folder: Path) -> Path:
    """Write an Enhanced MR file of 10 frames, 4 × 5 pixels, of a patient with a name."""
    made = folder / "made.dcm"
    made.write_bytes(
        make_native(
            number_of_frames=10,
            rows=4,
            columns=5,
            elements={
                0x00080016: element(0x00080016, "UI", b"1.2.840.10008.5.1.4.1.1.4.1"),
                0x00100010: element(0x00100010, "PN", PATIENT),
            },
        )
    )
    return made
