from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from textwrap import dedent

import pytest

from flowrunner.bench.bench import Bench
from flowrunner.bench.config import load_exporter
from tests.support import acme


@pytest.fixture(autouse=True)
def events(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """What the switches of acme were asked, in order."""
    with acme.installed(tmp_path_factory.mktemp("acme")):
        yield import_module("acme_drivers.switch").EVENTS


@pytest.fixture
def bench(tmp_path: Path) -> Callable[[str], Bench]:
    """Makes a bench named `dut` from an exporter's text."""

    def make(text: str) -> Bench:
        path = tmp_path / "exporter.yaml"
        path.write_text(dedent(text))
        return Bench(load_exporter(path), "dut")

    return make
