"""What `flow ci` prints does, in any order that the system may choose, what one `flow run` does."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.flowrunner.ci.conftest import story
from tests.support.ci_systems import SYSTEMS, Machine
from tests.support.flow import clean

pytestmark = [pytest.mark.machine, pytest.mark.timeout(300)]


def test_the_printed_jobs_share_nothing_but_the_lab_and_tell_the_same_story_as_one_run(
    source: Path, lab: Path, tmp_path: Path
) -> None:
    environment = {**clean(), "FLOW_LOCK_DIR": str(tmp_path / "locks")}
    whole = Machine(source, tmp_path / "one", environment)
    folder = whole.checkout("whole")
    assert whole.sh("whole", folder, f"flow run fleet.yaml --lab {lab}") == 1
    told = story(folder / "runs" / "last")
    assert told["counts"]["failed"] == 1
    for name, interpret in SYSTEMS.items():
        machine = Machine(source, tmp_path / name, environment)
        printer = machine.checkout("printed")
        machine.sh("print", printer, f"flow ci {name} fleet.yaml --lab {lab} > ../{name}.yaml")
        place = interpret(machine.folder / f"{name}.yaml", machine)
        (merged,) = [path.parent for path in place.glob("flow-report/*/results.json")]
        assert story(merged) == told, name
        assert list(machine.exits.values())[-1] == 1, "the system sees how the whole ended"
        failed = {job.removeprefix("flow:").removeprefix("job-") for job, code in machine.exits.items() if code}
        assert failed == {"broken", "flow-end", list(machine.exits)[-1]}


def test_shards_on_two_machines_make_the_same_story_and_a_third_has_nothing_to_do(
    source: Path, lab: Path, tmp_path: Path
) -> None:
    text = (source / "fleet.yaml").read_text()
    (source / "fleet.yaml").write_text(text[: text.index("  summary:")])
    machine = Machine(
        source, tmp_path / "shards", {**clean(), "FLOW_LOCK_DIR": str(tmp_path / "locks"), "FLOW_CI": "github"}
    )
    folder = machine.checkout("whole")
    machine.sh("whole", folder, f"flow run fleet.yaml --lab {lab}")
    wanted = story(folder / "runs" / "last")
    runs = tmp_path / "flow-runs"
    for number in (1, 2, 3, 4):
        options = f"--shard {number}/4 --durations {folder}/runs/last --runs {runs}/{number}"
        machine.sh(f"shard {number}", machine.checkout(str(number)), f"flow run fleet.yaml --lab {lab} {options}")
    assert sorted(machine.exits[f"shard {number}"] for number in (1, 2, 3, 4)) == [0, 0, 0, 1]
    page = tmp_path / "page.md"
    machine.sh("merge", folder, f"flow report merge {runs} --runs merged", GITHUB_STEP_SUMMARY=str(page))
    (merged,) = (folder / "merged").iterdir()
    assert story(merged) == wanted
    assert machine.exits["merge"] == 1
    assert "| smoke &#40;any&#41;" in page.read_text() or "smoke (any)" in page.read_text()
