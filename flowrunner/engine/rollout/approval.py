"""Decisions of people: files in the run's folder, each bound to a wave and to the plan that was looked at."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flowrunner.engine.lines import Event

FOLDER = "approvals"

LOOK_EVERY = 0.25
"""Seconds between two looks for a decision."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A wave that waits: `job` is the path of its job, `plan` the digest of the plan that the decision is about."""

    job: str
    wave: str
    plan: str


def pending(events: list[Event]) -> list[Asked]:
    """What a run waits for, from its journal."""
    open_: dict[tuple[str, str], Asked] = {}
    for event in events:
        if event["event"] == "approval.requested":
            asked = Asked(job=str(event["path"]), wave=str(event["wave"]), plan=str(event["plan"]))
            open_[asked.job, asked.wave] = asked
        elif event["event"] == "approval.given":
            open_.pop((str(event["path"]), str(event["wave"])), None)
        elif event["event"] in ("run.finished", "run.resumed"):
            open_.clear()
    return list(open_.values())


def approve(folder: Path, asked: Asked, by: str) -> None:
    """Say yes, whole or not at all."""
    path = _path(folder, asked)
    path.parent.mkdir(exist_ok=True)
    facts = {"job": asked.job, "wave": asked.wave, "plan": asked.plan, "by": by, "at": datetime.now(UTC).isoformat()}
    new = path.with_name(f".{path.name}.{os.getpid()}")
    with new.open("w") as file:
        file.write(json.dumps(facts) + "\n")
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


def decision(folder: Path, asked: Asked) -> Mapping[str, Any] | None:
    """The yes that was said to exactly this; one to another plan is none."""
    try:
        found = json.loads(_path(folder, asked).read_text())
    except (OSError, ValueError):
        return None
    same = isinstance(found, dict) and (found.get("job"), found.get("wave"), found.get("plan")) == (
        asked.job, asked.wave, asked.plan,
    )  # fmt: skip
    return found if same else None


def _path(folder: Path, asked: Asked) -> Path:
    name = re.sub(r"[^\w.-]", "_", f"{asked.job}.{asked.wave}")
    return folder / FOLDER / f"{name}.{asked.plan[:16]}.json"
