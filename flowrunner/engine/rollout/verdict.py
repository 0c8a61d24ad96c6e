"""What a rollout comes to: the outcome of its devices, or the reason why it stopped."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flowrunner.engine.result import Result
from flowrunner.engine.rollout.fleet import Turn
from flowrunner.engine.rollout.halts import Halted
from flowrunner.engine.rollout.turns import Turns
from flowrunner.model import Outcome


def verdict(turns: Turns, halted: Halted | None) -> Result:
    """The result of the job: failed before errored before passed; devices that were left out count as errored."""
    outputs = _outputs(turns)
    if halted is not None:
        advice = "flow resume goes on with it" if halted.state in ("paused", "canceled") else None
        return replace(halted.result, path=turns.path, outputs=outputs, help=advice)
    counts = turns.fleet.counts
    left_out = counts.size - counts.finished
    worst = _first(turns, Outcome.FAILED) or _first(turns, Outcome.ERRORED)
    if worst is None and not left_out:
        return Result(outcome=Outcome.PASSED, path=turns.path, outputs=outputs)
    numbers = ((counts.failed, "failed"), (counts.errored, "errored"), (left_out, "left out"))
    told = ", ".join(f"{number} {word}" for number, word in numbers if number)
    end = worst.result if worst and worst.result else Result(outcome=Outcome.ERRORED, blame="infra")
    return Result(
        outcome=end.outcome, path=turns.path, cause="unmet", because=turns.of(worst) if worst else None,
        blame=end.blame, where=turns.rollout.where, message=f"{told} of {counts.size} devices", outputs=outputs,
    )  # fmt: skip


def _first(turns: Turns, outcome: Outcome) -> Turn | None:
    return next((turn for turn in turns.fleet.turns if turn.result and turn.result.outcome is outcome), None)


def _outputs(turns: Turns) -> dict[str, list[Any]]:
    """Each output as a list in the order of the fleet; None for a device that has none."""
    ended = [turn.result.outputs if turn.result else {} for turn in turns.fleet.turns]
    return {name: [outputs.get(name) for outputs in ended] for name in turns.job.scope.outputs}
