"""The systemd unit of an exporter on this machine."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from flowrunner.bench.config import FailureDetection
from flowrunner.lab.config import load_one
from flowrunner.remote.address import Address
from flowrunner.remote.exporter.systemd import unit


def unit_text(
    bench: Path, listen: Sequence[str], *, certificate: Path | None, key: Path | None, insecure: bool,
    passphrase: Path | None, user: str | None,
) -> str:  # fmt: skip
    """A unit that serves `bench` as `flow exporter run` does with the same options.

    The manager reads key and passphrase as root and hands them over, so the exporter's user need not be able to.

    Raises:
        PipelineErrors: the exporter's file is wrong.
    """
    found = load_one(bench)
    limits = found.source.exporter.failure_detection or FailureDetection()
    credentials: dict[str, str] = {}
    command = [sys.executable, "-m", "flowrunner", "exporter", "run", str(bench.resolve()), "--no-supervise"]
    for address in listen:
        path = Address.parse(address).path
        command += ["--listen", f"unix:{path.absolute()}" if path else address]
    if certificate and key:
        credentials["key"] = str(key.resolve())
        command += ["--tls-cert", str(certificate.resolve()), "--tls-key", "${CREDENTIALS_DIRECTORY}/key"]
    if passphrase:
        credentials["passphrase"] = str(passphrase.resolve())
        command += ["--passphrase-file", "${CREDENTIALS_DIRECTORY}/passphrase"]
    if insecure:
        command.append("--insecure")
    return unit(
        command, name=found.name, most=limits.max_rapid_failures, window=limits.rapid_failure_window, user=user,
        credentials=credentials,
    )  # fmt: skip
