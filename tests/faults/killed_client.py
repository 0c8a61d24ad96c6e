"""A run that kills itself, as `kill -9` does, at a given line of its journal."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import anyio

from flowrunner.engine.lines import Event
from flowrunner.engine.run import Runner
from flowrunner.engine.state import Options
from flowrunner.lab.discover import discover
from flowrunner.pipeline.compiler import compile


def run_until(index: int, pipeline: str, lab: str, folder: str) -> None:
    """Run `pipeline` on `lab` until line `index` of the journal is written, and die at that moment."""
    environment = {"PATH": os.environ["PATH"], "FLOW_LOCK_DIR": f"{folder}/locks"}
    compiled = compile(Path(pipeline), environment=environment)
    found = discover(Path(pipeline), lab=lab, environment=environment)
    runner = Runner(compiled.plan, compiled.secrets, found, Path(folder) / "runs", Options(environment=environment))

    def die(event: Event) -> None:
        if event.get("n") == index:
            os.kill(os.getpid(), signal.SIGKILL)

    async def main() -> None:
        await found.look(tuple(compiled.plan.requests()))
        finished = await runner.run([die])
        (Path(folder) / "finished").write_text(str(finished.exit))

    anyio.run(main)
