"""Going on with a run that was cut off: nothing that stands is done again, and the end is the same."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest

from flowrunner.engine.lab import Member
from flowrunner.engine.lines import read
from flowrunner.engine.resume import resume
from flowrunner.errors import PipelineError
from flowrunner.expressions import ANY, parse
from flowrunner.model import Duration
from flowrunner.pipeline.plan import Plan, Retry
from tests.support.engine_kit import HERE, TALLIES, Act, Ran, VirtualLab, act, execute, group, job, jobs, parallel, plan
from tests.support.fleets import cut, go_on


def value(text: str) -> Any:
    """An expression over what earlier steps said."""
    return parse(f"${{{{ {text} }}}}", HERE, source="", names=dict.fromkeys(("steps", "needs", "loop"), ANY))


class Flash(Act):
    """An action whose effect outlives the lease."""

    lasting = True


def counted(path: str, **fields: Any) -> Any:
    """A step that counts how often it was done."""
    return act(path, until=1, tally=path, **fields)


def flash(path: str) -> Any:
    return replace(counted(path, device="dut"), step=Flash)


def steps() -> Plan:
    inner = counted("g.inner", value=value("steps.first.outputs.value + 1"))
    return plan(
        counted("first", value=41, takes=1), flash("flash"), counted("on", device="dut", turn="on"),
        group("g", [inner, counted("g.boot", device="dut", takes=2)]),
        counted("each", foreach=[1, 2, 3], value=value("loop.item * 2")),
        counted("last", value=value("[steps.inner.outputs.value, steps.each.outputs.value, steps.first.outputs.at]")),
        devices=["dut"], last=(act("finally.off", device="dut", turn="off"),),
        outputs={"found": value("steps.last.outputs.value"), "at": value("steps.first.outputs.at")},
    )  # fmt: skip


@pytest.fixture(autouse=True)
def _no_tally() -> None:
    TALLIES.clear()


def test_a_run_that_was_cut_off_anywhere_ends_as_it_would_have_and_repeats_only_what_was_lost(tmp_path: Path) -> None:
    whole = execute(steps(), tmp_path)
    assert whole.outcome == "passed"
    for line in range(1, len(whole.events)):
        with tempfile.TemporaryDirectory() as folder:
            TALLIES.clear()
            ran = execute(steps(), Path(folder))
            cut(ran.finished.folder, line)
            passed = {
                e["path"] for e in ran.events[:line] if e["event"] == "step.finished" and e["outcome"] == "passed"
            }
            TALLIES.clear()
            again = go_on(steps(), ran.finished.folder, VirtualLab())
            assert again.outcome == "passed", line
            assert again.finished.result.outputs["found"] == whole.finished.result.outputs["found"], line
            for path in ("first", "flash", "g.inner"):
                assert TALLIES[path] == (0 if path in passed else 1), f"{path}, cut behind line {line}"
            if "first" in passed:
                assert again.finished.result.outputs["at"] == ran.finished.result.outputs["at"]
                assert type(again.finished.result.outputs["at"]) is Duration
            assert again.lab.power["dut"].is_on is False


def test_steps_that_need_the_device_as_it_was_are_repeated_as_long_as_something_is_left_to_do(tmp_path: Path) -> None:
    ran = execute(steps(), tmp_path)
    begun = next(e["n"] for e in ran.of("step.started") if e["path"] == "last")
    cut(ran.finished.folder, begun)
    TALLIES.clear()
    go_on(steps(), ran.finished.folder, VirtualLab())
    assert dict(TALLIES) == {"on": 1, "g.boot": 1, "last": 1}


def test_a_body_that_was_done_is_not_repeated_for_the_sake_of_finally(tmp_path: Path) -> None:
    ran = execute(steps(), tmp_path)
    done = next(e["n"] for e in ran.of("scope.finished") if (e["path"], e["part"]) == ("", "body"))
    cut(ran.finished.folder, done + 1)
    TALLIES.clear()
    again = go_on(steps(), ran.finished.folder, VirtualLab())
    assert again.outcome == "passed"
    assert not TALLIES
    assert again.lab.power["dut"].done[-2][1] == "off", "finally ran, and the safe state behind it"


def test_a_run_that_failed_goes_on_with_the_step_that_failed(tmp_path: Path) -> None:
    wanted = plan(
        counted("a", value=1),
        act("b", then="fail", until=2, tally="b"),
        counted("c", value=value("steps.a.outputs.value")),
    )
    ran = execute(wanted, tmp_path)
    assert ran.outcome == "failed"
    again = go_on(wanted, ran.finished.folder, VirtualLab())
    assert again.outcome == "passed"
    assert dict(TALLIES) == {"a": 1, "b": 2, "c": 1}
    assert again.record("c")["outputs"]["value"] == 1


def test_jobs_that_passed_are_not_done_again_whatever_they_did(tmp_path: Path) -> None:
    smoke = job("smoke", counted("smoke.on", device="dut", turn="on", value=7), devices=["dut"],
                outputs={"it": value("steps.on.outputs.value")})  # fmt: skip
    after = job(
        "after",
        act("after.see", then="fail", until=2, tally="see", value=value("needs.smoke.outputs.it")),
        needs=("smoke",),
    )
    ran = execute(jobs(smoke, after), tmp_path)
    assert ran.outcome == "failed"
    again = go_on(jobs(smoke, after), ran.finished.folder, VirtualLab())
    assert again.outcome == "passed"
    assert TALLIES["smoke.on"] == 1
    assert again.record("after.see")["outputs"]["value"] == 7
    assert again.lab.power == {}, "no device was leased again"


def test_branches_whose_steps_passed_still_meet(tmp_path: Path) -> None:
    wanted = plan(
        parallel("p", {"left": [counted("p.left.a"), act("p.left.x", then="fail", until=2, tally="x", takes=5)],
                       "right": [counted("p.right.b")]}, fail_fast=False)
    )  # fmt: skip
    ran = execute(wanted, tmp_path)
    again = go_on(wanted, ran.finished.folder, VirtualLab())
    assert again.outcome == "passed"
    assert dict(TALLIES) == {"p.left.a": 1, "p.right.b": 1, "x": 2}


def test_an_attempt_that_was_cut_off_is_gone_on_with_and_those_that_ended_are_not_counted_again(tmp_path: Path) -> None:
    retry = Retry(attempts=3, on=("device",))
    wanted = plan(group("g", [counted("g.a"), act("g.b", then="device", until=3, tally="b")], retry=retry))
    ran = execute(wanted, tmp_path)
    assert ran.outcome == "passed"
    second = next(e["n"] for e in ran.of("step.started") if e["path"] == "g#2.b")
    cut(ran.finished.folder, second + 1)
    TALLIES.clear()
    TALLIES["b"] = 1
    again = go_on(wanted, ran.finished.folder, VirtualLab())
    assert again.outcome == "passed"
    resumed = next(e["n"] for e in again.of("run.resumed"))
    assert [e["attempt"] for e in again.of("attempt.started") if e["n"] > resumed] == [2, 3]


def test_a_resumed_run_can_be_cut_off_again(tmp_path: Path) -> None:
    ran = execute(steps(), tmp_path)
    folder = ran.finished.folder
    for path in ("g.boot", "each"):
        begun = next(
            e["n"]
            for e in reversed(read(folder / "journal.jsonl"))
            if e["event"] == "step.started" and e["path"] == path
        )
        cut(folder, begun + 1)
        TALLIES.clear()
        again = go_on(steps(), folder, VirtualLab())
        assert again.outcome == "passed"
        assert TALLIES["first"] == TALLIES["flash"] == 0
        assert [e["n"] for e in again.events] == list(range(len(again.events)))


def test_a_runner_that_was_killed_after_a_resume_is_cleaned_up_behind_too(tmp_path: Path) -> None:
    ran = execute(steps(), tmp_path)
    folder = ran.finished.folder
    cut(folder, next(e["n"] for e in ran.of("step.started") if e["path"] == "last"))
    again = go_on(steps(), folder, VirtualLab())
    second = next(
        e["n"] for e in again.events if e["event"] == "lease.acquired" and e["n"] > again.of("run.resumed")[0]["n"]
    )
    cut(folder, second + 1)
    lab = VirtualLab()
    anyio.run(resume, folder, steps(), lab)
    assert [call for _, call in lab.power["dut"].done] == ["off"], "the device that the second runner held is made safe"


def refused(wanted: Plan, folder: Path, lab: VirtualLab) -> str:
    """Why a resume is refused, with the differences."""
    with pytest.raises(PipelineError) as caught:
        anyio.run(resume, folder, wanted, lab)
    return f"{caught.value.what}\n{caught.value.help}"


def broken(folder: Path) -> Ran:
    """A run with a device that failed."""
    return execute(plan(act("a", device="dut", value=1), act("b", then="fail"), devices=["dut"]), folder)


def test_a_resume_is_refused_when_the_plan_is_another_one_and_says_what_differs(tmp_path: Path) -> None:
    ran = broken(tmp_path)
    before = (ran.finished.folder / "journal.jsonl").read_bytes()
    other = plan(act("a", device="dut", value=2), act("b", then="fail"), act("c"), devices=["dut"])
    said = refused(replace(other, digest="1" * 64), ran.finished.folder, VirtualLab())
    assert "something is not as it was" in said
    assert "a.params.value: 1 -> 2" in said
    assert "c: is new" in said
    assert (ran.finished.folder / "journal.jsonl").read_bytes() == before, "nothing was done"


def test_a_resume_is_refused_when_the_device_is_another_one(tmp_path: Path) -> None:
    class Moved(VirtualLab):
        def members(self, request: Any) -> list[Member]:
            return [Member(name=f"board-{request.role}", labels={"site": "oslo"}, parts={"power": "power.tasmota"})]

    ran = broken(tmp_path)
    wanted = plan(act("a", device="dut", value=1), act("b", then="fail"), devices=["dut"])
    said = refused(wanted, ran.finished.folder, Moved())
    assert 'dut (board-dut) labels.site: nothing -> "oslo"' in said
    assert 'dut (board-dut) parts.power: "power.virtual" -> "power.tasmota"' in said


def test_who_forces_it_goes_on_with_the_other_plan(tmp_path: Path) -> None:
    ran = broken(tmp_path)
    other = replace(plan(act("a", device="dut", value=1), act("b"), devices=["dut"]), digest="1" * 64)

    async def forced() -> Any:
        return await resume(ran.finished.folder, other, VirtualLab(), force=True)

    assert anyio.run(forced).facts["id"] == ran.finished.id
