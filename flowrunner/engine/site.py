"""Where in the run a node stands: its names, its limits, its devices, and who may stop it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from flowrunner.engine.halt import Halt, Limit
from flowrunner.engine.held import Held
from flowrunner.engine.kept import Beside
from flowrunner.engine.meeting import Member
from flowrunner.engine.names import Frame
from flowrunner.pipeline.plan import Node


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """`plan` is the path of the enclosing block in the plan, `instance` the same with its iterations and attempts.

    `home` is the folder at which relative paths start, when it is not that of the pipeline; `meeting` are the barriers
    of the branch that it is in. `fresh` is what comes after a body: a run that is resumed does it again. `beside` goes
    on until the end of the scope.
    """

    frame: Frame
    halt: Halt
    limit: Limit | None = None
    held: Mapping[str, Held]
    plan: str = ""
    instance: str = ""
    home: Path | None = None
    meeting: Member | None = None
    fresh: bool = False
    beside: Beside = field(default_factory=Beside)

    def path(self, node: Node) -> str:
        """The node's path in this run."""
        rest = node.path[len(self.plan) :] if self.plan else node.path
        return self.instance + rest

    def inside(self, node: Node, instance: str, **changes: Any) -> Site:
        """The site of what `node` contains, when `node` itself goes by the path `instance`."""
        return replace(self, plan=node.path, instance=instance, **changes)
