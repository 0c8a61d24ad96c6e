"""A pipeline as CI systems see it: tasks in the order of their needs, each of them one command."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from flowrunner.engine.state import FINALLY
from flowrunner.model import Duration
from flowrunner.pipeline.plan import Job, Plan, Retry

RUNS = "flow-runs"
"""The folder that carries runs from task to task."""

REPORT = "flow-report"
"""The folder of the run that all of them make together."""

INSTANCE = "FLOW_INSTANCE"
"""The variable that tells a task of a matrix which instance it does, from 0."""

MARGIN = 300.0
"""Seconds that a system gives a task beyond what flow itself may take: flow must get to its own clean-up."""

END = "flow-end"
"""No name of a job: those have no hyphens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What the author wants of every task. `runner` is what GitHub and GitLab choose machines by."""

    pipeline: str
    inputs: Sequence[str] = ()
    lab: str | None = None
    image: str | None = None
    runner: str | None = None
    setup: Sequence[str] = ()
    secrets: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One job of the pipeline, all of one without jobs, or (`flow-end`) what comes behind all jobs.

    `labels` name the instances of a matrix. `limit` is in seconds, None when there is none. `group` is the text of a
    concurrency group, when that is fixed.
    """

    name: str
    command: str
    needs: Sequence[str] = ()
    labels: Sequence[str] = ()
    max_parallel: int | None = None
    fail_fast: bool = True
    limit: float | None = None
    group: str | None = None

    @property
    def again(self) -> bool:
        """Whether `errored` is worth another try: what comes behind all jobs ends as they did, and is done once."""
        return self.name != END


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """All tasks, and the command that joins what they did. `left_out` says what the tasks cannot keep."""

    name: str
    wish: Wish
    tasks: Sequence[Task]
    join: str = f"flow report merge {RUNS} --runs {REPORT}"
    left_out: list[str] = field(default_factory=list)


def outline(plan: Plan, wish: Wish) -> Outline:
    """The tasks of `plan`."""
    scope = plan.scope
    if not scope.jobs:
        command = _command(wish, "", "--runs", f"{RUNS}/pipeline")
        return Outline(name=plan.name, wish=wish, tasks=[Task(name="pipeline", command=command)])
    tasks = [_task(job, wish) for job in scope.jobs]
    if scope.rescue or scope.last or scope.outputs:
        command = _command(wish, "", "--ending", "--after", RUNS, "--runs", f"{RUNS}/{END}")
        tasks.append(Task(name=END, command=command, needs=[task.name for task in tasks]))
    return Outline(name=plan.name, wish=wish, tasks=tasks, left_out=list(_left_out(plan)))


def _task(job: Job, wish: Wish) -> Task:
    name = str(job.id)
    which, folder = name, f"{RUNS}/{name}"
    if job.matrix:
        which, folder = f'"{name}[${INSTANCE}]"', f'"{folder}.${INSTANCE}"'
    after = ("--after", RUNS) if job.needs else ()
    return Task(
        name=name, command=_command(wish, f"--job {which} --runs {folder}", *after), needs=job.needs,
        labels=_labels(job), max_parallel=job.matrix.max_parallel if job.matrix else None,
        fail_fast=job.matrix.fail_fast if job.matrix else True, limit=_limit(job),
        group=job.group if isinstance(job.group, str) else None,
    )  # fmt: skip


def _command(wish: Wish, ready: str, *words: str) -> str:
    """The command of a task; `ready` is quoted already."""
    given = [word for one in wish.inputs for word in ("--input", one)]
    lab = ("--lab", wish.lab) if wish.lab else ()
    head = shlex.join(("flow", "run", wish.pipeline))
    tail = shlex.join((*words, *given, *lab))
    return " ".join(part for part in (head, ready, tail) if part)


def _labels(job: Job) -> list[str]:
    """What people call the instances: their values, without what some system would take for its own language."""
    found = []
    for number, values in enumerate(job.matrix.instances if job.matrix else ()):
        text = re.sub(r"[^\w .,:/+-]", "_", ", ".join(str(value) for value in values.values()))
        found.append(f"{number}: {text}"[:100])
    return found


def _limit(job: Job) -> float | None:
    """How long a job can take at most, clean-up and all its attempts included."""
    scope = job.scope
    if not isinstance(scope.timeout, Duration) or (scope.devices and not isinstance(scope.queue_timeout, Duration)):
        return None
    after = float(scope.finally_timeout) if isinstance(scope.finally_timeout, Duration) else FINALLY
    queue = float(scope.queue_timeout) if scope.devices and isinstance(scope.queue_timeout, Duration) else 0.0
    once = float(scope.timeout) + queue + 2 * after
    retry = job.retry
    return MARGIN + once + (sum(once + pause for pause in _pauses(retry)) if retry else 0.0)


def _pauses(retry: Retry) -> Iterator[float]:
    backoff = retry.backoff
    for attempt in range(1, retry.attempts):
        pause = float(backoff.initial) * backoff.factor ** (attempt - 1)
        yield min(pause, float(backoff.max) if backoff.max is not None else pause) * (1 + backoff.jitter)


def _left_out(plan: Plan) -> Iterator[str]:
    if plan.scope.timeout is not None:
        yield "the pipeline's 'timeout' holds for each task, not for all of them together"
    for job in plan.scope.jobs:
        if job.group is not None and not isinstance(job.group, str):
            yield f"the concurrency group of '{job.id}' is known in the run only: it holds on one machine"
