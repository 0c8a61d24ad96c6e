"""Build what a board needs that boots over the network: for amd64 and arm64 a kernel, an initial RAM disk, an image.

Everything comes from Debian packages, which are downloaded and unpacked, not installed; those for arm64 through lists
of packages of their own, so that nothing of this machine is changed. The result is kept in
`$XDG_CACHE_HOME/flowrunner/netboot-<hash of this recipe>` and linked as `.cache/netboot` in the checkout:

    amd64/kernel, amd64/initrd.gz    the system that flashes: busybox, a login on the console (root, no password)
    amd64/manifest.yaml              which makes a bundle of these
    amd64/board.img                  what is flashed: a disk that U-Boot boots by its `bootcmd`
    arm64/...                        the same
"""

from __future__ import annotations

import gzip
import re
import shutil
import struct
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tools.debian import EPOCH, busybox, kernel_package, made, modules, run, unpacked
from tools.guest import archive
from tools.netboot.scripts import boot_script

HERE = Path(__file__).resolve()
FILES = HERE.parent / "netboot"
MIB = 1 << 20
MODULES = (
    "virtio_ring", "virtio", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci", "virtio_blk",
    "failover", "net_failover", "virtio_net",
)  # fmt: skip

LOAD = """\
load ${devtype} ${devnum}:${distro_bootpart} ${kernel_addr} /kernel
setenv kernel_size ${filesize}
load ${devtype} ${devnum}:${distro_bootpart} ${initram_addr} /initrd.gz
setenv initram_size ${filesize}
"""

MANIFEST = """\
# A bundle for QEMU's board: 'flow bundle check' looks at it, docs/bundles.md tells what all of it means.
apiVersion: jumpstarter.dev/v1alpha1
kind: FlashBundleManifest
metadata: {name: qemu-ARCH}
spec:
  manufacturer: QEMU
  kernel: {file: kernel, address: KERNEL}
  initram: {file: initrd.gz, address: INITRAM}
  bootloader_commands: ["virtio scan", "SETUP"]
  bootcmd: BOOT
  login: {username: root}
  targets: {disk: /dev/vda}
"""


@dataclass(frozen=True)
class Target:
    """One architecture: the console of QEMU's board, and how its U-Boot starts a kernel."""

    arch: str
    console: str
    kernel: str
    initram: str
    boot: str
    packed: bool = False
    """Whether the kernel is packed with gzip, which `booti` understands when it is told where to unpack it."""

    @property
    def setup(self) -> str:
        """What U-Boot must know."""
        room = "setenv kernel_comp_addr_r 0x50000000; setenv kernel_comp_size 0x2000000; " if self.packed else ""
        return f"{room}setenv bootargs console={self.console} quiet panic=-1"

    @property
    def script(self) -> str:
        """How the flashed disk boots."""
        before = f"setenv kernel_addr {self.kernel}\nsetenv initram_addr {self.initram}\n"
        return f"{before}{LOAD}{self.setup}\n{self.boot}\n"

    @property
    def manifest(self) -> str:
        """How the bundle boots."""
        words = {
            "ARCH": self.arch, "KERNEL": self.kernel, "INITRAM": self.initram, "SETUP": self.setup,
            "BOOT": self.boot,
        }  # fmt: skip
        return re.sub("|".join(words), lambda found: words[found[0]], MANIFEST)


TARGETS = (
    Target(
        "amd64", "ttyS0", "0x1000000", "0x10000000",
        "zboot ${kernel_addr} ${kernel_size} ${initram_addr} ${initram_size}",
    ),
    Target(
        "arm64", "ttyAMA0", "0x40400000", "0x44000000",
        "booti ${kernel_addr} ${initram_addr}:${initram_size} ${fdtcontroladdr}", packed=True,
    ),
)  # fmt: skip


def fill(out: Path, work: Path) -> None:
    """Make all of it in `out`."""
    for target in TARGETS:
        (out / target.arch).mkdir()
        assemble(target, fetched(target.arch, work / target.arch), out / target.arch, work)


def fetched(arch: str, work: Path) -> Path:
    """The unpacked kernel and busybox of an architecture."""
    for name in ("lists/partial", "cache/archives/partial", "debs"):
        (work / name).mkdir(parents=True)
    config = work / "apt.conf"
    config.write_text(
        f'Dir::State "{work}";\nDir::State::lists "{work}/lists";\nDir::State::status "/dev/null";\n'
        f'Dir::Cache "{work}/cache";\nAPT::Architecture "{arch}";\nAPT::Architectures {{ "{arch}"; }};\n'
        'APT::Sandbox::User "root";\n'
    )
    apt = str(config)
    run("apt-get", "update", "-q", APT_CONFIG=apt)
    kernel = kernel_package(f"linux-image-cloud-{arch}", apt)
    run("apt-get", "download", "-q", kernel, "busybox-static", cwd=work / "debs", APT_CONFIG=apt)
    return unpacked(sorted((work / "debs").glob("*.deb")), work / "packages")


def assemble(target: Target, packages: Path, out: Path, work: Path) -> None:
    """The three files of an architecture."""
    (out / "manifest.yaml").write_text(target.manifest)
    kernel = next(packages.glob("boot/vmlinuz-*")).read_bytes()
    (out / "kernel").write_bytes(gzip.compress(kernel, mtime=EPOCH) if target.packed else kernel)
    (out / "initrd.gz").write_bytes(packed(system(packages, "flasher")))
    root = work / f"{target.arch}-root"
    root.mkdir()
    shutil.copy(out / "kernel", root / "kernel")
    (root / "initrd.gz").write_bytes(packed(system(packages, "board")))
    (root / "boot.scr").write_bytes(boot_script(target.script, EPOCH))
    disk(root, out / "board.img")


def packed(entries: Mapping[str, archive.Entry]) -> bytes:
    """The RAM disk's file."""
    return gzip.compress(archive.newc(entries, EPOCH), mtime=EPOCH)


def system(packages: Path, name: str) -> Mapping[str, archive.Entry]:
    """A system that lives in RAM; `name` is its host's name, and its version."""
    texts = {
        "passwd": "root::0:0:root:/root:/bin/sh\n", "group": "root:x:0:\n", "issue": "\n", "version": f"{name}\n",
        "profile": "dmesg -n 1\n",
    }  # fmt: skip
    folders = ("bin", "dev", "etc", "etc/udhcpc", "modules", "proc", "root", "sys", "tmp")
    return {
        "init": archive.file((FILES / "init").read_bytes(), 0o755),
        **{folder: archive.folder() for folder in folders},
        "dev/console": archive.console(),
        "sbin": archive.link("bin"),
        "bin/busybox": archive.file(busybox(packages).read_bytes(), 0o755),
        "bin/sh": archive.link("busybox"),
        "etc/udhcpc/default.script": archive.file((FILES / "udhcpc").read_bytes(), 0o755),
        **{f"etc/{file}": archive.file(text.encode()) for file, text in texts.items()},
        **modules(packages, MODULES),
    }


def disk(root: Path, image: Path) -> None:
    """A disk with one partition, ext4, that holds `root`."""
    size = sum(path.stat().st_size for path in root.iterdir()) // MIB + 4
    entry = struct.pack("<B3sB3sII", 0x80, b"\xfe\xff\xff", 0x83, b"\xfe\xff\xff", MIB // 512, size * MIB // 512)
    with image.open("wb") as file:
        file.truncate((size + 1) * MIB)
        file.seek(446)
        file.write(entry.ljust(64, b"\0") + b"\x55\xaa")
    features = "^has_journal,^metadata_csum,^64bit"
    run(
        "mke2fs", "-q", "-F", "-t", "ext4", "-O", features, "-m", "0", "-E", f"offset={MIB}", "-d", str(root),
        str(image), f"{size * 1024}k",
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(made("netboot", HERE, fill))
