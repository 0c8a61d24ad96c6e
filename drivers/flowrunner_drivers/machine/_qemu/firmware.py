"""UEFI firmware that the system has installed, found as QEMU's docs/interop/firmware.json says."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from flowrunner.errors import BenchError
from flowrunner_drivers.machine._qemu.config import QemuConfig

PACKAGES = {"x86_64": "ovmf", "aarch64": "qemu-efi-aarch64", "arm": "qemu-efi-arm", "riscv64": "qemu-efi-riscv64"}
SECURE = {"secure-boot", "enrolled-keys"}


@dataclass(frozen=True, slots=True)
class Firmware:
    """The firmware's code, and the variables that a new machine has."""

    code: Path
    variables: Path


def find_firmware(config: QemuConfig) -> Firmware:
    """The firmware for this machine.

    Raises:
        BenchError: none is installed.
    """
    secure = config.firmware == "secure"
    for described in _described():
        features = set(described.get("features", ()))
        fits = features >= SECURE if secure else "secure-boot" not in features
        if fits and "uefi" in described["interface-types"] and _runs(described, config):
            mapping = described["mapping"]
            files = [mapping[name]["filename"] for name in ("executable", "nvram-template") if name in mapping]
            if mapping["device"] == "flash" and len(files) == 2:
                return Firmware(*map(Path, files))
    kind = "UEFI with Secure Boot" if secure else "UEFI"
    what = f"no {kind} for the machine {config.machine_model} of {config.arch} is installed"
    raise BenchError(what, blame="infra", help=f"apt-get install {PACKAGES[config.arch]}, or name OVMF_CODE.fd")


def _runs(described: dict[str, Any], config: QemuConfig) -> bool:
    model = "i440fx" if config.machine_model == "pc" else config.machine_model
    names = (config.machine_model, f"{model}-0", f"pc-{model}-0")
    return any(
        target["architecture"] == config.arch and any(fnmatch(name, m) for m in target["machines"] for name in names)
        for target in described["targets"]
    )


def _described() -> Iterator[dict[str, Any]]:
    """All descriptions, in the order of their names; of two with one name the user's own hides the system's."""
    home = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    found: dict[str, Path] = {}
    for folder in (Path("/usr/share/qemu/firmware"), Path("/etc/qemu/firmware"), home / "qemu/firmware"):
        found |= {path.name: path for path in folder.glob("*.json")}
    for name in sorted(found):
        text = found[name].read_text()
        if text.strip():  # an empty file only hides another one
            yield json.loads(text)
