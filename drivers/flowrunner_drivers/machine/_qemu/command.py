"""QEMU's command line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from flowrunner_drivers.machine._qemu.config import HostForward, QemuConfig
from flowrunner_drivers.machine._qemu.disk import Drive


@dataclass(frozen=True, slots=True)
class Start:
    """What only one start knows: the accelerator, the ends of two sockets, the machine's folder, its files."""

    accel: str
    console: int
    monitor: int
    folder: Path
    files: Mapping[str, Path]
    root: Drive | None
    seed: Path | None


def processor(config: QemuConfig, accel: str) -> str:
    """The processor's model."""
    if config.cpu:
        return config.cpu
    if accel == "kvm":
        return "host"
    return {"x86_64": "qemu64,+ssse3,+sse4.1,+sse4.2,+popcnt", "aarch64": "cortex-a57"}[config.arch]


def arguments(config: QemuConfig, start: Start) -> list[str]:
    """All arguments. The processor stands still at first (`-S`); console and monitor are open sockets."""
    return [
        "-name", "flowrunner", "-nodefaults", "-no-user-config", "-S",
        "-machine", config.machine_model, "-accel", start.accel, "-cpu", processor(config, start.accel),
        "-smp", str(config.smp), "-m", f"{config.mem // 1024}k",
        "-chardev", f"socket,id=monitor,fd={start.monitor}", "-mon", "chardev=monitor,mode=control",
        "-chardev", f"socket,id=console,fd={start.console}", "-serial", "chardev:console",
        *_display(config, start.folder),
        *_firmware(config, start),
        *_disks(start),
        *_network(config),
        *config.args,
    ]  # fmt: skip


def _display(config: QemuConfig, folder: Path) -> Iterator[str]:
    device = {"std": "VGA", "virtio": "virtio-gpu-pci"}.get(config.card)
    if device:
        yield from ("-device", device)
    yield from ("-display", f"vnc=unix:{_value(folder / 'vnc')}" if config.vnc else "none")


def _firmware(config: QemuConfig, start: Start) -> Iterator[str]:
    files = start.files
    if "bios" in files:
        yield from ("-bios", str(files["bios"]))
    if "OVMF_CODE.fd" in files:
        yield from ("-drive", f"if=pflash,format=raw,readonly=on,file={_value(files['OVMF_CODE.fd'])}")
    if "OVMF_VARS.fd" in files:
        yield from ("-drive", f"if=pflash,format=raw,snapshot=on,file={_value(files['OVMF_VARS.fd'])}")
    for option in ("kernel", "initrd"):
        path = files.get(option) or getattr(config, option)
        if path:
            yield from (f"-{option}", str(Path(path).expanduser()))
    if config.append is not None:
        yield from ("-append", config.append)


def _disks(start: Start) -> Iterator[str]:
    if start.root:
        options = f"if=none,id=root,format={start.root.format},discard=unmap,snapshot={start.root.snapshot}"
        yield from ("-drive", f"{options},file.driver=file,file.filename={_value(start.root.path)}")
        yield from ("-device", "virtio-blk-pci,drive=root,bootindex=1")
    if start.seed:
        options = "if=none,id=seed,format=raw,readonly=on,file.driver=vvfat,file.label=CIDATA"
        yield from ("-drive", f"{options},file.dir={_value(start.seed)}", "-device", "virtio-blk-pci,drive=seed")


def _network(config: QemuConfig) -> Iterator[str]:
    if config.network or config.hostfwd:
        forwards = "".join(f",hostfwd={_forward(forward)}" for forward in config.hostfwd.values())
        yield from ("-netdev", f"user,id=network{forwards}")
        yield from ("-device", "virtio-net-pci,netdev=network,romfile=")


def _forward(forward: HostForward) -> str:
    return f"{forward.protocol}:{forward.hostaddr}:{forward.hostport}-:{forward.guestport}"


def _value(path: Path) -> str:
    """A path inside an option: QEMU wants its commas doubled."""
    return str(path).replace(",", ",,")
