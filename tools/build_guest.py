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
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from backports import zstd

from tools.guest import archive, bmap, disk

HERE = Path(__file__).resolve().parent
FILES = HERE / "guest"
KERNEL = "linux-image-cloud-amd64"
PACKAGES = ("busybox-static", "syslinux", "mtools")
MODULES = ("virtio_ring", "virtio", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci", "virtio_blk")
CLOUD_MODULES = (*MODULES, "failover", "net_failover", "virtio_net", "cdrom", "isofs", "efivarfs", "evdev", "button")
EPOCH = 1_700_000_000
"""Time stamp of everything in the image, so that the same packages give the same image."""

PASSWORD = "flowrunner"
SHADOW = "$6$flowrunner$8fLjURgcrUZlkmdCdDGWk8Er4TZL7YI8X9ClTd7Q7vf9lZTIplUfts3n7S59VYYoGRq1CRm7GlIA4MtqDaNap."
"""`PASSWORD` as /etc/shadow wants it; the demo's password is no secret."""

VERSION = "flowrunner-demo 1.0"
ENVIRONMENT = {**os.environ, "LC_ALL": "C", "SOURCE_DATE_EPOCH": str(EPOCH), "E2FSPROGS_FAKE_TIME": str(EPOCH)}


class CannotBuildError(Exception):
    """Something is missing on this machine; the text says what to do."""


def main() -> int:
    """Build what is not there yet; print the folder."""
    parser = argparse.ArgumentParser(description="Build the guest image of the demo, once")
    parser.add_argument("--force", action="store_true", help="build it again")
    arguments = parser.parse_args()
    folder = cache_folder()
    if arguments.force:
        shutil.rmtree(folder, ignore_errors=True)
    try:
        if not folder.is_dir():
            build(folder)
        link(folder, HERE.parent / ".cache" / "guest")
    except CannotBuildError as error:
        print(f"build_guest: {error}", file=sys.stderr)
        return 2
    print(folder)
    return 0


def cache_folder() -> Path:
    """Where this recipe's guest is kept."""
    sources = sorted([Path(__file__), *(path for path in FILES.iterdir() if path.is_file())])
    recipe = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:12]
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "flowrunner" / f"guest-{recipe}"


def build(folder: Path) -> None:
    """Make everything beside `folder`, and move it there when it is complete."""
    print("building the demo's guest from Debian packages, once", file=sys.stderr)
    check_machine()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="guest-", dir=folder.parent) as scratch:
        work, out = Path(scratch), Path(scratch) / "out"
        out.mkdir()
        packages = unpack(download(work / "debs"), work / "packages")
        image = assemble(packages, work, out / "root.img")
        (out / "root.img.bmap").write_text(bmap.describe(image))
        shutil.copy(next(packages.glob("boot/vmlinuz-*")), out / "vmlinuz")
        (out / "cloud.gz").write_bytes(gzip.compress(archive.newc(cloud(packages), EPOCH), mtime=EPOCH))
        with image.open("rb") as source, zstd.open(out / "root.img.zst", "wb", level=9) as target:
            shutil.copyfileobj(source, target, 1 << 20)
        out.rename(folder)


def link(folder: Path, place: Path) -> None:
    """Make `place` a link to `folder`."""
    place.parent.mkdir(exist_ok=True)
    fresh = place.with_name(f"{place.name}.{os.getpid()}")
    fresh.symlink_to(folder)
    fresh.replace(place)


def check_machine() -> None:
    """Say all that is missing at once."""
    if os.uname().machine != "x86_64" or not shutil.which("apt-get"):
        raise CannotBuildError(
            "the guest is built from Debian packages for amd64: this needs Debian or Ubuntu on x86_64"
        )
    wanted = {"dpkg-deb": "dpkg", "mke2fs": "e2fsprogs"}
    missing = [package for program, package in wanted.items() if not shutil.which(program, path=search_path())]
    if missing:
        install(missing)


def install(packages: Sequence[str]) -> None:
    """Install Debian packages as root; otherwise say which."""
    if os.geteuid() != 0:
        raise CannotBuildError(
            f"install what is missing: sudo apt-get install --no-install-recommends {' '.join(packages)}"
        )
    print(f"installing {' '.join(packages)}", file=sys.stderr)
    run("apt-get", "install", "-y", "-q", "--no-install-recommends", *packages, DEBIAN_FRONTEND="noninteractive")


def download(folder: Path) -> list[Path]:
    """Download the packages; the kernel's real name changes with each security update."""
    folder.mkdir()
    try:
        kernel = kernel_package()
        run("apt-get", "download", "-q", kernel, *PACKAGES, cwd=folder)
    except CannotBuildError:
        if os.geteuid() != 0:
            raise CannotBuildError(
                "apt-get could not download packages: run 'sudo apt-get update' and start again"
            ) from None
        print("reading the lists of packages", file=sys.stderr)
        run("apt-get", "update", "-q")
        run("apt-get", "download", "-q", kernel_package(), *PACKAGES, cwd=folder)
    return sorted(folder.glob("*.deb"))


def kernel_package() -> str:
    """The package that the kernel's meta package depends on now."""
    for line in run("apt-cache", "depends", KERNEL).splitlines():
        if line.strip().startswith("Depends: linux-image-"):
            return line.split()[-1]
    raise CannotBuildError(f"apt knows no {KERNEL}: run 'sudo apt-get update'")


def unpack(debs: Sequence[Path], folder: Path) -> Path:
    """Unpack the packages into one tree."""
    for deb in debs:
        run("dpkg-deb", "-x", str(deb), str(folder))
    return folder


def assemble(packages: Path, work: Path, image: Path) -> Path:
    """The disk image from the unpacked packages."""
    kernel = next(packages.glob("boot/vmlinuz-*"))
    busybox = next(path for path in packages.glob("**/bin/busybox") if path.is_file())
    initrd = work / "initrd.gz"
    initrd.write_bytes(gzip.compress(archive.newc(ramdisk(packages, busybox), EPOCH), mtime=EPOCH))
    root = root_tree(busybox, work / "root")
    tools = {**ENVIRONMENT, "PATH": f"{packages / 'usr/bin'}:{search_path()}"}
    boot = {"vmlinuz": kernel, "initrd.gz": initrd, "syslinux.cfg": FILES / "syslinux.cfg"}
    disk.make(image, boot=boot, root=root, mbr=packages / "usr/lib/SYSLINUX/mbr.bin", environment=tools, epoch=EPOCH)
    return image


def ramdisk(packages: Path, busybox: Path) -> Mapping[str, archive.Entry]:
    """The initial RAM disk: busybox, the modules that the disk needs, and the script that goes on from there."""
    applets = ("sh", "mount", "insmod", "usleep", "cat", "switch_root")
    return {
        "init": archive.file((FILES / "init").read_bytes(), 0o755),
        **{name: archive.folder() for name in ("bin", "dev", "proc", "root", "modules")},
        "dev/console": archive.console(),
        "bin/busybox": archive.file(busybox.read_bytes(), 0o755),
        **{f"bin/{name}": archive.link("busybox") for name in applets},
        **modules(packages, MODULES),
    }


def cloud(packages: Path) -> Mapping[str, archive.Entry]:
    """A machine in memory: busybox under all its names, the modules of what it looks at, and what it does."""
    busybox = next(path for path in packages.glob("**/bin/busybox") if path.is_file())
    names = [name for name in run(str(busybox), "--list").split() if name != "busybox"]
    power_button = b"#!/bin/sh\npoweroff -f\n"
    return {
        "init": archive.file((FILES / "cloud").read_bytes(), 0o755),
        **{name: archive.folder() for name in ("bin", "dev", "proc", "sys", "seed", "www", "modules", "etc")},
        **{name: archive.folder() for name in ("etc/acpi", "etc/acpi/PWRF")},
        "etc/acpi/PWRF/00000080": archive.file(power_button, 0o755),
        "dev/console": archive.console(),
        "bin/busybox": archive.file(busybox.read_bytes(), 0o755),
        **{f"bin/{name}": archive.link("busybox") for name in names},
        **modules(packages, CLOUD_MODULES),
    }


def modules(packages: Path, names: Sequence[str]) -> Mapping[str, archive.Entry]:
    """The kernel's modules of these names, as far as it has them, and the order in which they are loaded."""
    found = {path.stem: path for path in packages.glob("lib/modules/*/kernel/**/*.ko")}
    wanted = [found[name] for name in names if name in found]
    return {
        **{f"modules/{path.name}": archive.file(path.read_bytes()) for path in wanted},
        "modules/order": archive.file("".join(f"{path.name}\n" for path in wanted).encode()),
    }


def root_tree(busybox: Path, root: Path) -> Path:
    """The system on the disk: busybox under all its names, and a few files."""
    for folder in ("bin", "dev", "etc/init.d", "proc", "root", "sys", "tmp", "var"):
        (root / folder).mkdir(parents=True)
    (root / "sbin").symlink_to("bin")
    shutil.copy(busybox, root / "bin/busybox")
    (root / "bin/busybox").chmod(0o755)
    for name in run(str(busybox), "--list").split():
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


def search_path() -> str:
    """The programs' folders, with those that only root has in the path."""
    return f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


def run(*command: str, cwd: Path | None = None, **environment: str) -> str:
    """Run a command; its output, or what it said when it went wrong."""
    done = subprocess.run(
        command, cwd=cwd, env={**ENVIRONMENT, **environment}, capture_output=True, text=True, errors="replace"
    )
    if done.returncode:
        raise CannotBuildError(f"{' '.join(command[:2])} ended with {done.returncode}: {done.stderr.strip()[-500:]}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
