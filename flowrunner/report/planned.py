"""What `plan.json` adds to the journal: the parameters of each step, and the text of the pipeline."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_INSTANCE = re.compile(r"\[\d+\]|#\d+")


@dataclass(frozen=True, slots=True)
class Planned:
    """The nodes of the plan by path, and the text of each file by its name in spans."""

    nodes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)
    description: str | None = None

    def node(self, path: str) -> Mapping[str, Any]:
        """The plan's node of a path in the run; empty when there is none."""
        return self.nodes.get(_INSTANCE.sub("", path), {})

    def parameters(self, path: str) -> Mapping[str, Any]:
        """What the author gave the step at `path`."""
        node = self.node(path)
        found = (node.get("body") or node).get("params")
        return found if isinstance(found, dict) else {}


def read_plan(folder: Path) -> Planned:
    """The plan of a run's folder; an empty one when it is missing or damaged: the journal is enough for a report."""
    try:
        plan = json.loads((folder / "plan.json").read_text("utf-8", "replace"))
    except (OSError, ValueError):
        return Planned()
    if not isinstance(plan, dict):
        return Planned()
    nodes = {str(node["path"]): node for node in _nodes(plan.get("scope") or {})}
    sources = plan.get("sources")
    return Planned(nodes, sources if isinstance(sources, dict) else {}, plan.get("description"))


def _nodes(value: Any) -> Iterator[Mapping[str, Any]]:
    """Every mapping in the jobs that has a path and a place: a node of some scope."""
    if isinstance(value, list):
        for item in value:
            yield from _nodes(item)
    elif isinstance(value, dict):
        if isinstance(value.get("path"), str) and "where" in value:
            yield value
        for key, item in value.items():
            if key != "params":
                yield from _nodes(item)
