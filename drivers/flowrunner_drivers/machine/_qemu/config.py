"""The config of a QEMU machine."""

from __future__ import annotations

import platform
import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from flowrunner.driver import Config
from flowrunner.model import FilePath, Seconds, Size
from flowrunner_drivers.machine._qemu.cables import HostForward, Nic

Arch = Literal["x86_64", "aarch64", "arm", "riscv64"]
Card = Literal["std", "virtio", "none"]
Document = dict[str, Any] | FilePath
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


VsockPort = Annotated[int, Field(ge=0, lt=2**32)]
SEED_KEYS = {"hostname", "username", "password", "ssh_keys", "user_data", "meta_data", "network_config"}
"""What is there for cloud-init only."""


def host_arch() -> Arch:
    """The architecture of this machine, as QEMU calls it."""
    return "aarch64" if platform.machine() in ("aarch64", "arm64") else "x86_64"


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
    """The machine's model: q35 on x86_64 and virt elsewhere, unless said otherwise."""

    accel: Literal["auto", "tcg", "kvm"] = "auto"
    """The accelerator. auto takes kvm only after a tiny guest has run under it, once per boot of the host."""

    firmware: Literal["bios", "uefi", "secure"] = "bios"
    """What starts the machine: bios is what QEMU brings along; uefi and secure (UEFI with Secure Boot, and the usual
    keys) are what the system has installed. UEFI's variables last as long as the bench is open."""

    default_partitions: dict[str, FilePath] = {}
    """Files by what they are: root, bios, kernel, initrd, OVMF_CODE.fd, OVMF_VARS.fd. They are never written: what the
    guest or a flash writes goes elsewhere, and is gone when the bench closes."""

    kernel: FilePath | None = None
    """A kernel to boot directly, without firmware."""

    initrd: FilePath | None = None
    """The initial RAM disk that goes with the kernel."""

    append: str | None = None
    """The kernel's command line."""

    disk: FilePath | None = None
    """The file that is the machine's disk; it stays. Without it the disk is gone when the bench closes."""

    disk_size: QemuSize | None = None
    """How large the disk is, at least what is on it; without it the disk is as large as what is flashed."""

    disk_format: Format | Literal["auto"] = "auto"
    """The disk's format. auto looks at what was flashed, and takes a disk that the guest could write for raw."""

    snapshots: bool = False
    """Whether the whole machine can be saved and loaded also where its disk cannot keep that by itself: it is put on
    top of what is flashed, or on a file of its own. A root of `default_partitions` needs no such thing."""

    network: bool = True
    """Whether the machine has a network card, behind QEMU's own NAT."""

    hostfwd: dict[str, HostForward] = {}
    """Ports of the host that lead into the guest, by name; each becomes a part of that name."""

    nics: list[Nic] = []
    """More network cards, each with its cable."""

    vsock: dict[str, VsockPort] = {}
    """Ports of the guest that are reached without a network (vsock), by name; each becomes a part of that name."""

    display: Card | None = None
    """The graphics card: std on x86_64 and virtio elsewhere, unless said otherwise; with none there is no `video`."""

    vnc: bool = True
    """Whether there is the part `vnc`, the screen with keyboard and mouse. It listens nowhere: we alone reach it."""

    usb: bool = False
    """Whether there is a USB controller with a keyboard and a tablet: clicks are exact with it."""

    tpm: bool = False
    """Whether there is a TPM 2.0, by swtpm. What it keeps lasts as long as the bench is open."""

    cloud_init: bool | None = None
    """Whether the guest gets a cloud-init disk (NoCloud); the default is yes if one of the next seven is given."""

    hostname: str = "demo"
    """The guest's name, for cloud-init."""

    username: str = "jumpstarter"
    """A user with sudo, for cloud-init."""

    password: str = "password"
    """That user's password, for cloud-init."""

    ssh_keys: list[str] = []
    """Public keys that may log in as that user, as a line of authorized_keys or the path of a file of them."""

    user_data: Document | None = None
    """cloud-init's user-data: a mapping is laid over ours, key by key; a file is taken as it is."""

    meta_data: dict[str, Any] = {}
    """Keys of cloud-init's meta-data, laid over ours."""

    network_config: Document | None = None
    """cloud-init's network-config: a mapping, or a file that is taken as it is."""

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
        given = SEED_KEYS & self.model_fields_set
        return bool(given) if self.cloud_init is None else self.cloud_init

    @property
    def screen(self) -> bool:
        """Whether there is the part `vnc`."""
        return self.vnc and self.card != "none"

    @property
    def machine_model(self) -> str:
        """The machine's model, never empty."""
        return self.machine or ("q35" if self.arch == "x86_64" else "virt")

    @property
    def card(self) -> Card:
        """The graphics card, never empty."""
        return self.display or ("std" if self.arch == "x86_64" else "virtio")
