"""`flow exporter run` in a process of its own, and runs of pipelines on it from this one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio

from flowrunner.engine.lines import read
from flowrunner.engine.run import Finished, Runner
from flowrunner.engine.state import Options
from flowrunner.lab.access import Access
from flowrunner.lab.discover import discover
from flowrunner.pipeline.compiler import compile
from tests.support.bench import Done
from tests.support.flow import clean


@dataclass(frozen=True)
class Exporter:
    """An exporter that listens at a unix socket and at a port of loopback."""

    unix: str
    tcp: str
    process: subprocess.Popen[str]


@contextmanager
def exporter(
    file: Path, folder: Path, *, within: Sequence[str] = (), host: str = "127.0.0.1", passphrase: str | None = None
) -> Iterator[Exporter]:
    """Serve the bench of `file`; its socket is in `folder`. `within` is a command that runs it, such as `ip netns exec`.

    At the end it is asked to stop, and must do so in peace.
    """
    process = subprocess.Popen(
        [
            *within, sys.executable, "-m", "flowrunner", "exporter", "run", str(file), "--insecure", "--no-supervise", "--format", "json",
            "--listen", f"unix:{folder}/s", "--listen", f"{host}:0",
        ],
        stdout=subprocess.PIPE, text=True,
        env={**clean(), "FLOW_LOCK_DIR": str(folder / "exporter-locks"), **({"FLOW_PASSPHRASE": passphrase} if passphrase else {})},
    )  # fmt: skip
    try:
        assert process.stdout
        lines = [process.stdout.readline(), process.stdout.readline()]
        assert all(lines), "the exporter did not come up; what it said is above"
        unix, tcp = (json.loads(line)["address"] for line in lines)
        yield Exporter(unix, tcp, process)
    finally:
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=30)
    assert process.returncode == 0, out


def run(
    pipeline: Path, folder: Path, *, exporters: Sequence[str] = (), lab: Path | None = None,
    inputs: Mapping[str, Any] | None = None, **environment: str,
) -> Done:  # fmt: skip
    """Run a pipeline in this process; what it leaves is in `folder`. Ports are spoken to in plain text."""
    surroundings = {"PATH": os.environ["PATH"], "FLOW_LOCK_DIR": str(folder / "locks"), **environment}
    compiled = compile(pipeline, inputs=inputs, environment=surroundings)
    access = Access(insecure=True) if any("127.0.0.1" in text for text in exporters) else None
    found = discover(
        pipeline, lab=str(lab) if lab else None, exporters=exporters, environment=surroundings, access=access
    )
    runner = Runner(
        compiled.plan, compiled.secrets, found, folder / "runs", Options(fsync=False, environment=surroundings)
    )

    async def main() -> Finished:
        requests = tuple(compiled.plan.requests())
        await found.look(requests)
        found.check(requests)
        return await runner.run()

    finished = anyio.run(main)
    return Done(finished, read(finished.folder / "journal.jsonl"))
