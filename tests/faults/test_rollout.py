"""A thousand virtual devices, of which some fail; exporters vanish, and the runner is killed twice in mid-wave."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from flowrunner.engine.lines import Event, read
from tests.support.flow import clean
from tests.support.rollout_checker import check

pytestmark = pytest.mark.machine

SIZE = 1000
BROKEN = frozenset({205, 333, 451, 612, 777, 901})
STUCK = frozenset(range(150, 1000, 120))
VANISHES, SILENT = 640, 720

PIPELINE = """
flow: 1
name: gateways
jobs:
  update:
    strategy:
      rollout:
        fleet: {selector: product=gateway}
        waves:
          - {name: canary, size: 3, soak: 100ms, gate: [{assert: "${{ wave.failed == 0 }}"}]}
          - {name: early, size: 10%}
          - {name: broad, size: 100%}
        max_parallel: 40
        max_unavailable: {count: 4, per: site}
        halt_when:
          - ${{ wave.name == 'canary' and wave.failed >= 1 }}
          - ${{ wave.finished >= 20 and wave.failed / wave.finished > 0.1 }}
        approve: [{before: broad}]
        on_halt: abort
    devices: {gw: {requires: [power]}}
    retry: {attempts: 2, on: [infra], backoff: {initial: 100ms}}
    steps:
      - power: on
      - id: read
        power: {action: read, count: 1}
      - assert: {that: "${{ steps.read.outputs.readings[0].voltage > 4 }}", message: the supply is too low}
      - log: ${{ devices.gw.name }} in ${{ wave.name }}
      - power: off
    outputs: {name: "${{ devices.gw.name }}"}
"""


def write_lab(folder: Path) -> None:
    lines = ["exporters:"]
    for number in range(SIZE):
        config = f"state: {folder}/power/{number}, interval: 10ms"
        if number in BROKEN:
            config += ", volts: 0"
        if number in STUCK:
            config += ", faults: [{call: 'on', fail: the relay is stuck}]"
        what = f"export: {{power: {{type: power.virtual, config: {{{config}}}}}}}"
        if number in (VANISHES, SILENT):
            what = f"endpoint: unix:{folder}/{number}.sock, grace: 1s"
        lines.append(f"  gw-{number:04}: {{labels: {{product: gateway, site: s{number % 50}}}, {what}}}")
    (folder / "lab.yaml").write_text("\n".join(lines) + "\n")
    (folder / "power").mkdir()
    (folder / "vanishes.yaml").write_text("export: {power: {type: power.virtual, config: {interval: 10ms}}}\n")


@contextmanager
def vanishing(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The exporter that will be killed."""
    command = [
        sys.executable, "-m", "flowrunner", "exporter", "run", "vanishes.yaml", "--no-supervise", "--listen",
        f"unix:{folder}/{VANISHES}.sock",
    ]  # fmt: skip
    process = subprocess.Popen(command, cwd=folder, env={**clean(), "FLOW_LOCK_DIR": str(folder / "far")})
    try:
        while not (folder / f"{VANISHES}.sock").exists():
            assert process.poll() is None
            time.sleep(0.05)
        yield process
    finally:
        process.kill()
        process.wait()


def flow(folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    environment = {**clean(), "FLOW_LOCK_DIR": str(folder / "locks")}
    command = [sys.executable, "-m", "flowrunner", *arguments]
    return subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def wait_until(folder: Path, event: str, count: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until the journal has `count` such events."""
    path = folder / "runs" / "last" / "journal.jsonl"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if path.exists() and path.read_bytes().count(f'"event":"{event}"'.encode()) >= count:
            return
        assert process.poll() is None, process.communicate()[0].decode()[-3000:]
        time.sleep(0.02)
    raise AssertionError(f"no {count} of {event}")


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fleet")
    write_lab(folder)
    (folder / "p.yaml").write_text(PIPELINE)
    with vanishing(folder) as far:
        first = flow(folder, "run", "p.yaml", "--plain")
        wait_until(folder, "approval.requested", 1, first)
        early = read(folder / "runs" / "last" / "journal.jsonl")
        assert Counter(e["event"] for e in early)["device.finished"] == 100, "nobody of the last wave was touched"
        approve = flow(folder, "approve", "last", "broad")
        assert b"approved" in approve.communicate(timeout=30)[0]
        wait_until(folder, "device.finished", 250, first)
        os.kill(first.pid, signal.SIGKILL)
        first.communicate()
        far.kill()
        second = flow(folder, "resume", "last", "--plain")
        wait_until(folder, "device.finished", 600, second)
        os.kill(second.pid, signal.SIGKILL)
        second.communicate()
        third = flow(folder, "resume", "last", "--plain")
        said, _ = third.communicate(timeout=80)
        assert third.returncode == 1 and b"report runs/" in said, said.decode()[-3000:]
    return folder


@pytest.fixture(scope="module")
def events(fleet: Path) -> list[Event]:
    return read(fleet / "runs" / "last" / "journal.jsonl")


def of(events: Sequence[Event], kind: str) -> list[Event]:
    return [event for event in events if event["event"] == kind]


def test_every_invariant_holds_on_the_journal(events: list[Event]) -> None:
    seen = check(events, "update")
    assert seen.state == "complete"
    assert len(of(events, "run.resumed")) == 2
    assert of(events, "device.resumed"), "some were under way when the runner was killed"


def test_each_device_has_the_one_end_that_its_faults_give_it(events: list[Event]) -> None:
    ends = {event["index"]: event for event in of(events, "device.finished")}
    errored = {index for index, end in ends.items() if end["outcome"] == "errored"}
    assert {index for index, end in ends.items() if end["outcome"] == "failed"} == BROKEN
    assert errored == STUCK | {VANISHES, SILENT}
    assert {index for index in errored if not ends[index]["began"]} >= {VANISHES, SILENT}
    assert Counter(end["outcome"] for end in ends.values())["passed"] == SIZE - len(BROKEN) - len(errored)


def test_no_device_stays_powered_and_none_leased(fleet: Path) -> None:
    left = {path.name for path in (fleet / "power").iterdir() if path.read_text() == "on"}
    assert left == set()
    held = flow(fleet, "leases")
    assert "gw-" not in held.communicate(timeout=30)[0].decode()


def test_the_reports_agree_and_are_small(fleet: Path, events: list[Event]) -> None:
    folder = fleet / "runs" / "last"
    found = json.loads((folder / "results.json").read_text())
    ends = Counter(event["outcome"] for event in of(events, "device.finished"))
    (rollout,) = found["rollouts"]
    assert rollout["ends"] == ends
    assert len(rollout["devices"]) == SIZE
    suites = {suite.get("name"): suite for suite in ET.parse(folder / "junit.xml").getroot()}
    assert [suites[f"gateways.update.{wave}"].get("tests") for wave in ("canary", "early", "broad")] == [
        "3",
        "97",
        "900",
    ]
    assert int(suites["gateways.update.broad"].get("failures", "")) == ends["failed"]
    assert int(suites["gateways.update.broad"].get("errors", "")) == ends["errored"]
    page = (folder / "report.html").read_text()
    assert page.count('class="square ') == SIZE
    assert len(page) < 1_500_000
    assert found["outputs"] == {} and found["jobs"][0]["outputs"]["name"][0] == "gw-0000"
