from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from textwrap import dedent

import pytest

from flowrunner.lab.discover import discover
from flowrunner.lab.static import StaticLab
from tests.support import acme

Write = Callable[[str, str], Path]


@pytest.fixture
def events(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """What the switches of acme were asked, in order."""
    with acme.installed(tmp_path_factory.mktemp("acme")):
        yield import_module("acme_drivers.switch").EVENTS


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a file into the test's folder."""

    def write(name: str, text: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text))
        return path

    return write


@pytest.fixture
def lab(write: Write, tmp_path: Path, events: list[str]) -> Callable[[str], StaticLab]:
    """The lab of a lab file's text."""

    def lab(text: str) -> StaticLab:
        write("lab.yaml", text)
        return discover(tmp_path / "pipeline.yaml", environment={"FLOW_LOCK_DIR": str(tmp_path / "locks")})

    return lab
