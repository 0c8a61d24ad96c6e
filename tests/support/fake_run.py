"""Synthetic run folders: invented runs, in the shape that the engine writes, for tests of the reports.

Nothing here ran. `python -m tests.support.fake_runs FOLDER` writes one run of each kind with its reports.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from flowrunner.console.times import Stamper
from flowrunner.engine.lines import seal

PIPELINE = """\
# yaml-language-server: $schema=../schemas/pipeline.json
flow: 1
name: boot-test
description: Flash an image, power-cycle the board, prove that it boots clean and in time.

inputs:
  image: {type: file, required: true}
  boot_budget: {type: duration, default: 25s}

timeout: 20m
devices:
  dut:
    selector: board=virt,!reserved
    requires: [power, console, storage, video]
    safe_state: {power: off}            # also driven when the client vanishes

watch:
  - pattern: 'Kernel panic - not syncing: (?P<reason>.+)'
    outcome: failed
    grace: 2s

steps:
  - id: image
    flash: {image: "${{ inputs.image }}", target: root, verify: true}
    timeout: 10m
    retry: {attempts: 2, on: [infra, timeout]}

  - id: boot
    name: Boot to the login prompt
    group:
      - id: power_on
        power: cycle
      - id: spl
        expect: {pattern: 'U-Boot (?P<version>\\S+)', within: 10s}
        kind: setup
      - id: prompt
        expect:
          prompt: 'login: '
          within: ${{ inputs.boot_budget }}
    retry: {attempts: 3, on: [infra, device], backoff: {initial: 5s}, between: [{power: off}, {wait: 1s}]}

  - measure:
      name: boot_time
      value: ${{ steps.prompt.outputs.at - steps.power_on.outputs.at }}
      unit: s
      limits: {max: 25, warn_max: 15}

  - login: {username: root, password: "${{ secrets.root_password }}"}
  - id: release
    shell: cat /etc/os-release
  - id: screen
    snapshot: {name: login-screen, tolerance: 4}
  - id: scan
    foreach: [eth0, eth1]
    shell: ip link show ${{ loop.item }}

rescue:
  - shell: dmesg | tail -50

finally:
  - power: off
"""

FILE = "boot-test.yaml"


def line_of(text: str) -> int:
    """The line of the pipeline in which `text` first stands, from 1."""
    return PIPELINE[: PIPELINE.index(text)].count("\n") + 1


class FakeRun:
    """Writes one invented run: a journal, a plan, consoles, pictures. `t` is the time that the next event gets."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self.folder = folder
        self.t = 0.0
        self.nodes: list[dict[str, Any]] = []
        self._n = 0
        self._ends: dict[str, int] = {}
        self._stampers: dict[str, Stamper] = {}
        self._journal = (folder / "journal.jsonl").open("ab")

    def event(self, event: str, **fields: Any) -> None:
        """Append one event to the journal."""
        self._journal.write(seal({"n": self._n, "t": round(self.t, 6), "event": event, **fields}))
        self._journal.flush()
        self._n += 1

    def start(self, **facts: Any) -> None:
        """The first event of a run."""
        self.event(
            "run.started", id=self.folder.name, pipeline="boot-test", file=FILE, plan="sha256:" + "5f" * 32,
            version="0.1.0", wall="2026-11-23T04:10:27.120000+00:00", argv=["flow", "run", FILE],
            cwd="/home/ada/boards", host="bench-3", user="ada", pid=4711, python="3.11.7",
            platform="Linux-6.1.0-x86_64", inputs={"image": "disk.img.xz", "boot_budget": "25s"}, lab="lab.yaml",
            ci=False, **facts,
        )  # fmt: skip

    def lease(self, *, wait: float = 0.0) -> None:
        """Lease the one device, after `wait` seconds in the queue."""
        self.event(
            "lease.requested", role="dut", selector="board=virt,!reserved", requires=["power"], queue_timeout=2700
        )
        if wait:
            owner = "grace, run 20261123-035501-77aa of soak-test (pid 991)"
            self.event("lease.waiting", role="dut", owner=owner, position=1)
            self.t += wait
        parts = {
            "": {"type": "machine.qemu", "interfaces": ["machine"]},
            "power": {"type": "machine.qemu", "interfaces": ["power"]},
            "console": {"type": "console.process", "interfaces": ["console"]},
            "video": {"type": "video.file", "interfaces": ["video"]},
        }
        labels = {"board": "virt", "arch": "x86_64", "site": "berlin"}
        self.event(
            "lease.acquired", role="dut", exporter="virt-1", labels=labels, lease="l-0a1b", expires=1800.0, parts=parts
        )
        self.event("console.opened", console="dut.console", log="dut.console.log", times="dut.console.times.log")
        self._ends["dut.console"] = 0

    def release(self) -> None:
        """Safe state, consoles closed, lease released."""
        self.event("safe_state.started", role="dut", part="power", action="off")
        self.t += 0.4
        self.event("safe_state.finished", role="dut", part="power", action="off", ok=True, message=None)
        self.event("console.closed", console="dut.console", bytes=self._ends["dut.console"])
        self.event("lease.released", role="dut", exporter="virt-1")

    def prints(self, pieces: Iterable[tuple[float, bytes]], console: str = "dut.console") -> None:
        """Let the console print each piece that many seconds after the one before."""
        log, times = self.folder / f"{console}.log", self.folder / f"{console}.times.log"
        stamper = self._stampers.setdefault(console, Stamper())
        with log.open("ab") as raw, times.open("ab") as stamps:
            for pause, data in pieces:
                self.t += pause
                stamps.write(stamper.feed(data, self.t))
                raw.write(data)
                self._ends[console] += len(data)

    def begin(self, path: str, action: str, at: str, **facts: Any) -> None:
        """A step starts; `at` is text of the pipeline at its place."""
        where = place(at)
        values = facts.pop("values", {})
        device = facts.pop("device", "dut" if action in ("power", "expect", "shell", "login", "snapshot") else None)
        base = {"id": None, "name": action, "action": action, "kind": "test", "block": False, "background": False}
        base |= {"consoles": dict(self._ends), "where": where} | facts
        self.nodes.append({"path": re.sub(r"#\d+|\[\d+\]", "", path), "params": values, "device": device, **base})
        self.event("step.started", path=path, **base)
        self._begun = {**getattr(self, "_begun", {}), path: (self.t, where)}

    def end(self, path: str, outcome: str = "passed", **facts: Any) -> None:
        """A step has its final record."""
        started, where = self._begun.get(path, (None, place(facts.pop("at", "steps:"))))
        base: dict[str, Any] = dict.fromkeys(
            ("cause", "blame", "message", "help", "said", "because", "console", "offset")
        )
        base |= {"where": where, "started": started, "ended": self.t, "attempts": 1, "outputs": {}, "warning": False}
        self.event("step.finished", path=path, outcome=outcome, **{**base, **facts})

    def skip(self, path: str, at: str, because: str, cause: str = "dependency") -> None:
        """A step did not run."""
        action = at.partition(":")[0]
        self.nodes.append(
            {
                "path": re.sub(r"#\d+", "", path),
                "id": None,
                "name": action,
                "action": action,
                "where": place(at),
                "values": {},
            }
        )
        self.end(path, "skipped", cause=cause, because=because, at=at)

    def finish(self, outcome: str = "passed", exit: int = 0, /, **cause: Any) -> None:
        """The last event, and the plan."""
        self.event("run.finished", outcome=outcome, exit=exit, seconds=round(self.t, 6), cause=cause or None)
        self.close()

    def close(self) -> None:
        """Write the plan and let the journal be, finished or not."""
        self._journal.close()
        plan = {
            "name": "boot-test", "file": FILE, "description": "Flash, power-cycle, prove that it boots.",
            "scope": {"steps": self.nodes}, "sources": {FILE: PIPELINE},
        }  # fmt: skip
        (self.folder / "plan.json").write_text(json.dumps(plan))

    def picture(self, path: str, name: str, picture: Image.Image, title: str) -> str:
        """Save a picture as an artifact; returns its file."""
        file = self.folder / "artifacts" / name
        file.parent.mkdir(exist_ok=True)
        picture.save(file)
        data = file.read_bytes()
        self.event(
            "artifact", path=path, name=name, file=f"artifacts/{name}", title=title, media="image/png", size=len(data),
            sha256=hashlib.sha256(data).hexdigest(),
        )  # fmt: skip
        return f"artifacts/{name}"


def place(text: str) -> dict[str, Any]:
    """The span of `text` in the pipeline, as the journal has it."""
    at = PIPELINE.index(text)
    line, column = line_of(text), at - PIPELINE.rfind("\n", 0, at)
    return {"file": FILE, "line": line, "column": column, "end_line": line, "end_column": column + len(text)}


BOOT = b"""\
U-Boot 2023.01+dfsg-2 (Jan 19 2023 - 22:27:05 +0000)\r
\r
DRAM:  512 MiB\r
Core:  45 devices, 13 uclasses, devicetree: board\r
Loading Environment from nowhere... OK\r
Hit any key to stop autoboot:  2 \x08\x08\x08 1 \x08\x08\x08 0\r
## Loading kernel from FIT Image at 40200000 ...\r
Starting kernel ...\r
\r
[    0.000000] Booting Linux on physical CPU 0x0\r
[    0.000000] Linux version 6.1.0-18-cloud-amd64 (debian-kernel@lists.debian.org)\r
[    0.000000] Command line: console=ttyS0 root=/dev/vda1 ro quiet\r
[    0.021711] smp: Bringing up secondary CPUs ...\r
[    0.204004] pci 0000:00:01.0: [1af4:1000] type 00 class 0x020000\r
[    0.911382] virtio_blk virtio1: [vda] 2097152 512-byte logical blocks (1.07 GB/1.00 GiB)\r
[    1.302115] EXT4-fs (vda1): mounted filesystem with ordered data mode. Quota mode: none.\r
[    1.488001] systemd[1]: Detected virtualization qemu.\r
[\x1b[0;32m  OK  \x1b[0m] Created slice \x1b[0;1;39mSlice /system/getty\x1b[0m.\r
[\x1b[0;32m  OK  \x1b[0m] Reached target \x1b[0;1;39mPath Units\x1b[0m.\r
[\x1b[0;1;31mFAILED\x1b[0m] Failed to start \x1b[0;1;39mLoad Kernel Modules\x1b[0m.\r
[\x1b[0;32m  OK  \x1b[0m] Started \x1b[0;1;39mNetwork Time Synchronization\x1b[0m.\r
[\x1b[0;32m  OK  \x1b[0m] Reached target \x1b[0;1;39mMulti-User System\x1b[0m.\r
\r
Debian GNU/Linux 12 virt ttyS0\r
\r
""".splitlines(keepends=True)


def boot(upto: int = len(BOOT), pause: float = 0.31) -> list[tuple[float, bytes]]:
    """The first lines of a boot log, one each `pause` seconds."""
    return [(pause, line) for line in BOOT[:upto]]


def screen(text: str, colour: str = "#9ad27a") -> Image.Image:
    """A picture of a text screen."""
    picture = Image.new("RGB", (720, 400), "#101418")
    draw = ImageDraw.Draw(picture)
    for row, line in enumerate(text.splitlines()):
        draw.text((16, 14 + row * 17), line, fill=colour)
    return picture
