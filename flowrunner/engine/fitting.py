"""The check that a lab has what a plan needs."""

from __future__ import annotations

from flowrunner.engine.lab import Lab
from flowrunner.errors import PipelineError, PipelineErrors
from flowrunner.pipeline.plan import Plan


def check_lab(lab: Lab, plan: Plan) -> None:
    """Check each set of devices that is held at the same time; jobs may take turns with the same device.

    Raises:
        PipelineErrors: no exporter of the lab can ever fill some role.
        BenchError: one that may could not be asked.
    """
    found: dict[str, PipelineError] = {}
    for requests in plan.together():
        try:
            lab.check(requests)
        except PipelineErrors as several:
            found |= {str(error): error for error in several.errors if str(error) not in found}
    if found:
        raise PipelineErrors(found.values())
