"""Compile text as if it were a file."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from flowrunner.errors import PipelineErrors
from flowrunner.pipeline import Compiled, compile
from flowrunner.pipeline.plan import Node, StepNode


class Bench:
    """A folder with one pipeline in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "test.yaml"

    def compile(self, text: str, **how: Any) -> Compiled:
        self.path.write_text(dedent(text))
        return compile(self.path, **how)

    def errors(self, text: str, **how: Any) -> list[str]:
        """`line:column code: text` of each error, and its help behind a bar."""
        with pytest.raises(PipelineErrors) as caught:
            self.compile(text, **how)
        return [
            f"{error.where.short if error.where else '-'} {error.code}: {error.what}"
            + (f" | {error.help}" if error.help else "")
            for error in caught.value.errors
        ]

    def nodes(self, text: str, **how: Any) -> dict[str, Node]:
        """Each node of the plan by its path."""
        return {node.path: node for node in self.compile(text, **how).plan.walk()}

    def step(self, text: str, path: str, **how: Any) -> StepNode:
        node = self.nodes(text, **how)[path]
        assert isinstance(node, StepNode)
        return node
