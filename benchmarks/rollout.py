"""What a rollout costs for each device, and whether that stays so when the fleet grows."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.harness import Row, flow, median
from flowrunner.pipeline.plan import Wave
from tests.support.fleets import FleetLab, execute, rollout
from tests.support.flow import clean

SIZES = (10, 30, 100, 300, 1000, 3000)

PIPELINE = """
flow: 1
name: gateways
jobs:
  update:
    strategy:
      rollout:
        fleet: {selector: product=gateway}
        waves: [{name: canary, size: 3}, {name: early, size: 10%}, {name: broad, size: 100%}]
        max_parallel: 50
        max_unavailable: {count: 50%, per: site}
        halt_when: ["${{ wave.finished >= 20 and wave.failed / wave.finished > 0.02 }}"]
    devices: {gw: {requires: [power]}}
    steps:
      - power: on
      - {id: first, power: {action: read, count: 1}}
      - log: ${{ devices.gw.name }} in ${{ wave.name }}
      - assert: ${{ steps.first.outputs.readings[0].voltage > 4 }}
      - measure: {name: volts, value: "${{ steps.first.outputs.readings[0].voltage }}", unit: V}
      - power: {action: cycle, off_for: 10ms}
      - {id: second, power: {action: read, count: 1}}
      - assert: ${{ steps.second.outputs.readings[0].current > 1 }}
      - log: ${{ fleet.size }} devices
      - power: off
"""


def measure() -> Iterator[Row]:
    """The whole of it in a process of its own, then the scheduler by itself over fleets that grow."""
    for size in (100, 1000):
        seconds, cpu, memory = _whole(size)
        goals = (60, 400) if size == 1000 else (None, None)
        name = f"flow run, {size} virtual devices, 10 steps each"
        yield Row(f"{name}, fsync on, reports written", seconds, "s", goal=goals[0])
        yield Row(f"{name}: CPU for each device", cpu / size * 1000, "ms")
        yield Row(f"{name}: memory at most", memory, "MB", goal=goals[1])
    costs = {size: median(lambda size=size: _scheduler(size), 3) for size in SIZES}  # type: ignore[misc]
    for size, cost in costs.items():
        ratio = f"{cost / costs[100]:.2f} of that with 100"
        yield Row(f"engine and scheduler, {size} devices of 2 steps: for each", cost, "ms", note=ratio)


def _whole(size: int) -> tuple[float, float, float]:
    """Wall seconds, CPU seconds and MB of a run."""
    with tempfile.TemporaryDirectory(dir=".cache") as folder:
        place = Path(folder)
        lab = [
            f"  gw{n}: {{labels: {{product: gateway, site: s{n % 50}}}, export: {{power: {{type: power.virtual}}}}}}\n"
            for n in range(size)
        ]
        (place / "lab.yaml").write_text("exporters:\n" + "".join(lab))
        (place / "p.yaml").write_text(PIPELINE)
        start = time.perf_counter()
        process = subprocess.Popen(
            [flow(), "run", "p.yaml", "--plain"], cwd=place, stdout=subprocess.DEVNULL,
            env={**clean(), "FLOW_LOCK_DIR": f"{place}/locks"},
        )  # fmt: skip
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise RuntimeError(f"the rollout exited {process.returncode}")
        return time.perf_counter() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def _scheduler(size: int) -> float:
    """Milliseconds of CPU for each device, on a virtual clock, without durability and reports."""
    plan = rollout(
        Wave(name="canary", size=3), Wave(name="early", percent=10), Wave(name="broad", percent=100), parallel=50,
        per_site=5, halt=("wave.finished >= 20 and wave.failed / wave.finished > 0.02",),
    )  # fmt: skip
    with tempfile.TemporaryDirectory(dir=".cache") as folder:
        lab = FleetLab([[]] * size, sites=20)
        start = time.process_time()
        ran = execute(plan, Path(folder), lab)
        assert ran.outcome == "passed"
        return (time.process_time() - start) / size * 1000
