"""No driver imports another driver, no action another action: only private helpers, whose names begin with `_`."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TREES = {"flowrunner_steps": ROOT / "steps", "flowrunner_drivers": ROOT / "drivers"}


def plugins() -> Iterator[tuple[str, Path]]:
    for package, root in TREES.items():
        for path in sorted((root / package).rglob("*.py")):
            yield package, path


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize(("package", "path"), list(plugins()), ids=lambda value: getattr(value, "stem", ""))
def test_imports_no_neighbour(package: str, path: Path) -> None:
    neighbours = [name for name in imported(path) if name.split(".")[0] in TREES]
    assert all(name.startswith(f"{package}.") for name in neighbours)
    public = [name for name in neighbours if not any(part.startswith("_") for part in name.split(".")[1:])]
    assert not public
