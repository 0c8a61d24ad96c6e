"""The keys of rollouts as models."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from flowrunner.model import Model
from flowrunner.pipeline.language import Id, Limit, Steps
from flowrunner.pipeline.marks import APART, DYNAMIC

PERCENT = re.compile(r"(\d+(?:\.\d+)?)\s*%")


def percent(value: int | str) -> float | None:
    """The number in a text such as `10%`; None for a plain number."""
    found = PERCENT.fullmatch(value) if isinstance(value, str) else None
    return float(found[1]) if found else None


def _share(value: Any) -> Any:
    share = percent(value) if isinstance(value, str) else None
    number = isinstance(value, int) and not isinstance(value, bool) and value >= 1
    if not number and (share is None or not 0 < share <= 100):
        facts = {"why": f"needs a number of devices or a percentage, got {value!r}", "help": "write it as 3, or 10%"}
        raise PydanticCustomError("share", "{why}", facts)
    return value


Share = Annotated[int | str, BeforeValidator(_share), Field(examples=["10%", 3])]
"""A number of devices from 1, or a percentage up to 100%."""


class FleetKeys(Model):
    """Which devices there are; found out once, before the first is touched."""

    selector: Annotated[str, DYNAMIC]
    """A Kubernetes label selector such as `product=gateway`; every exporter of the lab that matches is a member."""


class WaveKeys(Model):
    """A part of the fleet that goes together."""

    name: Id
    """What it is called."""

    size: Share
    """How many devices: `3` is three more than the waves before, `10%` as many that a tenth of the fleet is done."""

    soak: Limit | None = None
    """How long to wait behind its last device before anything else happens."""

    gate: Steps = []
    """Steps behind the soak, which have none of the job's devices; the next wave begins when they passed."""


class UnavailableKeys(Model):
    """How many devices may be out of service at the same time: those at work, and those that did not end passed."""

    count: Share
    """The number, or the percentage (rounded down, at least one)."""

    per: str | None = Field(default=None, min_length=1)
    """A label: the number counts for each of its values by itself. The whole fleet when it is not given."""


class ApproveKeys(Model):
    """A decision that people make."""

    before: str
    """The wave that does not begin before somebody said yes: `flow approve RUN WAVE`."""


class RollbackKeys(Model):
    """What undoes the job on one device."""

    template: str
    """The template that is called on each device whose steps had begun."""

    with_: Annotated[dict[str, Any], APART] = Field(default={}, alias="with")
    """The inputs of the template."""


class RolloutKeys(Model):
    """A job done for each device of a fleet, wave by wave."""

    fleet: FleetKeys
    """Which devices there are."""

    waves: Annotated[list[Any], APART]
    """The parts of the fleet, one after the other; the last one ends at 100%."""

    max_parallel: int | None = Field(default=None, ge=1)
    """How many devices are at work at the same time; a whole wave when it is not given."""

    max_unavailable: UnavailableKeys | None = None
    """How many devices may be out of service at the same time."""

    halt_when: list[Annotated[bool, DYNAMIC]] = []
    """Conditions on `wave` and `fleet`, looked at whenever a device is done: one that holds halts the rollout."""

    approve: list[ApproveKeys] = []
    """Waves before which people decide."""

    on_halt: Literal["pause", "abort", "rollback"] = "pause"
    """`pause`: go on with `flow resume`; `abort`: it is over; `rollback`: and what was begun is undone."""

    rollback: RollbackKeys | None = None
    """What `on_halt: rollback` does with each device."""
