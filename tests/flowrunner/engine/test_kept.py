"""What steps keep open is closed when their scope ends, in reverse order, however it ended."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import anyio
import pytest

from flowrunner.beside import beside
from flowrunner.errors import BenchError, ExpectationError
from flowrunner.model import Duration
from flowrunner.pipeline.plan import Retry, StepNode
from flowrunner.step import Context, Step
from tests.support.engine_kit import act, execute, group, parallel, plan

LOG: list[str] = []


@pytest.fixture(autouse=True)
def log() -> Iterator[list[str]]:
    """What was opened and closed, in order."""
    LOG.clear()
    yield LOG


class Keep(Step):
    """Keeps something called `name`; opening and closing it can go wrong, and so can the step behind it."""

    name: str
    opening: Literal["", "fail", "hang", "exit"] = ""
    closing: Literal["", "fail", "hang", "stubborn"] = ""
    breaks: float = 0.0
    then: Literal["pass", "fail", "hang"] = "pass"

    async def run(self, context: Context) -> None:
        assert await context.keep(self._held()) == self.name
        assert await context.keep(self._held(".2")) == self.name + ".2"
        match self.then:
            case "fail":
                raise ExpectationError("it did not hold")
            case "hang":
                await anyio.sleep(1000)
            case "pass":
                pass

    @asynccontextmanager
    async def _held(self, part: str = "") -> AsyncIterator[str]:
        async def work() -> None:
            await anyio.sleep(self.breaks or 10_000)
            raise BenchError(f"{self.name} broke", blame="device")

        if self.opening == "fail":
            raise BenchError("it cannot be opened")
        if self.opening == "exit":
            raise SystemExit(3)
        if self.opening == "hang":
            await anyio.sleep(1000)
        LOG.append(f"open {self.name}{part}")
        try:
            async with beside(work):
                yield self.name + part
        finally:
            if self.closing:
                await self._close_badly()
            LOG.append(f"closed {self.name}{part}")

    async def _close_badly(self) -> None:
        end = anyio.current_time() + 100
        while anyio.current_time() < end:
            try:
                await anyio.sleep(0 if self.closing == "fail" else 100)
                raise BenchError("it cannot be closed")
            except BaseException:
                if self.closing != "stubborn":
                    raise


def keep(path: str, **fields: Any) -> StepNode:
    """A step that keeps two things, `path` and `path.2`."""
    common = {name: fields.pop(name) for name in ("timeout", "retry", "on_failure") if name in fields}
    return replace(act(path, **common), step=Keep, action="keep", values={"name": path, **fields})


OPEN = ["open a", "open a.2"]
CLOSED = ["closed a.2", "closed a"]


def test_it_is_there_for_the_rest_of_the_scope_with_finally_and_closed_in_reverse(tmp_path: Path) -> None:
    ran = execute(plan(keep("a"), keep("b"), act("c", takes=50), last=(act("z", takes=5),), devices=["dut"]), tmp_path)
    assert ran.outcome == "passed"
    assert [*OPEN, "open b", "open b.2", "closed b.2", "closed b", *CLOSED] == LOG
    assert ran.lab.log == ["released dut"]


@pytest.mark.parametrize(
    ("steps", "outcome"),
    [
        ([act("c", then="fail")], "failed"),
        ([act("c", then="raise")], "errored"),
        ([act("c", then="exit")], "errored"),
        ([act("c", then="stop")], "passed"),
        ([act("c", takes=60, timeout=Duration(5))], "failed"),
        ([act("c", takes=60, timeout=Duration(5), stubborn=True)], "failed"),
    ],
)
def test_it_is_closed_however_the_scope_ends(tmp_path: Path, steps: list[StepNode], outcome: str) -> None:
    ran = execute(plan(keep("a"), *steps, devices=["dut"]), tmp_path)
    assert ran.outcome == outcome
    assert [*OPEN, *CLOSED] == LOG


def test_it_is_closed_when_the_run_is_canceled_and_its_finally_skipped(tmp_path: Path) -> None:
    body = plan(keep("a"), act("c", takes=60), last=(act("z", takes=60),))
    assert execute(body, tmp_path, cancel=[(3, "ctrl-c"), (4, "ctrl-c")]).outcome == "canceled"
    assert [*OPEN, *CLOSED] == LOG


def test_it_is_closed_before_the_next_step_behind_its_group_and_branch(tmp_path: Path) -> None:
    inner = group("g", [keep("a")])
    branches = parallel("p", {"x": [keep("b")], "y": [act("p.y.c", takes=9)]})
    ran = execute(plan(inner, keep("n"), branches), tmp_path)
    assert ran.outcome == "passed"
    assert LOG[:4] == [*OPEN, *CLOSED]
    assert LOG[-2:] == ["closed n.2", "closed n"]
    assert LOG.index("closed b") < LOG.index("closed n.2")


def test_an_attempt_that_does_not_pass_keeps_nothing(tmp_path: Path) -> None:
    retry = Retry(attempts=2, on=("failed",))
    ran = execute(plan(keep("a", then="fail", retry=retry, on_failure="continue"), act("c")), tmp_path)
    assert ran.outcome == "failed"
    assert [*OPEN, *CLOSED, *OPEN, *CLOSED] == LOG


def test_a_step_that_hangs_behind_it_leaves_nothing_at_its_timeout(tmp_path: Path) -> None:
    ran = execute(plan(keep("a", then="hang", timeout=Duration(4))), tmp_path)
    assert ran.record("a")["cause"] == "timeout"
    assert [*OPEN, *CLOSED] == LOG


@pytest.mark.parametrize(
    ("opening", "message"), [("fail", "it cannot be opened"), ("hang", "timeout of 4s"), ("exit", "called exit")]
)
def test_what_cannot_be_opened_is_an_error_of_the_step(tmp_path: Path, opening: str, message: str) -> None:
    ran = execute(plan(keep("a", opening=opening, timeout=Duration(4))), tmp_path)
    assert message in ran.record("a")["message"]
    assert LOG == []


def test_one_that_breaks_is_told_at_once_and_makes_the_scope_errored(tmp_path: Path) -> None:
    ran = execute(plan(keep("a", breaks=5.0), act("c", takes=20)), tmp_path)
    (told, _) = ran.of("log")
    assert told["t"] == pytest.approx(5)
    assert (told["level"], told["path"]) == ("error", "a")
    assert "a broke" in told["message"]
    assert (ran.outcome, ran.finished.result.blame) == ("errored", "device")
    assert ran.record("c")["outcome"] == "passed"


@pytest.mark.parametrize(("closing", "seconds"), [("fail", 0), ("hang", 10), ("stubborn", 20)])
def test_one_that_does_not_close_is_an_error_and_hinders_nothing(tmp_path: Path, closing: str, seconds: float) -> None:
    ran = execute(plan(keep("n"), keep("a", closing=closing), devices=["dut"]), tmp_path)
    assert (ran.outcome, ran.finished.result.blame) == ("errored", "infra" if seconds else "device")
    assert [line for line in LOG if line.startswith("closed n")] == ["closed n.2", "closed n"]
    assert ran.lab.log == ["released dut"]
    assert ran.of("run.finished")[0]["seconds"] == pytest.approx(seconds, abs=0.1)


def test_what_finally_keeps_lasts_until_finally_ends(tmp_path: Path) -> None:
    ran = execute(plan(act("c"), last=(keep("a"), act("z", takes=3)), devices=["dut"]), tmp_path)
    assert ran.outcome == "passed"
    assert [*OPEN, *CLOSED] == LOG


def test_what_comes_between_attempts_keeps_nothing_for_the_next_one(tmp_path: Path) -> None:
    retry = Retry(attempts=2, on=("failed",), between=(keep("a"),))
    execute(plan(act("c", then="fail", retry=retry), last=(act("z"),)), tmp_path)
    assert [*OPEN, *CLOSED] == LOG
