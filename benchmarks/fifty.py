"""Fifty pipelines at once on one machine: is a byte of a console lost, and how much later is each of them served?"""

from __future__ import annotations

import asyncio
import os
import random
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.harness import Row, flow

MANY = 50
TICKS = 16
ALONE = 150
"""Answers of each of many, and of one alone: both are enough for a percentile."""
RATE = 11_520
"""Bytes a second that each console prints meanwhile: what a serial line at 115200 baud can carry."""

PIECE = 0.05
"""Seconds between two pieces of that."""

PIPELINE = """
flow: 1
devices: {dut: {selector: ""}}
steps:
  - foreach: TICKS
    group:
      - send: go
      - expect: {pattern: 'MARK \\d+', within: 60s}
  - send: bye
  - expect: {pattern: the end, within: 60s}
"""

BENCH = "export: {console: {type: console.serial, config: {url: 'socket://127.0.0.1:%d'}}}\n"


def measure() -> Iterator[Row]:
    """From a line's last byte on its way to what the pipeline sends in answer: its match, its record, the next step."""
    one = asyncio.run(_all(1, ALONE, (0.05, 0.15)))
    many = asyncio.run(_all(MANY, TICKS, (1, 3)))
    yield Row("one pipeline: line to answer, p50", _percentile(one, 50), "ms")
    yield Row("one pipeline: line to answer, p99", _percentile(one, 99), "ms")
    yield Row(f"{MANY} pipelines at once: line to answer, p50", _percentile(many, 50), "ms")
    p99 = _percentile(many, 99)
    goal = 3 * _percentile(one, 99)
    yield Row(f"{MANY} pipelines at once: line to answer, p99", p99, "ms", goal=round(goal, 2))
    lost = sum(end.lost for end in many)
    sent = sum(len(end.sent) for end in many)
    yield Row(f"{MANY} pipelines at once: bytes lost", lost, "B", goal=0, note=f"of {sent / 1e6:.3g} MB")


@dataclass
class _FarEnd:
    """A console that prints all the time once it was asked, and answers `go` with a line some time later."""

    meeting: asyncio.Barrier
    pause: tuple[float, float]
    sent: bytearray = field(default_factory=bytearray)
    delays: list[float] = field(default_factory=list)
    lost: int = 0
    port: int = 0
    _at: float | None = None
    _over: bool = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        printing: asyncio.Task[None] | None = None
        answers: set[asyncio.Task[None]] = set()
        try:
            while line := await reader.readline():
                now = time.perf_counter()
                printing = printing or asyncio.create_task(self._print(writer))
                if self._at is not None:
                    self.delays.append((now - self._at) * 1000)
                    self._at = None
                if line.strip() == b"bye":
                    self._over = True
                    await printing
                    self._write(writer, b"the end\n")
                else:
                    answers.add(asyncio.create_task(self._answer(writer)))
        except ConnectionResetError:
            pass  # its end was on the way, as it is when a pipeline ends
        finally:
            if printing:
                printing.cancel()
            writer.close()

    async def _answer(self, writer: asyncio.StreamWriter) -> None:
        if not self.delays:
            await self.meeting.wait()
        await asyncio.sleep(random.uniform(*self.pause))
        self._write(writer, b"MARK %d\n" % len(self.delays))
        self._at = time.perf_counter()

    async def _print(self, writer: asyncio.StreamWriter) -> None:
        count = 0
        while not self._over:
            count += 1
            self._write(writer, (b"%08d " % count).ljust(int(RATE * PIECE) - 1, b".") + b"\n")
            await asyncio.sleep(PIECE)

    def _write(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        self.sent += data
        writer.write(data)


async def _all(count: int, ticks: int, pause: tuple[float, float]) -> list[_FarEnd]:
    """Run so many pipelines beside each other; all of them have started before the first is asked anything."""
    with tempfile.TemporaryDirectory(dir=".cache") as name:
        folder = Path(name).resolve()
        (folder / "p.yaml").write_text(PIPELINE.replace("TICKS", str(list(range(ticks)))))
        meeting = asyncio.Barrier(count)
        ends = [_FarEnd(meeting, pause) for _ in range(count)]
        servers = [await asyncio.start_server(end.serve, "127.0.0.1", 0) for end in ends]
        processes = []
        for number, server in enumerate(servers):
            port = server.sockets[0].getsockname()[1]
            bench = folder / f"{number}.yaml"
            bench.write_text(BENCH % port)
            words = ("run", folder / "p.yaml", "-e", bench, "--runs", folder / str(number), "--plain")
            environment = {**os.environ, "FLOW_LOCK_DIR": str(folder / "locks")}
            processes.append(
                await asyncio.create_subprocess_exec(
                    flow(), *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, env=environment
                )
            )
        for process in processes:
            said, _ = await process.communicate()
            assert process.returncode == 0, said.decode()[-1000:]
        for server in servers:
            server.close()
        for number, end in enumerate(ends):
            log = next((folder / str(number) / "last").glob("*console.log")).read_bytes()
            end.lost = 0 if log == bytes(end.sent) else abs(len(end.sent) - len(log)) or 1
        return ends


def _percentile(ends: list[_FarEnd], part: int) -> float:
    """Of the answers while all of them are at work: others may have ended before the last ones."""
    delays = [delay for end in ends for delay in end.delays[:-4]]
    return statistics.quantiles(delays, n=100, method="inclusive")[part - 1]
