"""Orthanc, a real DICOMweb server, on loopback."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import requests
from servers import free_port, require_module, running
from tools import skip_outside_ci

if TYPE_CHECKING:
    from collections.abc import Iterator

PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
USER = ("reader", "canary-password")


class Orthanc(NamedTuple):
    port: int

    def put(self, file: bytes) -> None:
        answer = requests.post(
            f"http://127.0.0.1:{self.port}/instances",
            data=file,
            auth=USER,
            timeout=30,
        )
        answer.raise_for_status()

    def url(self, instance: str) -> str:
        service = f"dicomweb+http://127.0.0.1:{self.port}/dicom-web"
        return f"{service}/studies/1.2.3/series/1.2.3.9/instances/{instance}"


@contextlib.contextmanager
def orthanc(folder: Path, *, password: bool = False) -> Iterator[Orthanc]:
    """Serve DICOMweb from an empty store."""
    require_module("dicomweb_client")
    program = shutil.which("Orthanc", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None or not PLUGIN.exists():
        skip_outside_ci("Orthanc with DICOMweb is not installed (.ci/run installs it)")
    port = free_port()
    store = str(folder / "db")
    settings = {
        "StorageDirectory": store,
        "IndexDirectory": store,
        "HttpPort": port,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": password,
        "RegisteredUsers": dict([USER]) if password else {},
        "DicomServerEnabled": False,
        "StableAge": 1,
        "OverwriteInstances": True,
        "Plugins": [str(PLUGIN)],
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/", "EnableWado": True},
    }
    (folder / "orthanc.json").write_text(json.dumps(settings))
    with running([program, str(folder / "orthanc.json")], port, folder):
        yield Orthanc(port)
