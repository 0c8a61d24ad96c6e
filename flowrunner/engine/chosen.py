"""A part of a pipeline's jobs: which of them are run here, and how those ended that ran elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from flowrunner.engine.result import Result
from flowrunner.errors import PipelineError
from flowrunner.pipeline.plan import Job, Matrix, Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """The jobs that one run does of a plan; its `rescue`, `finally` and `outputs` only when it is the `ending`.

    `jobs` gives the instances by the name of the job, None for all of it. `known` is how other jobs ended elsewhere.
    """

    jobs: Mapping[str, frozenset[int] | None] = field(default_factory=dict)
    known: Mapping[str, Result] = field(default_factory=dict)
    ending: bool = False

    def scope(self, scope: Scope) -> Scope:
        """The pipeline's own scope as far as it is run here; `known` jobs are still in it."""
        kept = tuple(job for job in scope.jobs if job.id in self.jobs or job.id in self.known)
        return replace(scope, jobs=kept) if self.ending else replace(scope, jobs=kept, rescue=(), last=(), outputs={})

    def only(self, scope: Scope) -> Scope:
        """The pipeline's own scope with the jobs and instances that are run here, and no others."""
        kept = [self._only(job) for job in scope.jobs if job.id in self.jobs]
        return replace(self.scope(scope), jobs=tuple(kept))

    def _only(self, job: Job) -> Job:
        if job.matrix is None:
            return job
        instances = tuple(job.matrix.instances[index] for index in self.instances(job, job.matrix))
        return replace(job, matrix=replace(job.matrix, instances=instances))

    def elsewhere(self, job: Job) -> Result | None:
        """How `job` ended elsewhere; None when it is run here."""
        return None if job.id in self.jobs else self.known.get(str(job.id))

    def instances(self, job: Job, matrix: Matrix) -> list[int]:
        """The instances of `job` that are run here."""
        chosen = self.jobs.get(str(job.id))
        return [index for index in range(len(matrix.instances)) if chosen is None or index in chosen]

    def check(self, jobs: tuple[Job, ...]) -> None:
        """See that all is known that the chosen jobs need, and at the end that all jobs are.

        Raises:
            PipelineError: a job is missing.
        """
        have = {*self.jobs, *self.known}
        for job in jobs:
            missing = next((need for need in job.needs if job.id in self.jobs and need not in have), None)
            if missing:
                raise PipelineError(
                    f"the job '{job.id}' needs '{missing}', which is neither chosen nor known", code="missing-job",
                    where=job.where, help=f"add --job {missing}, or --after with the folder of its run",
                )  # fmt: skip
            if self.ending and job.id not in have:
                what = f"the end of the pipeline needs '{job.id}', which is not known"
                advice = "give --after the folders of the runs of all jobs"
                raise PipelineError(what, code="missing-job", where=job.where, help=advice)

    @property
    def names(self) -> list[str]:
        """What is run here, as paths in the run have it: `smoke[0]`, `summary`."""
        found: list[str] = []
        for name, instances in self.jobs.items():
            found += [name] if instances is None else [f"{name}[{index}]" for index in sorted(instances)]
        return found
