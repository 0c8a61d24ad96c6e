"""The rollout that is shipped, over the virtual fleet that is shipped with it, and over one that does not do well."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.support.exporters import run
from tests.support.rollout_checker import check

PIPELINES = Path(__file__).parents[2] / "pipelines"


def test_every_gateway_gets_the_release(tmp_path: Path) -> None:
    done = run(PIPELINES / "fleet" / "rollout.yaml", tmp_path, lab=PIPELINES / "fleet" / "lab.yaml")
    assert done.outcome == "passed"
    assert check(done.events, "update").state == "complete"
    (said,) = [event["message"] for event in done.of("log") if event["path"] == "report.log1"]
    assert said == "these versions are out there, hello 1.0.0"


def test_a_release_that_does_not_boot_is_taken_back(tmp_path: Path) -> None:
    folder = tmp_path / "pipelines"
    shutil.copytree(PIPELINES, folder)
    lab = (folder / "fleet" / "lab.yaml").read_text()
    (folder / "fleet" / "lab.yaml").write_text(
        lab.replace(
            "gw-oslo-1: &oslo\n    labels: {product: gateway, site: oslo}\n    export: {board: {type: machine.virtual, config: {boot_time: 50ms}}}",
            "gw-oslo-1: &oslo\n    labels: {product: gateway, site: oslo}\n    export: {board: {type: machine.virtual, config: {boot_time: 50ms, boots: [panic]}}}",
        )
    )
    done = run(folder / "fleet" / "rollout.yaml", tmp_path, lab=folder / "fleet" / "lab.yaml")
    assert done.outcome == "failed"
    seen = check(done.events, "update")
    assert seen.state == "rolled back"
    assert seen.began == {0, 1}, "nobody but the canaries was touched"
    assert seen.undone == {0: "passed", 1: "failed"}, "the one that panics does so with the old image too"
    versions = [e["outputs"]["version"] for e in done.of("step.finished") if e["path"] == "update.rollback[0].call1"]
    assert versions == ["release 0.9, what was there before"]
