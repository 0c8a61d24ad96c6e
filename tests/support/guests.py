"""Pipelines on a small machine under QEMU, whose disk holds one of the tiny programs."""

from __future__ import annotations

from pathlib import Path

from tests.support.bench import Done, execute
from tests.support.machines import boots, echo_disk
from tests.support.vnc import KEYS

SMALL = "accel: tcg, mem: 32MiB, smp: 1, network: false"
UP = "devices: {dut: {selector: board=any}}\nsteps:\n  - flash: IMAGE\n  - power: on\n"


def on_machine(folder: Path, steps: str, *, keys: bool = False, config: str = "snapshots: true") -> Done:
    """Run `steps` behind the start of a machine: of one that shows which keys are pressed, or of an echo."""
    image = folder / "disk.img"
    image.write_bytes(boots(KEYS) if keys else echo_disk())
    export = f"{{board: {{type: machine.qemu, config: {{{SMALL}, {config}}}}}}}"
    return execute(folder, UP.replace("IMAGE", str(image)) + steps, export=export)
