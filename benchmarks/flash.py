"""Flashing a sparse image of 1 GiB with a tenth of data to a file, durably, beside dd and bmaptool."""

from __future__ import annotations

import asyncio
import base64
import os
import random
import shlex
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from benchmarks.harness import Row
from flowrunner.image import open_image
from flowrunner.interfaces.storage import Flasher
from flowrunner_drivers.storage.file import FileStorage

FOLDER = Path(".cache/flash").absolute()
SIZE = 1 << 30
PART = 1 << 20
RUNS = 5


def measure() -> Iterator[Row]:
    """Page cache warm, fsync on both sides; the peers' processes start within their time."""
    images = prepare()
    target = FOLDER / "target"
    for name, bmap in (("disk.img", False), ("disk.img", True), ("disk.img.xz", False), ("disk.img.zst", False),
                       ("disk.img.xz", True), ("disk.img.zst", True)):  # fmt: skip
        image, peers = images[name], commands(images[name], target, bmap=bmap)
        contenders: dict[str, Callable[[], float]] = {"ours": partial(flash, image, target, bmap=bmap)}
        contenders |= {peer: partial(run, command, target) for peer, command in peers.items()}
        seconds = contest(contenders, target)
        best = min(peers, key=seconds.__getitem__)
        others = ", ".join(f"{peer} {seconds[peer]:.3g} s" for peer in peers if peer != best)
        yield Row(
            f"flash {name}{' with its block map' if bmap else ''}", seconds["ours"], "s", goal=seconds[best],
            peer=seconds[best], peer_name=best, note=f"({others})" if others else "",
        )  # fmt: skip
    target.unlink(missing_ok=True)


def contest(contenders: dict[str, Callable[[], float]], target: Path) -> dict[str, float]:
    """The median of each, in turns, so that a busy moment hits all; the first turn does not count."""
    found: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(RUNS + 1):
        for name, once in contenders.items():
            target.unlink(missing_ok=True)
            os.sync()
            seconds = once()
            if turn:
                found[name].append(seconds)
    return {name: statistics.median(times) for name, times in found.items()}


def commands(image: Path, target: Path, *, bmap: bool) -> dict[str, str]:
    """What a person would type for the same."""
    source, out = shlex.quote(str(image)), shlex.quote(str(target))
    unpack = {".xz": "xzcat", ".zst": "zstdcat"}.get(image.suffix)
    options = f"of={out} bs=1M conv=sparse,fsync status=none"
    found = {"dd": f"dd if={source} {options}"}
    if unpack:
        found = {f"{unpack} | dd": f"{unpack} {source} | dd {options} iflag=fullblock"}
    if shutil.which("bmaptool"):
        how = f"--bmap {shlex.quote(str(FOLDER / 'map'))}" if bmap else "--nobmap"
        found["bmaptool"] = f"bmaptool -q copy {how} {source} {out}"
    return found


def run(command: str, target: Path) -> float:
    """Wall seconds of a command line."""
    start = time.perf_counter()
    subprocess.run(command, shell=True, check=True)
    seconds = time.perf_counter() - start
    assert target.stat().st_size == SIZE
    return seconds


def flash(image: Path, target: Path, *, bmap: bool) -> float:
    """Wall seconds of what the action `flash` does, from opening the image to its last byte being durable."""

    async def once() -> float:
        driver = FileStorage.make({"path": target})
        assert isinstance(driver, Flasher)
        start = time.perf_counter()
        async with open_image(image, base=FOLDER, bmap=str(FOLDER / "map") if bmap else "none") as opened:
            await driver.flash(opened)
        return time.perf_counter() - start

    return asyncio.run(once())


def prepare() -> dict[str, Path]:
    """The image, packed in two ways, with its block map; made once."""
    paths = {name: FOLDER / name for name in ("disk.img", "disk.img.xz", "disk.img.zst")}
    if not (FOLDER / "ready").exists():
        FOLDER.mkdir(parents=True, exist_ok=True)
        make(paths["disk.img"])
        for command in (
            ["xz", "-k", "-f", "-1", "-T1", "disk.img"],
            ["zstd", "-q", "-f", "disk.img"],
            ["bmaptool", "-q", "create", "-o", "map", "disk.img"],
        ):
            subprocess.run(command, cwd=FOLDER, check=True)
        (FOLDER / "ready").touch()
    for path in paths.values():
        with path.open("rb") as file:
            while file.read(1 << 24):
                pass
    return paths


def make(path: Path) -> None:
    """A tenth of data in runs of 1 MiB: half of it cannot be packed, half to three quarters."""
    source = random.Random(2026)
    with path.open("wb") as file:
        file.truncate(SIZE)
        for number, offset in enumerate(range(0, SIZE, 10 * PART)):
            file.seek(offset)
            data = source.randbytes(PART)
            file.write(data if number % 2 else base64.b64encode(data)[:PART])
