"""The keys of jobs and branches as models."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from flowrunner.model import Model
from flowrunner.pipeline.language import RetryKeys, ScopeKeys, Steps
from flowrunner.pipeline.marks import APART, DYNAMIC


class ParallelKeys(Model):
    """Branches that run beside each other."""

    fail_fast: bool = True
    """Whether the first branch that does not pass ends the others."""

    branches: Annotated[dict[str, Any], APART]
    """Lists of steps by name."""


class StrategyKeys(Model):
    """How a job is multiplied."""

    matrix: Annotated[dict[str, Any], APART] = {}
    """Values by name: the job is done for each combination. `exclude` takes some out, `include` adds to them."""

    rollout: Annotated[dict[str, Any], APART] = {}
    """The job is done for each device of a fleet, wave by wave."""

    max_parallel: int | None = Field(default=None, ge=1)
    """How many of them run at the same time; all when it is not given."""

    fail_fast: bool = True
    """Whether the first that does not pass ends the others."""


class ConcurrencyKeys(Model):
    """What else may not run at the same time."""

    group: Annotated[str, Field(min_length=1), DYNAMIC]
    """Of all that name the same group one runs at a time, in the order in which they came."""


class JobKeys(ScopeKeys):
    """A list of steps with devices of its own. Jobs run beside each other, unless one needs another."""

    name: str | None = Field(default=None, min_length=1)
    """What people read."""

    needs: list[str] | str = []
    """The jobs that must have ended before."""

    if_: Annotated[bool, DYNAMIC] = Field(default=True, alias="if")
    """Whether the job runs; when it asks about `needs`, it also decides what happens when one of them did not pass."""

    strategy: StrategyKeys | None = None
    """How the job is multiplied."""

    concurrency: Annotated[ConcurrencyKeys | str, DYNAMIC] | None = None
    """What else may not run at the same time: a group, or its name."""

    retry: RetryKeys | None = None
    """When and how the whole job is tried again, with new leases."""

    severity: Literal["error", "warning"] = "error"
    """Whether the job counts in the outcome of the pipeline, or is only shown."""

    tags: list[str] = []
    """Words to choose and to group by."""

    steps: Steps
    """What to do, in order."""
