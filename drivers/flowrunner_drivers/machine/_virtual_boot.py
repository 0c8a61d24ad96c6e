"""What the virtual board prints while it boots. It says that it is virtual."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

Boot = Literal["ok", "slow", "hang", "panic", "silent"]
"""How a boot goes: as it should, ten times slower, stopping half-way, with a kernel panic, or without a word."""

KERNEL = "6.1.0-virtual"

_LOADER = (
    "",
    "U-Boot 2026.04-virtual (virtual board: no hardware)",
    "",
    "DRAM:  128 MiB",
    "MMC:   storage: 0",
    "Hit any key to stop autoboot:  0",
    "Loading {version!r} from storage",
    "",
    "Starting kernel ...",
    "",
)
_KERNEL = (
    f"Linux version {KERNEL} (virtual board: no hardware)",
    "Machine model: flowrunner virtual board",
    "Memory: 121344K/131072K available",
    "clocksource: virtual: mask: 0xffffffff",
    "NET: Registered PF_INET protocol family",
    "mmc0: new high speed SD card at address 0001",
    "mmcblk0: mmc0:0001 VIRT {size}",
    "EXT4-fs (mmcblk0p2): mounted filesystem with ordered data mode",
    "VFS: Mounted root (ext4 filesystem) readonly on device 179:2",
    "Run /sbin/init as init process",
)
_PANIC = (
    'VFS: Unable to mount root fs on "mmcblk0p2"',
    "Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(179,2)",
    f"CPU: 0 PID: 1 Comm: swapper Not tainted {KERNEL} #1",
    "Call trace:",
    " panic+0x168/0x32c",
    " mount_block_root+0x1a0/0x250",
    " prepare_namespace+0x138/0x178",
    "---[ end Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(179,2) ]---",
)


def boot_log(kind: Boot, version: str, size: str) -> Iterator[tuple[float, str]]:
    """Each line with the part of the boot's time (0 to 1) at which it comes."""
    kernel = _KERNEL[:7] + _PANIC if kind == "panic" else _KERNEL[:6] if kind == "hang" else _KERNEL
    lines = [*((line, False) for line in _LOADER), *((line, True) for line in kernel)]
    for count, (line, is_kernel) in enumerate(() if kind == "silent" else lines):
        part = count / len(lines)
        stamp = f"[{part * 2.5:12.6f}] " if is_kernel else ""
        yield part, stamp + line.format(version=version, size=size)
