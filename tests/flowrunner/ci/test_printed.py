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
