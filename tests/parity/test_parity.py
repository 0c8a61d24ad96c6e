"""A pipeline does the same, and leaves the same journal, wherever its drivers run."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anyio
import pytest

from flowrunner.lab.discover import discover
from flowrunner.pipeline.compiler import compile
from flowrunner.pipeline.plan import Plan
from tests.support.bench import Done
from tests.support.exporters import exporter, run, running, served
from tests.support.journals import comparable, logs, same_text

ROOT = Path(__file__).parents[2]
APART = ("lab.yaml", "cloud-test.yaml", "network-flash.yaml")
"""Not a pipeline; three boots by UEFI, and a board that needs a network of its own: they have tests of their own."""

PIPELINES = [path for path in sorted((ROOT / "pipelines").glob("*.yaml")) if path.name not in APART]


def plan(pipeline: Path) -> Plan:
    return compile(pipeline, environment={}, complete=False).plan


def bench(pipeline: Path) -> Path:
    """The file of the exporter that the lab beside a pipeline gives it."""
    (request,) = plan(pipeline).requests()
    return Path(discover(pipeline, environment={}).catalogue.fitting(request)[0].identity)


def marked(pipeline: Path) -> Any:
    real = "machine.qemu" in bench(pipeline).read_text()
    return pytest.param(pipeline, marks=[pytest.mark.machine] if real else [], id=pipeline.stem)


def unprompted(text: str) -> str:
    """A console without the shell's prompts: whether one comes before or behind the echo of what is typed is chance."""
    return text.replace("root@virtual:~# ", "")


def same(here: Done, there: Done, *, exact: bool = True) -> None:
    assert comparable(there.events, exact=exact) == comparable(here.events, exact=exact)
    assert logs(there.events, informed=exact) == logs(here.events, informed=exact)
    assert there.finished.exit == here.finished.exit
    assert names(there) == names(here)
    for name, text in consoles(here).items() if exact else ():
        text, other = unprompted(text), unprompted(consoles(there)[name])
        assert other.startswith(text) or text.startswith(other), "the last words may be cut off, and nothing else"


def names(done: Done) -> set[str]:
    """The files that a run leaves."""
    return set(done.files())


def consoles(done: Done) -> Mapping[str, str]:
    """What the consoles printed."""
    logged = {name: data for name, data in done.files().items() if name.endswith(".console.log")}
    return {name: same_text(data.decode()) for name, data in logged.items()}


@pytest.mark.parametrize("pipeline", [marked(path) for path in PIPELINES])
def test_each_pipeline_of_the_project_leaves_the_same_journal(tmp_path: Path, pipeline: Path) -> None:
    inputs = {}
    real = "machine.qemu" in bench(pipeline).read_text()
    if real and "image:" in pipeline.read_text():
        built = subprocess.run(
            [sys.executable, ROOT / "tools/build_guest.py"], check=True, capture_output=True, text=True
        )
        inputs = {"image": str(Path(built.stdout.strip()) / "root.img.zst")}
    file = bench(pipeline)
    here = run(pipeline, tmp_path / "here", exporters=[str(file)], inputs=inputs)
    with exporter(file, tmp_path) as apart:
        unix = run(pipeline, tmp_path / "unix", exporters=[apart.unix], inputs=inputs)
        tcp = run(pipeline, tmp_path / "tcp", exporters=[apart.tcp], inputs=inputs)
    assert here.outcome == "passed", here.finished.result
    same(here, unix, exact=not real)
    same(here, tcp, exact=not real)


BOARD = "board: {type: machine.virtual, config: {boot_time: 20ms, storage: 2MiB}}"
CASES = {
    "a driver that fails": (
        "power: {type: power.command, config: {'on': 'echo no relay >&2; exit 4', 'off': 'true'}}",
        "steps:\n  - power: on\nrescue:\n  - log: rescued\nfinally:\n  - power: off\n",
        "errored",
    ),
    "a fault that a retry overcomes": (
        "board: {type: machine.virtual, config: {boot_time: 20ms, faults: [{call: 'on', fail: the relay is stuck}]}}",
        "steps:\n  - power: on\n    retry: {attempts: 2, on: [device]}\n  - expect: {prompt: 'login: ', within: 5s}\n",
        "passed",
    ),
    "a panic that is watched for": (
        "board: {type: machine.virtual, config: {boot_time: 20ms, boots: [panic]}}",
        "watch:\n  - {pattern: 'Kernel panic - not syncing: (?P<reason>.+)', outcome: failed, grace: 300ms}\n"
        "steps:\n  - power: on\n  - expect: {prompt: never, within: 20s}\n",
        "failed",
    ),
    "a prompt that never comes": (
        BOARD,
        "steps:\n  - power: on\n  - expect: {prompt: never, within: 500ms}\n",
        "failed",
    ),
    "a call that hangs": (
        "power: {type: power.virtual, config: {faults: [{call: 'on', hang: true}]}}",
        "steps:\n  - power: on\n    timeout: 300ms\n",
        "errored",
    ),
    "answers again and again": (
        "power: {type: power.virtual, config: {volts: 12, interval: 1ms}}",
        "steps:\n  - power: on\n  - power: {action: read, count: 3, interval: 1ms}\n"
        "  - driver: {call: dut.power.read, count: 2}\n",
        "passed",
    ),
    "a lease that expires": (
        "power: {type: power.virtual}",
        "steps:\n  - power: on\n  - driver: {call: dut.power.read, count: 1000}\n",
        "errored",
    ),
    "an image, there and back": (
        BOARD,
        "steps:\n  - flash: {image: image.img, verify: true}\n  - dump: {to: back.img, length: 1MiB}\n",
        "passed",
    ),
    "a group that takes the board by itself": (
        BOARD,
        "steps:\n  - power: on\n  - id: inner\n    group:\n      - expect: {prompt: 'login: ', within: 5s}\n"
        '      - login: {username: root}\n      - shell: "false"\n        on_failure: continue\n',
        "failed",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_goes_wrong_goes_wrong_in_the_same_way(tmp_path: Path, case: str) -> None:
    export, steps, outcome = CASES[case]
    duration = "{selector: '', duration: 400ms}" if "expires" in case else "board=any"
    (tmp_path / "image.img").write_bytes(bytes(range(256)) * 4096)
    file, pipeline = tmp_path / "bench.yaml", tmp_path / "p.yaml"
    file.write_text(f"metadata: {{name: desk, labels: {{board: any, site: here}}}}\nexport:\n  {export}\n")
    pipeline.write_text(f"flow: 1\nname: {case}\ndevices: {{dut: {duration}}}\n{steps}")
    here = run(pipeline, tmp_path / "here", exporters=[str(file)])
    assert here.outcome == outcome, here.events[-1]

    async def work(unix: str, tcp: str) -> None:
        same(here, await running(pipeline, tmp_path / "unix", exporters=[unix]))
        same(here, await running(pipeline, tmp_path / "tcp", exporters=[tcp]))

    anyio.run(served, file, tmp_path, work)
