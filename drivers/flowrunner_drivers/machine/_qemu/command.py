"""QEMU's command line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from flowrunner.model import Size
from flowrunner_drivers.machine._qemu.config import QemuConfig
from flowrunner_drivers.machine._qemu.disk import CODE, VARIABLES, Drive
from flowrunner_drivers.machine._qemu.escape import value
from flowrunner_drivers.machine._qemu.wiring import user_network

CPUS = {
    "x86_64": "qemu64,+ssse3,+sse4.1,+sse4.2,+popcnt", "aarch64": "cortex-a57", "arm": "cortex-a15", "riscv64": "rv64",
}  # fmt: skip
DISK, STATE = "disk", "state"
"""QEMU's names of the disk's content, and of the file that keeps the states of a machine without a disk."""


@dataclass(frozen=True, slots=True)
class Start:
    """What only one start knows: the accelerator, how much memory, the ends of two sockets, files, what is plugged."""

    accel: str
    mem: Size
    console: int
    monitor: int
    files: Mapping[str, Path]
    root: Drive | None
    state: Path | None = None
    seed: Path | None = None
    cid: int | None = None
    plugged: Sequence[str] = ()


def processor(config: QemuConfig, accel: str) -> str:
    """The processor's model."""
    return config.cpu or ("host" if accel == "kvm" else CPUS[config.arch])


def arguments(config: QemuConfig, start: Start) -> list[str]:
    """All arguments. The processor stands still at first (`-S`); console and monitor are open sockets."""
    secure = config.firmware == "secure" and config.arch == "x86_64"
    return [
        "-name", "flowrunner", "-nodefaults", "-no-user-config", "-S",
        "-machine", config.machine_model + (",smm=on" if secure else ""),
        "-accel", start.accel, "-cpu", processor(config, start.accel),
        "-smp", str(config.smp), "-m", f"{start.mem // 1024}k",
        "-chardev", f"socket,id=monitor,fd={start.monitor}", "-mon", "chardev=monitor,mode=control",
        "-chardev", f"socket,id=console,fd={start.console}", "-serial", "chardev:console",
        *(("-global", "driver=cfi.pflash01,property=secure,value=on") if secure else ()),
        *_display(config),
        *_firmware(config, start.files),
        *_disks(start),
        *(user_network(config.hostfwd) if config.network or config.hostfwd else ()),
        *(("-device", f"vhost-vsock-pci,guest-cid={start.cid}") if start.cid else ()),
        *start.plugged,
        *config.args,
    ]  # fmt: skip


def _display(config: QemuConfig) -> Iterator[str]:
    device = {"std": "VGA", "virtio": "virtio-gpu-pci"}.get(config.card)
    if device:
        yield from ("-device", device)
    if config.usb:
        yield from ("-device", "qemu-xhci,id=usb", "-device", "usb-tablet", "-device", "usb-kbd")
    yield from ("-display", "vnc=none" if config.screen else "none")


def _firmware(config: QemuConfig, files: Mapping[str, Path]) -> Iterator[str]:
    if "bios" in files:
        yield from ("-bios", str(files["bios"]))
    if CODE in files:
        yield from ("-drive", f"if=pflash,unit=0,format=raw,readonly=on,file={value(files[CODE])}")
    if VARIABLES in files:
        yield from ("-drive", f"if=pflash,unit=1,format=raw,file={value(files[VARIABLES])}")
    for option in ("kernel", "initrd"):
        path = files.get(option) or getattr(config, option)
        if path:
            yield from (f"-{option}", str(Path(path).expanduser()))
    if config.append is not None:
        yield from ("-append", config.append)


def _disks(start: Start) -> Iterator[str]:
    if start.root:
        options = f"if=none,id=root,node-name={DISK},format={start.root.format},discard=unmap"
        yield from ("-drive", f"{options},file.driver=file,file.filename={value(start.root.path)}")
        yield from ("-device", "virtio-blk-pci,drive=root,bootindex=1")
    if start.seed:
        options = "if=none,id=seed,format=raw,readonly=on,file.driver=file"
        yield from ("-drive", f"{options},file.filename={value(start.seed)}", "-device", "virtio-blk-pci,drive=seed")
    if start.state:
        yield from ("-blockdev", f"qcow2,node-name={STATE},file.driver=file,file.filename={value(start.state)}")
