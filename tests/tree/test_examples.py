"""The examples on the pages about machines, screens, doors, ports and media build and compile."""

import re
from pathlib import Path

import pytest

from flowrunner.bench.bench import Bench
from flowrunner.bench.config import load_exporter
from flowrunner.pipeline.compiler import compile

DOCS = Path(__file__).parents[2] / "docs"
BLOCKS = [
    pytest.param(block, id=f"{page}-{number}")
    for page in ("qemu", "vnc", "doors", "serial", "storage")
    for number, block in enumerate(re.findall(r"```yaml\n(.*?)```", (DOCS / f"{page}.md").read_text(), re.DOTALL))
]


@pytest.mark.parametrize("block", BLOCKS)
def test_an_example_is_one(block: str, tmp_path: Path) -> None:
    path = tmp_path / "example.yaml"
    path.write_text(block)
    if block.startswith("export:"):
        assert Bench(load_exporter(path), "dut").device().children
    else:
        assert compile(path, complete=False).plan.scope.steps
