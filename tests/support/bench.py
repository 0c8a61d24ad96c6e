"""Running pipeline text on a virtual board, in this process, on the real clock."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import anyio

from flowrunner.engine.fitting import check_lab
from flowrunner.engine.lines import Event, read
from flowrunner.engine.run import Finished, Runner
from flowrunner.engine.state import Options
from flowrunner.lab.discover import discover
from flowrunner.pipeline.compiler import compile

BOARD = "{board: {type: machine.virtual}}"


@dataclass
class Done:
    """A finished run and its journal."""

    finished: Finished
    events: list[Event]

    @property
    def outcome(self) -> str:
        return self.finished.result.outcome.value

    def of(self, kind: str) -> list[Event]:
        """The events of one kind."""
        return [event for event in self.events if event["event"] == kind]

    def record(self, path: str) -> Event:
        """The one final record of a step."""
        (found,) = [event for event in self.of("step.finished") if event["path"] == path]
        return found

    def files(self) -> Mapping[str, bytes]:
        """What the run left behind, by name."""
        paths = (path for path in self.finished.folder.rglob("*") if path.is_file())
        return {str(path.relative_to(self.finished.folder)): path.read_bytes() for path in paths}


def execute(
    folder: Path, pipeline: str, *, export: str = BOARD, lab: str | None = None, ci: bool = False, **environment: str
) -> Done:
    """Run `pipeline` (without its head) with one exporter, labelled board=any, that exports `export`; or with `lab`."""
    one = f"exporters:\n  board:\n    labels: {{board: any}}\n    export: {export}\n"
    (folder / "lab.yaml").write_text(lab or one)
    path = folder / "p.yaml"
    path.write_text("flow: 1\nname: test\n" + pipeline)
    surroundings = {"PATH": os.environ["PATH"], "FLOW_LOCK_DIR": str(folder / "locks"), **environment}
    compiled = compile(path, environment=surroundings)
    bench = discover(path, environment=surroundings)
    check_lab(bench, compiled.plan)
    options = Options(fsync=False, ci=ci, environment=surroundings)
    finished = anyio.run(Runner(compiled.plan, compiled.secrets, bench, folder / "runs", options).run)
    return Done(finished, read(finished.folder / "journal.jsonl"))
