"""Where a block device of this host, or a part of it, is mounted."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path


def mounts(device: Path) -> list[str]:
    """The folders at which `device` or one of its partitions is mounted (proc(5), mountinfo)."""
    found: list[str] = []
    with suppress(OSError):
        numbers = _numbers(device.resolve())
        for line in Path("/proc/self/mountinfo").read_text().splitlines():
            fields = line.split(" ")
            if fields[2] in numbers:
                found.append(re.sub(r"\\(\d{3})", lambda code: chr(int(code[1], 8)), fields[4]))
    return found


def _numbers(device: Path) -> set[str]:
    """The numbers of the device and of its partitions, such as `8:1`."""
    own = device.stat().st_rdev
    name = f"{os.major(own)}:{os.minor(own)}"
    parts = Path(f"/sys/dev/block/{name}").resolve().glob("*/partition")
    return {name, *((part.parent / "dev").read_text().strip() for part in parts)}
