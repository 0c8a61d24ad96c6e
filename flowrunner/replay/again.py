"""What a recorded run was started with: its pipeline, its inputs, stand-ins for its secrets."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flowrunner.engine.lines import read
from flowrunner.errors import BenchError, PipelineError
from flowrunner.replay.tape import Tape
from flowrunner.report.runs import resolve_run


def origin(folder: Path, runs: Path) -> Path:
    """The folder of the run that was recorded: `folder`, or what it is a replay of."""
    entry = read(folder / "journal.jsonl")[:1]
    replay = entry[0].get("replay") if entry else None
    return resolve_run(str(replay["run"]), runs) if replay else folder


def pipeline_of(tape: Tape, folder: Path) -> Path:
    """The pipeline's file where it was; when it is gone, its text from the recording, written below `folder`.

    Raises:
        PipelineError: neither is to be had.
    """
    started = tape.started
    named, folder_then = Path(str(started.get("file", ""))), Path(str(started.get("cwd", ".")))
    path = folder_then / named
    if path.is_file():
        return named if folder_then == Path.cwd() else path
    plan = _plan(tape)
    sources = {Path(name): text for name, text in dict(plan.get("sources", {})).items()}
    main = next((name for name in sources if name.name == path.name), None)
    if main is None:
        raise PipelineError(
            f"the pipeline of this run, {path}, is gone", code="no-file", help="name one: flow replay RUN PIPELINE"
        )
    home = main.parent
    for name, text in sources.items():
        try:
            target = folder / name.relative_to(home)
        except ValueError:
            target = folder / name.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    return folder / main.name


def environment_of(tape: Tape, environment: Mapping[str, str]) -> dict[str, str]:
    """`environment` with the inputs that the run had, and something in place of each secret that is not given.

    A replay sends a secret to nobody, so any text will do.
    """
    plan = _plan(tape)
    given: Mapping[str, Any] = tape.started.get("inputs", {})
    inputs = {
        name: given.get(name) if facts["type"] in ("file", "directory") else facts["value"]
        for name, facts in plan.get("inputs", {}).items()
    }
    texts = {
        f"FLOW_INPUT_{name.upper()}": value if isinstance(value, str) else json.dumps(value)
        for name, value in inputs.items()
        if value is not None
    }
    secrets = {f"FLOW_SECRET_{name.upper()}": f"stand-in for {name}" for name in plan.get("secrets", [])}
    return {**secrets, **environment, **texts}


def _plan(tape: Tape) -> dict[str, Any]:
    try:
        plan = json.loads((tape.folder / "plan.json").read_text())
    except (OSError, ValueError) as error:
        raise BenchError(f"{tape.folder / 'plan.json'} could not be read: {error}", blame="infra") from error
    return plan if isinstance(plan, dict) else {}
