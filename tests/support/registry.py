"""A real OCI registry on loopback: Debian's docker-registry."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.certificates import Certificate

needs_registry = pytest.mark.skipif(
    shutil.which("docker-registry") is None or shutil.which("htpasswd") is None,
    reason="needs docker-registry and apache2-utils",
)

CONFIG = """
version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage: {{filesystem: {{rootdirectory: {folder}/blobs}}, delete: {{enabled: true}}}}
http: {{addr: "127.0.0.1:{port}"{tls}}}
"""

USER, PASSWORD = "lab", "s3cret"


@dataclass(frozen=True)
class Registry:
    """`host` is its address with the port, `blobs` the folder that holds what was pushed."""

    host: str
    blobs: Path


@contextmanager
def registry(folder: Path, *, locked: bool = False, tls: Certificate | None = None) -> Iterator[Registry]:
    """Run one; `locked` asks for `USER` and `PASSWORD`. With `tls` it speaks HTTPS only."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shown = f", tls: {{certificate: {tls.certificate}, key: {tls.key}}}" if tls else ""
    text = CONFIG.format(folder=folder, port=port, tls=shown)
    if locked:
        entry = subprocess.run(["htpasswd", "-Bbn", USER, PASSWORD], check=True, capture_output=True, text=True).stdout
        (folder / "htpasswd").write_text(entry)
        text += f"auth: {{htpasswd: {{realm: lab, path: {folder}/htpasswd}}}}\n"
    (folder / "registry.yml").write_text(text)
    process = subprocess.Popen(["docker-registry", "serve", folder / "registry.yml"], stderr=subprocess.PIPE)
    try:
        _await(process, port)
        yield Registry(f"127.0.0.1:{port}", folder / "blobs")
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=10)


def _await(process: subprocess.Popen[bytes], port: int) -> None:
    end = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            assert process.poll() is None, process.communicate()[1].decode()
            assert time.monotonic() < end, "the registry did not come up"
            time.sleep(0.02)
