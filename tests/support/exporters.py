"""Exporters, in a process of their own or in this one, and runs of pipelines on them from this one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import anyio

from flowrunner.bench.config import load_exporter
from flowrunner.engine.lines import read
from flowrunner.engine.run import Runner
from flowrunner.engine.state import Options
from flowrunner.lab.access import Access
from flowrunner.lab.discover import discover
from flowrunner.pipeline.compiler import compile
from flowrunner.remote.address import Address
from flowrunner.remote.endpoint import Listen
from flowrunner.remote.exporter.serve import exporting
from flowrunner.remote.exporter.station import Station
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


async def served(file: Path, folder: Path, work: Callable[[str, str], Awaitable[None]]) -> None:
    """Serve the bench of `file` in this process while `work` is done with its addresses: a socket and a port."""
    source = load_exporter(file)
    listens = [Listen(address=Address(path=folder / "s")), Listen(address=Address(host="127.0.0.1"), insecure=True)]
    async with exporting(Station(source, source.exporter.metadata.name or file.stem), listens) as server:
        unix, tcp = map(str, server.addresses)
        await work(unix, tcp)


async def running(
    pipeline: Path, folder: Path, *, exporters: Sequence[str] = (), lab: Path | None = None,
    inputs: Mapping[str, Any] | None = None, **environment: str,
) -> Done:  # fmt: skip
    """Run a pipeline; what it leaves is in `folder`. Ports are spoken to in plain text."""
    surroundings = {"PATH": os.environ["PATH"], "FLOW_LOCK_DIR": str(folder / "locks"), **environment}
    compiled = compile(pipeline, inputs=inputs, environment=surroundings)
    access = Access(insecure=True) if any("127.0.0.1" in text for text in exporters) else None
    found = discover(
        pipeline, lab=str(lab) if lab else None, exporters=exporters, environment=surroundings, access=access
    )
    requests = tuple(compiled.plan.requests())
    await found.look(requests)
    found.check(requests)
    options = Options(fsync=False, environment=surroundings)
    finished = await Runner(compiled.plan, compiled.secrets, found, folder / "runs", options).run()
    return Done(finished, read(finished.folder / "journal.jsonl"))


def run(pipeline: Path, folder: Path, **more: Any) -> Done:
    """The same, from its beginning to its end."""
    return anyio.run(partial(running, pipeline, folder, **more))
