"""Which accelerator to use: kvm only where a guest has been seen to run under it.

That /dev/kvm can be opened says little: inside some clouds it is there, and guests do not run, or crawl.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

import anyio

from flowrunner_drivers.machine._qemu.command import processor
from flowrunner_drivers.machine._qemu.config import QemuConfig, host_arch
from flowrunner_drivers.machine._qemu.proof import SIGN, write_guest

LIMIT = 2.0
"""Seconds in which the guest must print: TCG needs 0.1 s, and a KVM that is slower than that is of no use."""

NODE = Path("/dev/kvm")
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


async def choose(config: QemuConfig, qemu: str) -> str:
    """The accelerator for a machine; for `auto` the proof is run once per boot of the host."""
    if config.accel != "auto":
        return config.accel
    if config.arch != host_arch() or not os.access(NODE, os.R_OK | os.W_OK):
        return "tcg"
    notes = _notes()
    facts = (qemu, config.machine_model, processor(config, "kvm"))
    key = hashlib.sha256("\0".join(facts).encode()).hexdigest()[:16]
    if key not in notes:
        notes[key] = await runs(config, qemu, "kvm")
        _note(notes)
    return "kvm" if notes[key] else "tcg"


async def runs(config: QemuConfig, qemu: str, accel: str) -> bool:
    """Whether a tiny guest prints its byte in time."""
    with tempfile.TemporaryDirectory(prefix="flow-proof-") as folder:
        command = [
            qemu, "-nodefaults", "-no-user-config", "-display", "none", "-m", "64", "-serial", "stdio",
            "-machine", config.machine_model, "-accel", accel, "-cpu", processor(config, accel),
            *write_guest(config.arch, Path(folder) / "guest"),
        ]  # fmt: skip
        process = await anyio.open_process(command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
        try:
            assert process.stdout is not None
            with anyio.move_on_after(LIMIT):
                return await process.stdout.receive(1) == SIGN
        except anyio.EndOfStream:
            return False
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            with anyio.CancelScope(shield=True):
                await process.aclose()
    return False


def _place() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "flowrunner" / "kvm.json"


def _notes() -> dict[str, bool]:
    """What was proved since the host booted."""
    with suppress(OSError, ValueError):
        notes = json.loads(_place().read_text())
        if notes.pop("boot", None) == BOOT_ID.read_text().strip():
            return dict(notes)
    return {}


def _note(notes: dict[str, bool]) -> None:
    with suppress(OSError):
        place = _place()
        place.parent.mkdir(parents=True, exist_ok=True)
        fresh = place.with_suffix(f".{os.getpid()}")
        fresh.write_text(json.dumps({"boot": BOOT_ID.read_text().strip(), **notes}))
        fresh.replace(place)
