"""The config of a QEMU machine."""

from __future__ import annotations

import platform
import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from flowrunner.driver import Config
from flowrunner.model import FilePath, Model, Seconds, Size

Arch = Literal["x86_64", "aarch64"]
Format = Literal["raw", "qcow2", "vmdk"]


def _binary(value: Any) -> Any:
    """QEMU's way to write sizes, `512M`, means binary units."""
    return f"{value}iB" if isinstance(value, str) and re.fullmatch(r"\d+[KMGT]", value) else value


QemuSize = Annotated[
    Size,
    BeforeValidator(_binary),
    WithJsonSchema({"type": "string", "pattern": r"^\s*\d+(\.\d+)?\s*([KMGT]|([kKMGT]i?)?B)\s*$"}),
]
"""A size as everywhere in flowrunner, or as QEMU writes it."""


def host_arch() -> Arch:
    """The architecture of this machine, as QEMU calls it."""
    return "aarch64" if platform.machine() in ("aarch64", "arm64") else "x86_64"


class HostForward(Model):
    """A port of the host that leads to a port of the guest."""

    protocol: Literal["tcp", "udp"] = "tcp"
    """The protocol."""

    hostaddr: str = "127.0.0.1"
    """The address on the host."""

    hostport: int = Field(default=0, ge=0, le=65535)
    """The port on the host; 0 takes a free one at each start."""

    guestport: int = Field(ge=1, le=65535)
    """The port in the guest."""


class QemuConfig(Config):
    """How the machine is built."""

    arch: Arch = Field(default_factory=host_arch)
    """The processor's architecture; the default is that of the host."""

    cpu: str | None = None
    """The processor's model; the default suits the architecture and the accelerator."""

    smp: int = Field(default=2, ge=1)
    """How many processors."""

    mem: QemuSize = Size(512 << 20)
    """How much memory."""

    machine: str | None = None
    """The machine's model: q35 on x86_64 and virt on aarch64, unless said otherwise."""

    accel: Literal["auto", "tcg", "kvm"] = "auto"
    """The accelerator. auto takes kvm only after a tiny guest has run under it, once per boot of the host."""

    default_partitions: dict[str, FilePath] = {}
    """Files by what they are: root, bios, OVMF_CODE.fd, OVMF_VARS.fd. Flashing never changes them; what the guest
    writes to such a root is lost when the power goes off."""

    kernel: FilePath | None = None
    """A kernel to boot directly, without firmware."""

    initrd: FilePath | None = None
    """The initial RAM disk that goes with the kernel."""

    append: str | None = None
    """The kernel's command line."""

    disk: FilePath | None = None
    """The file that is the machine's disk; it stays. Without it the disk is gone when the bench closes."""

    disk_size: QemuSize | None = None
    """How large the disk is; without it the disk is as large as what is flashed."""

    disk_format: Format | Literal["auto"] = "auto"
    """The disk's format. auto looks at what was flashed, and takes a disk that the guest could write for raw."""

    network: bool = True
    """Whether the machine has a network card, behind QEMU's own NAT."""

    hostfwd: dict[str, HostForward] = {}
    """Ports of the host that lead into the guest, by name; each becomes a part of that name."""

    display: Literal["std", "virtio", "none"] | None = None
    """The graphics card: std on x86_64 and virtio on aarch64, unless said otherwise; with none there is no `video`."""

    vnc: bool = False
    """Whether the screen is served by VNC, as the part `vnc`."""

    cloud_init: bool | None = None
    """Whether the guest gets a cloud-init disk (NoCloud); the default is yes if one of the next three is given."""

    hostname: str = "demo"
    """The guest's name, for cloud-init."""

    username: str = "jumpstarter"
    """A user with sudo, for cloud-init."""

    password: str = "password"
    """That user's password, for cloud-init."""

    args: list[str] = []
    """More arguments for QEMU, as they are."""

    start_timeout: Seconds = 10.0
    """Seconds within which QEMU must answer after its start."""

    stop_timeout: Seconds = 5.0
    """Seconds that QEMU gets to quit, and again to obey SIGTERM, before it is killed."""

    flash_timeout: Seconds = 1800.0
    """Seconds that an image may take to be written."""

    fls_version: str | None = None
    """Taken for files of Jumpstarter, without effect: it flashes by a program of that name, we do it ourselves."""

    fls_allow_custom_binaries: bool = False
    """Taken for files of Jumpstarter, without effect."""

    fls_custom_binary_url: str | None = None
    """Taken for files of Jumpstarter, without effect."""

    @property
    def seeded(self) -> bool:
        """Whether there is a cloud-init disk."""
        given = {"hostname", "username", "password"} & self.model_fields_set
        return bool(given) if self.cloud_init is None else self.cloud_init

    @property
    def machine_model(self) -> str:
        """The machine's model, never empty."""
        return self.machine or {"x86_64": "q35", "aarch64": "virt"}[self.arch]

    @property
    def card(self) -> Literal["std", "virtio", "none"]:
        """The graphics card, never empty."""
        return self.display or ("std" if self.arch == "x86_64" else "virtio")
