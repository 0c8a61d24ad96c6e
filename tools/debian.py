"""Things built once from Debian packages: downloaded and unpacked, not installed, kept by a hash of their recipe."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tools.guest import archive

EPOCH = 1_700_000_000
"""Time stamp of everything that is built; in ext4, mke2fs 1.47.0 still copies the change times of inodes."""

ENVIRONMENT = {**os.environ, "LC_ALL": "C", "SOURCE_DATE_EPOCH": str(EPOCH), "E2FSPROGS_FAKE_TIME": str(EPOCH)}


class CannotBuildError(Exception):
    """Something is missing on this machine; the text says what to do."""


def made(name: str, recipe: Path, fill: Callable[[Path, Path], None], *, again: bool = False) -> int:
    """Build `.cache/NAME` unless it is there, and print its real folder; returns the exit status.

    `fill(out, work)` puts all of it into `out`; `work` is a folder for its own use. `recipe` is the program, with its
    files in the folder `name` beside it: when one of them changes, it is built again.
    """
    folder = _cache(name, recipe)
    if again:
        shutil.rmtree(folder, ignore_errors=True)
    try:
        if not folder.is_dir():
            print(f"building {name} from Debian packages, once", file=sys.stderr)
            _check_machine()
            folder.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=f"{name}-", dir=folder.parent) as scratch:
                out = Path(scratch) / "out"
                out.mkdir()
                fill(out, Path(scratch))
                out.rename(folder)
        _link(folder, recipe.parent.parent / ".cache" / name)
    except CannotBuildError as error:
        print(f"build_{name}: {error}", file=sys.stderr)
        return 2
    print(folder)
    return 0


def _cache(name: str, recipe: Path) -> Path:
    sources = sorted([recipe, *(path for path in (recipe.parent / name).iterdir() if path.is_file())])
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:12]
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "flowrunner" / f"{name}-{digest}"


def _link(folder: Path, place: Path) -> None:
    place.parent.mkdir(exist_ok=True)
    fresh = place.with_name(f"{place.name}.{os.getpid()}")
    fresh.symlink_to(folder)
    fresh.replace(place)


def _check_machine() -> None:
    """Install what is missing as root; otherwise say all of it at once."""
    if os.uname().machine != "x86_64" or not shutil.which("apt-get"):
        raise CannotBuildError("it is built from Debian packages for amd64: this needs Debian or Ubuntu on x86_64")
    wanted = {"dpkg-deb": "dpkg", "mke2fs": "e2fsprogs"}
    missing = [package for program, package in wanted.items() if not shutil.which(program, path=search_path())]
    if not missing:
        return
    if os.geteuid() != 0:
        help = f"sudo apt-get install --no-install-recommends {' '.join(missing)}"
        raise CannotBuildError(f"install what is missing: {help}")
    print(f"installing {' '.join(missing)}", file=sys.stderr)
    run("apt-get", "install", "-y", "-q", "--no-install-recommends", *missing, DEBIAN_FRONTEND="noninteractive")


def kernel_package(meta: str, apt_config: str = "") -> str:
    """The package that the kernel's meta package depends on now: its name changes with each security update."""
    for line in run("apt-cache", "depends", meta, APT_CONFIG=apt_config).splitlines():
        if line.strip().startswith("Depends: linux-image-"):
            return line.split()[-1]
    raise CannotBuildError(f"apt knows no {meta}: run 'sudo apt-get update'")


def unpacked(debs: Sequence[Path], folder: Path) -> Path:
    """The packages in one tree."""
    for deb in debs:
        run("dpkg-deb", "-x", str(deb), str(folder))
    return folder


def busybox(packages: Path) -> Path:
    """The program of that package."""
    return next(path for path in packages.glob("**/bin/busybox") if path.is_file())


def modules(packages: Path, names: Sequence[str]) -> Mapping[str, archive.Entry]:
    """The kernel's modules of these names, as far as it has them, and the order in which they are loaded."""
    found = {path.stem: path for path in packages.glob("lib/modules/*/kernel/**/*.ko")}
    wanted = [found[name] for name in names if name in found]
    return {
        **{f"modules/{path.name}": archive.file(path.read_bytes()) for path in wanted},
        "modules/order": archive.file("".join(f"{path.name}\n" for path in wanted).encode()),
    }


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
