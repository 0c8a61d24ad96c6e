"""Fixtures of the report's tests: invented run folders of each kind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.fake_run import FakeRun
from tests.support.fake_runs import KINDS


@pytest.fixture
def make(tmp_path: Path) -> Callable[[str], Path]:
    """Writes the invented run of a kind and returns its folder."""

    def write(kind: str) -> Path:
        run = FakeRun(tmp_path / "runs" / kind)
        KINDS[kind](run)
        return run.folder

    return write
