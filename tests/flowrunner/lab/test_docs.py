"""The page about labs shows files that fit."""

import re
from pathlib import Path

from flowrunner.bench.checked import checked
from flowrunner.bench.config import Exporter
from flowrunner.lab.config import LabFile
from flowrunner.lab.selector import parse as parse_selector
from flowrunner.source import parse

PAGE = (Path(__file__).parents[3] / "docs" / "lab.md").read_text()


def test_its_files_fit_their_models() -> None:
    lab, exporter = (parse(text, "docs/lab.md").root for text in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL))
    assert lab
    assert exporter
    assert list(checked(LabFile, lab).exporters) == ["rpi4-a", "desk", "rack"]
    assert list(checked(Exporter, exporter).export) == ["board", "uart"]


def test_its_selectors_are_some() -> None:
    table = PAGE.partition("## Selectors")[2].partition("Every exporter")[0]
    for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE):
        for text in re.findall(r"`(.*?)`", row):
            assert parse_selector(text).requirements
