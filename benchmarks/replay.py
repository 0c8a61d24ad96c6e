"""What recording costs, and how fast a replay is."""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.harness import Row, flow
from flowrunner.engine.lines import Event, read
from flowrunner.engine.run import Runner
from flowrunner.engine.state import Options
from flowrunner.pipeline.compiler import compile
from flowrunner.replay.again import environment_of
from flowrunner.replay.play import Player
from flowrunner.replay.recorder import Recorder
from flowrunner.replay.tape import Tape
from tests.support.engine_kit import VirtualLab, act, plan

STEPS = 500
BOOT = Path("pipelines/boot-test.yaml")


def measure() -> Iterator[Row]:
    """Milliseconds per step with and without a recording; the boot of a real Linux against real time."""
    yield from _recording()
    yield from _replaying()


def _recording() -> Iterator[Row]:
    """With the journal on the disk at each step, as a run has it unless told otherwise."""
    steps = plan(*(act(f"s{n}", turn="on", device="dut") for n in range(STEPS)), devices=["dut"])

    def run(record: bool, fsync: bool) -> tuple[float, float]:
        """Milliseconds of a step: of the processor, and by the clock."""
        with tempfile.TemporaryDirectory(dir=".cache") as folder:
            options = Options(fsync=fsync, witness=Recorder() if record else None)
            runner = Runner(steps, {}, VirtualLab(), Path(folder), options)
            start, worked = time.perf_counter(), time.process_time()
            finished = asyncio.run(runner.run())
            assert finished.exit == 0
            took, worked = time.perf_counter() - start, time.process_time() - worked
            return worked / STEPS * 1000, took / STEPS * 1000

    pairs = [(run(False, False)[0], run(True, False)[0]) for _ in range(9)]
    without = min(one for one, _ in pairs)
    cost = min(other for _, other in pairs) - without
    step = min(run(False, True)[1] for _ in range(3))
    yield Row("recording a step with a call, processor", cost, "ms", note=f"of {without:.3g} ms a step, fsync off")
    yield Row("recording, share of a step with its journal on the disk", 100 * cost / step, "%", goal=5)


def _replaying() -> Iterator[Row]:
    with tempfile.TemporaryDirectory(dir=".cache") as folder:
        subprocess.run([sys.executable, "tools/build_guest.py"], check=True, capture_output=True)
        subprocess.run([flow(), "run", BOOT, "--runs", folder, "--plain"], check=True, capture_output=True)
        tape = Path(folder, "last").resolve()
        real = next(event for event in read(tape / "journal.jsonl") if _is_boot(event, "step.finished"))
        seconds = real["ended"] - real["started"]
        found = [_replay(tape, Path(folder, "replays")) for _ in range(6)][1:]
        boots, wholes = zip(*found, strict=True)
        yield Row(
            "replay of the boot of boot-test.yaml, times real time", seconds / statistics.median(boots), "x", goal=50,
            better="more", note=f"{seconds:.3g} s of QEMU",
        )  # fmt: skip
        whole = read(tape / "journal.jsonl")[-1]["seconds"]
        yield Row(
            "replay of all of it, pictures compared, times real time", whole / statistics.median(wholes), "x",
            better="more",
        )  # fmt: skip


def _is_boot(event: Event, kind: str) -> bool:
    return event["event"] == kind and event.get("path") == "boot"


def _replay(recorded: Path, runs: Path) -> tuple[float, float]:
    """Real seconds of the boot and of the whole."""
    tape = Tape(recorded)
    environment = environment_of(tape, {})
    compiled = compile(BOOT, environment=environment)
    player = Player(tape, compiled.plan, compiled.secrets, runs, environment=environment)
    times: dict[str, float] = {}

    def listen(event: Event) -> None:
        for kind in ("step.started", "step.finished"):
            if _is_boot(event, kind):
                times[kind] = time.perf_counter()

    start = time.perf_counter()
    played = player.play([listen])
    assert played.finished.exit == 0
    return times["step.finished"] - times["step.started"], time.perf_counter() - start
