"""One broken pipeline for each diagnostic: all errors, their places and their texts are pinned."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from flowrunner.errors import PipelineErrors
from flowrunner.pipeline import compile

CORPUS = Path(__file__).parents[2] / "corpus" / "broken"
FILES = sorted(CORPUS.glob("*.yaml"))
EXPECTED = re.compile(r"^# expect: (?:([\w./-]+):)?(\d+):(\d+) ([a-z-]+): (.*)$", re.MULTILINE)


def caught(path: Path) -> PipelineErrors:
    with pytest.raises(PipelineErrors) as found:
        compile(path)
    return found.value


def errors_of(path: Path) -> list[tuple[str, int, int, str, str]]:
    return [(e.where.file, e.where.line, e.where.column, e.code, e.what) for e in caught(path).errors if e.where]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_says_what_is_wrong_and_where(path: Path) -> None:
    expected = [
        (str(path.parent / file) if file else str(path), int(line), int(column), code, what)
        for file, line, column, code, what in EXPECTED.findall(path.read_text())
    ]
    assert errors_of(path) == expected


def test_has_a_file_for_each_diagnostic() -> None:
    codes = Counter(code for path in FILES for _, _, _, code, _ in EXPECTED.findall(path.read_text()))
    assert len(FILES) >= 60
    assert len(codes) >= 40, sorted(codes)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_places_lie_inside_the_file(path: Path) -> None:
    for file, line, column, _, _ in errors_of(path):
        lines = Path(file).read_text().split("\n")
        assert 1 <= line <= len(lines)
        assert 1 <= column <= len(lines[line - 1]) + 1


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_an_error_elsewhere_names_the_way_there(path: Path) -> None:
    for error in caught(path).errors:
        if error.where and error.where.file != str(path):
            assert error.included[-1].file == str(path)
        else:
            assert not error.included
