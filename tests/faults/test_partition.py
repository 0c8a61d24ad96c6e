"""A network that breaks between a run and its exporter, and heals, or does not heal in time."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from flowrunner.engine.lines import Event, read
from tests.support.exporters import Exporter, exporter
from tests.support.flow import clean
from tests.support.network import HERE, Cable, cable

pytestmark = [
    pytest.mark.machine,  # in its time: a network takes seconds to be missed
    pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root"),
]

BENCH = """
metadata: {{name: rig}}
export:
  power:
    type: power.command
    config: {{"on": "echo on >> {folder}/calls", "off": "echo off >> {folder}/calls", read: "echo 5 1", interval: 10ms}}
  host:
    type: shell.command
    config: {{methods: {{slow: "echo begun >> {folder}/calls; sleep $1; echo ended >> {folder}/calls"}}}}
"""
LAB = "exporters: {{rig: {{endpoint: '{address}', tls: {{insecure: true}}, grace: {grace}s}}}}\n"
HEAD = "flow: 1\nname: partition\ndevices: {dut: {selector: ''}}\nsteps:\n"
SLOW = "  - {{id: slow{0}, driver: {{call: dut.host.call_method, with: {{method: slow, arguments: ['{0}']}}}}}}\n"
CALLS = 40


@dataclass
class Rig:
    """An exporter at one end of a cable, `flow` at the other."""

    folder: Path
    cable: Cable
    exporter: Exporter

    @property
    def calls(self) -> list[str]:
        """What the exporter's drivers were asked, in order."""
        path = self.folder / "calls"
        return path.read_text().split() if path.exists() else []

    @property
    def journal(self) -> list[Event]:
        path = self.folder / "runs" / "last" / "journal.jsonl"
        return read(path) if path.exists() else []

    def start(self, steps: str, *, grace: float, client: str | None = None) -> subprocess.Popen[str]:
        """Start a run, from the client's end."""
        (self.folder / "lab.yaml").write_text(LAB.format(address=self.exporter.tcp, grace=grace))
        (self.folder / "p.yaml").write_text(HEAD + steps)
        return self.python("-m", "flowrunner", "run", "p.yaml", end=client or self.cable.client)

    def python(self, *words: str, end: str) -> subprocess.Popen[str]:
        environment = {**clean(), "FLOW_LOCK_DIR": str(self.folder / f"locks-{end}"), "PYTHONPATH": os.getcwd()}
        return subprocess.Popen(
            [*self.cable.at(end), sys.executable, *words], cwd=self.folder, text=True, env=environment,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def until(self, line: str, client: subprocess.Popen[str] | None = None, limit: float = 20) -> None:
        """Wait until a driver did that, for `client` as long as that lives."""
        end = time.monotonic() + limit
        while line not in self.calls:
            assert not client or client.poll() is None, client.communicate()[0]
            assert time.monotonic() < end, f"no '{line}' within {limit:g}s: {self.calls}"
            time.sleep(0.02)


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    """A rig in a folder with a short name."""
    file = tmp_path / "bench.yaml"
    file.write_text(BENCH.format(folder=tmp_path))
    with cable() as laid, exporter(file, tmp_path, within=laid.at(laid.exporter), host=HERE) as served:
        yield Rig(tmp_path, laid, served)


def test_a_break_that_is_shorter_than_the_grace_ends_nothing_and_repeats_no_call(rig: Rig) -> None:
    calls = f"  - {{foreach: '${{{{ range({CALLS}) | list }}}}', driver: dut.power.on}}\n"
    run = rig.start(SLOW.format(2) + calls + SLOW.format(1), grace=5)
    rig.until("begun", run)
    for _ in range(2):
        rig.cable.pull()
        time.sleep(1.3)
        rig.cable.plug()
        time.sleep(0.7)
    said, _ = run.communicate(timeout=60)
    assert run.returncode == 0, said
    assert rig.calls == ["begun", "ended", *["on"] * CALLS, "begun", "ended", "off"]
    assert not [event for event in rig.journal if event["event"] == "lease.lost"]


def test_a_break_that_is_longer_ends_the_run_and_the_exporter_makes_the_device_safe(rig: Rig) -> None:
    run = rig.start("  - driver: dut.power.on\n" + SLOW.format(60), grace=2)
    rig.until("begun", run)
    rig.cable.pull()
    pulled = time.monotonic()
    rig.until("off", limit=6)
    assert 1 < time.monotonic() - pulled < 5
    said, _ = run.communicate(timeout=60)
    assert run.returncode == 3, said
    slow = next(e for e in rig.journal if e["event"] == "step.finished" and e["path"] == "slow60")
    assert (slow["outcome"], slow["blame"]) == ("errored", "lost"), slow
    assert rig.journal[-1]["cause"]["blame"] == "lost"
    assert "ended" not in rig.calls, "what the run had begun was ended with it"
    second = rig.start("  - driver: dut.power.on\n", grace=2, client=rig.cable.exporter)
    said, _ = second.communicate(timeout=30)
    assert second.returncode == 0, said
    assert rig.calls == ["on", "begun", "off", "on", "off"]


def test_who_comes_back_too_late_cannot_call_any_more(rig: Rig) -> None:
    client = rig.python("-m", "tests.faults.partitioned_client", rig.exporter.tcp, "1.5", end=rig.cable.client)
    assert client.stdin
    rig.until("on", client)
    rig.cable.pull()
    client.stdin.write("go\n")
    client.stdin.flush()
    rig.until("off", limit=6)
    second = rig.start(SLOW.format(1), grace=2, client=rig.cable.exporter)
    rig.until("begun", second)
    rig.cable.plug()
    said, _ = client.communicate(timeout=30)
    assert said.startswith("on\nlost: "), said
    told, _ = second.communicate(timeout=30)
    assert second.returncode == 0, told
    assert rig.calls == ["on", "off", "begun", "ended", "off"]
