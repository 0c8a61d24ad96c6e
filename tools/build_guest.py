"""Build the demo's guest: a disk image with a boot loader, Debian's cloud kernel and a busybox system.

Everything comes from Debian packages, which are downloaded and unpacked, not installed. The result is kept in
`$XDG_CACHE_HOME/flowrunner/guest-<hash of this recipe>` and linked as `.cache/guest` in the checkout:

    root.img        the disk: MBR, a FAT partition that boots, an ext4 partition with the system; sparse
    root.img.zst    the same, compressed
    root.img.bmap   its block map, as bmaptool understands it
    vmlinuz         the kernel alone, which UEFI can start, too
    cloud.gz        an initial RAM disk that is a whole machine: it looks for a cloud-init disk, and serves a page
"""

from __future__ import annotations

import argparse
import gzip
import os
import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from backports import zstd

from tools.debian import (
    ENVIRONMENT,
    EPOCH,
    CannotBuildError,
    busybox,
    kernel_package,
    made,
    modules,
    run,
    search_path,
    unpacked,
)  # fmt: skip
from tools.guest import archive, bmap, disk

FILES = Path(__file__).resolve().parent / "guest"
KERNEL = "linux-image-cloud-amd64"
PACKAGES = ("busybox-static", "syslinux", "mtools")
MODULES = ("virtio_ring", "virtio", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci", "virtio_blk")
CLOUD_MODULES = (*MODULES, "failover", "net_failover", "virtio_net", "cdrom", "isofs", "efivarfs", "evdev", "button")
PASSWORD = "flowrunner"
SHADOW = "$6$flowrunner$8fLjURgcrUZlkmdCdDGWk8Er4TZL7YI8X9ClTd7Q7vf9lZTIplUfts3n7S59VYYoGRq1CRm7GlIA4MtqDaNap."
"""`PASSWORD` as /etc/shadow wants it; the demo's password is no secret."""

VERSION = "flowrunner-demo 1.0"


def main() -> int:
    """Build what is not there yet; print the folder."""
    parser = argparse.ArgumentParser(description="Build the guest image of the demo, once")
    parser.add_argument("--force", action="store_true", help="build it again")
    return made("guest", Path(__file__).resolve(), fill, again=parser.parse_args().force)


def fill(out: Path, work: Path) -> None:
    """Make all of it in `out`."""
    packages = unpacked(download(work / "debs"), work / "packages")
    image = assemble(packages, work, out / "root.img")
    (out / "root.img.bmap").write_text(bmap.describe(image))
    shutil.copy(next(packages.glob("boot/vmlinuz-*")), out / "vmlinuz")
    (out / "cloud.gz").write_bytes(gzip.compress(archive.newc(cloud(packages), EPOCH), mtime=EPOCH))
    with image.open("rb") as source, zstd.open(out / "root.img.zst", "wb", level=9) as target:
        shutil.copyfileobj(source, target, 1 << 20)


def download(folder: Path) -> list[Path]:
    """Download the packages; the kernel's real name changes with each security update."""
    folder.mkdir()
    try:
        kernel = kernel_package(KERNEL)
        run("apt-get", "download", "-q", kernel, *PACKAGES, cwd=folder)
    except CannotBuildError:
        if os.geteuid() != 0:
            raise CannotBuildError(
                "apt-get could not download packages: run 'sudo apt-get update' and start again"
            ) from None
        print("reading the lists of packages", file=sys.stderr)
        run("apt-get", "update", "-q")
        run("apt-get", "download", "-q", kernel_package(KERNEL), *PACKAGES, cwd=folder)
    return sorted(folder.glob("*.deb"))


def assemble(packages: Path, work: Path, image: Path) -> Path:
    """The disk image from the unpacked packages."""
    kernel = next(packages.glob("boot/vmlinuz-*"))
    shell = busybox(packages)
    initrd = work / "initrd.gz"
    initrd.write_bytes(gzip.compress(archive.newc(ramdisk(packages, shell), EPOCH), mtime=EPOCH))
    root = root_tree(shell, work / "root")
    tools = {**ENVIRONMENT, "PATH": f"{packages / 'usr/bin'}:{search_path()}"}
    boot = {"vmlinuz": kernel, "initrd.gz": initrd, "syslinux.cfg": FILES / "syslinux.cfg"}
    disk.make(image, boot=boot, root=root, mbr=packages / "usr/lib/SYSLINUX/mbr.bin", environment=tools, epoch=EPOCH)
    return image


def ramdisk(packages: Path, shell: Path) -> Mapping[str, archive.Entry]:
    """The initial RAM disk: busybox, the modules that the disk needs, and the script that goes on from there."""
    applets = ("sh", "mount", "insmod", "usleep", "cat", "switch_root")
    return {
        "init": archive.file((FILES / "init").read_bytes(), 0o755),
        **{name: archive.folder() for name in ("bin", "dev", "proc", "root", "modules")},
        "dev/console": archive.console(),
        "bin/busybox": archive.file(shell.read_bytes(), 0o755),
        **{f"bin/{name}": archive.link("busybox") for name in applets},
        **modules(packages, MODULES),
    }


def cloud(packages: Path) -> Mapping[str, archive.Entry]:
    """A machine in memory: busybox under all its names, the modules of what it looks at, and what it does."""
    shell = busybox(packages)
    names = [name for name in run(str(shell), "--list").split() if name != "busybox"]
    power_button = b"#!/bin/sh\npoweroff -f\n"
    return {
        "init": archive.file((FILES / "cloud").read_bytes(), 0o755),
        **{name: archive.folder() for name in ("bin", "dev", "proc", "sys", "seed", "www", "modules", "etc")},
        **{name: archive.folder() for name in ("etc/acpi", "etc/acpi/PWRF")},
        "etc/acpi/PWRF/00000080": archive.file(power_button, 0o755),
        "dev/console": archive.console(),
        "bin/busybox": archive.file(shell.read_bytes(), 0o755),
        **{f"bin/{name}": archive.link("busybox") for name in names},
        **modules(packages, CLOUD_MODULES),
    }


def root_tree(shell: Path, root: Path) -> Path:
    """The system on the disk: busybox under all its names, and a few files."""
    for folder in ("bin", "dev", "etc/init.d", "proc", "root", "sys", "tmp", "var"):
        (root / folder).mkdir(parents=True)
    (root / "sbin").symlink_to("bin")
    shutil.copy(shell, root / "bin/busybox")
    (root / "bin/busybox").chmod(0o755)
    for name in run(str(shell), "--list").split():
        if name != "busybox":
            (root / "bin" / name).symlink_to("busybox")
    for name, place, mode in (("inittab", "etc", 0o644), ("profile", "etc", 0o644), ("rcS", "etc/init.d", 0o755)):
        shutil.copy(FILES / name, root / place / name)
        (root / place / name).chmod(mode)
    texts = {
        "passwd": "root:x:0:0:root:/root:/bin/sh\n",
        "group": "root:x:0:\n",
        "shadow": f"root:{SHADOW}:19000:0:99999:7:::\n",
        "issue": "\n",
        "securetty": "ttyS0\n",
        "version": f"{VERSION}\n",
        "screen": screen(),
    }
    for name, text in texts.items():
        (root / "etc" / name).write_text(text)
    (root / "etc/shadow").chmod(0o600)
    for path in (root, *root.rglob("*")):
        os.utime(path, (EPOCH, EPOCH), follow_symlinks=False)
    return root


def screen() -> str:
    """What the monitor shows when the system is up: large shapes, no cursor, nothing that changes.

    Each # of `screen.txt` becomes a white cell; colours are those of the console, console_codes(4).
    """
    art = (FILES / "screen.txt").read_text().splitlines()
    rows = ["\033[2J\033[H\033[?25l"]
    for row in range(25):
        colour = "\033[0;1;37;44m" if row < 15 else "\033[0;30;46m"
        rows.append(f"\033[{row + 1};1H{cells(art[row] if row < len(art) else '', colour)}")
    return "".join(rows)


def cells(text: str, colour: str) -> str:
    """One row of the screen."""
    blocks = re.sub("#+", lambda found: f"\033[47m{' ' * len(found[0])}{colour}", f"{text:<80.80}")
    return colour + blocks


if __name__ == "__main__":
    sys.exit(main())
