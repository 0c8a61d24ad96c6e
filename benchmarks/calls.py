"""Calls of a driver over a unix socket, beside bare grpc.aio (the floor) and the real Jumpstarter, in one run."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil

from benchmarks.harness import PEERS, Row, flow

OURS = "export: {power: {type: power.virtual, config: {interval: 0}}}\n"
THEIRS = """
apiVersion: jumpstarter.dev/v1alpha1
kind: ExporterConfig
metadata: {namespace: default, name: demo}
endpoint: ""
token: ""
export: {power: {type: jumpstarter_driver_power.driver.MockPower}}
"""
ROUNDS = 3

Figures = Mapping[str, float]


def measure() -> Iterator[Row]:
    """The same calls to each of them, in turns; each figure is the best of three."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        runs = [dict(_round(folder)) for _ in range(ROUNDS)]
    best = {kind: _best([run[kind] for run in runs if kind in run]) for kind in runs[0]}
    floor, theirs = best["floor"], best.get("theirs")
    kinds = {
        "ours": "our own protocol", "wire": "Jumpstarter's, to our exporter",
        "quiet": "Jumpstarter's, with --log-level WARNING",
    }  # fmt: skip
    for kind, what in kinds.items():
        mine = best[kind]
        for figure, words, unit, share in (
            ("alone", "calls one after the other", "/s", 0.9),
            ("many", "calls with 30 in flight", "/s", 0.9),
        ):
            yield Row(
                f"{words}, {what}", mine[figure], unit, goal=share * floor[figure], peer=floor[figure],
                peer_name="bare grpc.aio", better="more",
                note=f"Jumpstarter {theirs[figure]:.4g}" if theirs else "",
            )  # fmt: skip
        yield Row(
            f"median of one call, {what}", mine["median"], "ms", goal=0.75, peer=floor["median"],
            peer_name="bare grpc.aio", note=f"Jumpstarter {theirs['median']:.3g}" if theirs else "",
        )  # fmt: skip
    yield Row("exporter ready after start", min(run["ready"]["seconds"] for run in runs), "s", goal=0.5)
    yield Row("exporter memory, idle", min(run["ready"]["memory"] for run in runs), "MiB", goal=60)


def _round(folder: Path) -> Iterator[tuple[str, Figures]]:
    with _serving([sys.executable, "-m", "benchmarks._calls_floor", folder / "floor"]):
        yield "floor", _client(folder / "floor", "floor")
    (folder / "ours.yaml").write_text(OURS)
    start = time.perf_counter()
    command: list[str | Path] = [
        flow(),
        "exporter",
        "run",
        folder / "ours.yaml",
        "--listen",
        f"unix:{folder}/ours",
        "--no-supervise",
    ]
    with _serving(command) as process:
        ready = time.perf_counter() - start
        memory = psutil.Process(process.pid).memory_info().rss / 2**20
        yield "ready", {"seconds": ready, "memory": memory}
        yield "wire", _client(folder / "ours", "jumpstarter")
        yield "ours", _client(folder / "ours", "ours")
    with _serving([*command, "--log-level", "WARNING"]):
        yield "quiet", _client(folder / "ours", "jumpstarter")
    if (PEERS / "jmp").exists():
        (folder / "theirs.yaml").write_text(THEIRS)
        inside = 'exec "$0" -m benchmarks._calls_client "$JUMPSTARTER_HOST" jumpstarter'
        shell: list[str | Path] = [
            PEERS / "jmp",
            "shell",
            "--exporter-config",
            folder / "theirs.yaml",
            "--",
            "sh",
            "-c",
            inside,
        ]
        yield "theirs", _figures(_run([*shell, sys.executable]))


@contextmanager
def _serving(command: Sequence[str | Path]) -> Iterator[subprocess.Popen[bytes]]:
    """A server from its first line to its end."""
    process = subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE)
    assert process.stdout
    try:
        if not process.stdout.readline():
            raise RuntimeError(f"{command} did not start")
        yield process
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


def _client(path: Path, kind: str) -> Figures:
    return _figures(_run([sys.executable, "-m", "benchmarks._calls_client", path, kind]))


def _run(command: Sequence[str | Path]) -> str:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    if "{" not in done.stdout:
        raise RuntimeError(f"{command} exited {done.returncode}: {done.stderr[-500:]}")
    return done.stdout


def _figures(output: str) -> Figures:
    found: dict[str, float] = json.loads(output[output.index("{") : output.index("}") + 1])
    return found


def _best(runs: list[Figures]) -> Figures:
    pick = {"median": min, "seconds": min, "memory": min}
    return {figure: pick.get(figure, max)(run[figure] for run in runs) for figure in runs[0]}
