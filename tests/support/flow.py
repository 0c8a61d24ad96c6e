"""The real `flow` in a process of its own, on a bench whose power is a file that exists while it is on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flowrunner.engine.lines import Event, read

LAB = """
exporters:
  lamp:
    labels: {{board: lamp}}
    export:
      power: {{type: power.command, config: {{"on": "touch {lamp}", "off": "rm -f {lamp}"}}}}
"""


@dataclass
class Workplace:
    """A folder with a lab, in which `flow` runs."""

    folder: Path

    def __post_init__(self) -> None:
        (self.folder / "lab.yaml").write_text(LAB.format(lamp=self.lamp))

    @property
    def lamp(self) -> Path:
        """Exists while the power is on."""
        return self.folder / "lamp"

    @property
    def journal(self) -> list[Event]:
        """The events of the newest run."""
        return read(self.folder / "runs" / "last" / "journal.jsonl")

    def write(self, pipeline: str, name: str = "p.yaml") -> None:
        """Write a pipeline."""
        (self.folder / name).write_text("flow: 1\nname: test\ndevices: {dut: board=lamp}\n" + pipeline)

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[bytes]:
        """Start `flow` with these arguments."""
        return subprocess.Popen(
            [sys.executable, "-m", "flowrunner", *arguments], cwd=self.folder, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, env={**clean(), "FLOW_LOCK_DIR": str(self.folder / "locks"), **environment},
        )  # fmt: skip

    def flow(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
        """Run `flow` to its end."""
        process = self.start(*arguments, **environment)
        out, err = process.communicate(timeout=60)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def wait_for(self, event: str, timeout: float = 20, **fields: Any) -> Event:
        """Wait until the newest run's journal has such an event."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if (self.folder / "runs" / "last" / "journal.jsonl").exists():
                for found in self.journal:
                    if found["event"] == event and all(found.get(key) == value for key, value in fields.items()):
                        return found
            time.sleep(0.01)
        raise AssertionError(f"no {event} {fields} within {timeout}s")


def clean() -> Mapping[str, str]:
    """This environment without what would change a run."""
    return {key: value for key, value in os.environ.items() if not key.startswith(("FLOW_", "CI", "GITHUB", "GITLAB"))}


def end(process: subprocess.Popen[bytes], *signals: signal.Signals) -> tuple[int, str]:
    """Send `signals` one after the other, wait for the end; the exit status and what was said on standard error."""
    for number in signals:
        process.send_signal(number)
        time.sleep(0.3)
    _, err = process.communicate(timeout=30)
    return process.returncode, err.decode()
