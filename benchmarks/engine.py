"""What the engine itself costs per step, with a virtual driver behind each step."""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.harness import Row, median
from flowrunner.engine.run import Runner
from flowrunner.engine.state import Options
from tests.support.engine_kit import VirtualLab, act, plan

STEPS = 500


def measure() -> Iterator[Row]:
    """Milliseconds per step; a step makes one driver call."""
    steps = plan(*(act(f"s{n}", turn="on", device="dut") for n in range(STEPS)), devices=["dut"])

    def run(fsync: bool) -> float:
        with tempfile.TemporaryDirectory(dir=".cache") as folder:
            runner = Runner(steps, {}, VirtualLab(), Path(folder), Options(fsync=fsync))
            start = time.perf_counter()
            finished = asyncio.run(runner.run())
            assert finished.exit == 0
            return (time.perf_counter() - start) / STEPS * 1000

    disk = median(_sync)
    yield Row("engine overhead per step, fsync off", median(lambda: run(False)), "ms", goal=0.5)
    yield Row("one write and fdatasync on this disk", disk, "ms")
    yield Row("engine overhead per step, fsync on", median(lambda: run(True), 3), "ms", peer=disk, peer_name="the disk")


def _sync() -> float:
    with tempfile.NamedTemporaryFile(dir=".cache") as file:
        start = time.perf_counter()
        for _ in range(100):
            os.write(file.fileno(), b"x" * 300)
            os.fdatasync(file.fileno())
        return (time.perf_counter() - start) * 10
