"""The parts of a pipeline that can run apart from each other, and which of them a shard does."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from flowrunner.engine.chosen import Chosen
from flowrunner.errors import PipelineError, near
from flowrunner.pipeline.plan import Job, Plan


@dataclass(frozen=True, slots=True)
class Unit:
    """Jobs that stay together: paths of whole jobs, or of one instance of a job."""

    jobs: tuple[str, ...]

    @property
    def name(self) -> str:
        """What tells it from others."""
        return self.jobs[0] if self.jobs else ""


def units(plan: Plan) -> list[Unit]:
    """What can be done apart, in the order of the file; together they are the whole plan, each job in one of them.

    Jobs stay together that need each other, directly or not. The instances of a job that has no needs and that nobody
    needs are apart. A pipeline without jobs, or with `rescue`, `finally` or `outputs` about all jobs, is one unit.
    """
    jobs, scope = plan.scope.jobs, plan.scope
    if not jobs or scope.rescue or scope.last or scope.outputs:
        return [Unit(tuple(str(job.id) for job in jobs))]
    groups: dict[str, set[str]] = {str(job.id): {str(job.id)} for job in jobs}
    for job in jobs:
        for need in job.needs:
            joined = groups[str(job.id)] | groups[need]
            for name in joined:
                groups[name] = joined
    found: list[Unit] = []
    for job in jobs:
        together = groups[str(job.id)]
        if len(together) == 1 and job.matrix:
            found += [Unit((f"{job.id}[{index}]",)) for index in range(len(job.matrix.instances))]
        elif job.id == next(one.id for one in jobs if one.id in together):
            found.append(Unit(tuple(str(one.id) for one in jobs if one.id in together)))
    return found


def shards(parts: Sequence[Unit], count: int, seconds: Mapping[str, float]) -> list[list[Unit]]:
    """`parts` spread over `count` shards so that they take about the same time; the same for the same arguments.

    `seconds` are those that jobs and instances took before, by path. What is not in it counts as the mean of the rest.
    Each part, the longest first, goes to the shard that has least to do.
    """
    known = [value for value in seconds.values() if value > 0]
    usual = sum(known) / len(known) if known else 1.0
    cost = {part: sum(seconds.get(job, usual) for job in part.jobs) or usual for part in parts}
    found: list[list[Unit]] = [[] for _ in range(count)]
    loads = [0.0] * count
    for part in sorted(parts, key=lambda part: (-cost[part], part.name)):
        least = min(range(count), key=lambda index: (loads[index], index))
        found[least].append(part)
        loads[least] += cost[part]
    return found


def read_shard(text: str) -> tuple[int, int]:
    """`2/5` as a number from 1, and the count.

    Raises:
        PipelineError: it is none.
    """
    hit = re.fullmatch(r"(\d{1,4})/(\d{1,4})", text)
    number, count = (int(hit[1]), int(hit[2])) if hit else (0, 0)
    if not 1 <= number <= count:
        what = f"--shard needs a number and how many there are, got '{text}'"
        raise PipelineError(what, code="usage", help="write it as 2/5: the second of five")
    return number, count


def choose(plan: Plan, names: Iterable[str]) -> Chosen:
    """The jobs and instances that `names` name, such as `summary` or `smoke[0]`.

    Raises:
        PipelineError: there is no such job, or instance.
    """
    found: dict[str, frozenset[int] | None] = {}
    jobs = {str(job.id): job for job in plan.scope.jobs}
    for text in names:
        name, index = _parsed(text)
        if name not in jobs:
            advice = near(text, jobs) if jobs else "this pipeline has steps and no jobs"
            raise PipelineError(f"there is no job '{text}'", code="unknown-job", help=advice)
        before = found.get(name, frozenset())
        if index is None or before is None:
            found[name] = None
        else:
            _check_index(jobs[name], text, index)
            found[name] = before | {index}
    return Chosen(jobs={name: found[name] for name in jobs if name in found})


def _parsed(text: str) -> tuple[str, int | None]:
    hit = re.fullmatch(r"(.+)\[(\d+)\]", text)
    return (hit[1], int(hit[2])) if hit else (text, None)


def _check_index(job: Job, text: str, index: int) -> None:
    count = len(job.matrix.instances) if job.matrix else 0
    if index < count:
        return
    what = f"there is no '{text}': the job '{job.id}' " + (f"has {count} instances" if count else "has no matrix")
    advice = f"write {job.id}[0] to {job.id}[{count - 1}]" if count else f"write {job.id}"
    raise PipelineError(what, code="unknown-job", help=advice)
