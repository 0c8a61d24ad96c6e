"""The pipelines of the desk, which needs no hardware: here and through an exporter."""

from pathlib import Path

import pytest

from tests.support.exporters import exporter, run

FOLDER = Path(__file__).parents[2] / "pipelines/desk"


@pytest.mark.parametrize("way", ["here", "remote"])
def test_doors_are_open_as_long_as_they_are_needed(tmp_path: Path, way: str) -> None:
    if way == "here":
        done = run(FOLDER / "doors.yaml", tmp_path)
    else:
        with exporter(FOLDER / "bench.yaml", tmp_path) as served:
            done = run(FOLDER / "doors.yaml", tmp_path, exporters=[served.tcp])
    assert done.outcome == "passed", done.finished.result
    assert done.record("climate")["outputs"]["parsed"] == {"place": "chamber", "celsius": 21.5}
    assert "Connection refused" in done.record("closed")["outputs"]["stderr"]
    (said,) = [e["text"] for e in done.of("output") if e["path"] == "finally.host1"]
    assert said.startswith("the hub of ")
