"""Images of a frozen run: each one from elsewhere is what `flow.lock` says."""

from __future__ import annotations

from collections.abc import Mapping

from flowrunner.errors import PipelineError
from flowrunner.pipeline.images import is_elsewhere
from flowrunner.pipeline.plan import StepNode
from flowrunner.step import Step


def as_locked(step: Step, node: StepNode, images: Mapping[str, str] | None) -> Step:
    """`step` with the digest that its image must have. Without `images` the run is not frozen.

    Raises:
        PipelineError: the lock does not know the image, or says another digest than the step.
    """
    if images is None or step.pinned is None:
        return step
    source, checksum = step.pinned
    name, own = getattr(step, source), getattr(step, checksum)
    if not is_elsewhere(name) or (own and name not in images):
        return step
    where = node.places.get((source,), node.where)
    if name not in images:
        what, advice = (
            f"the image '{name}' is not in flow.lock",
            f"write it down with 'flow lock', or give it {checksum}",
        )
        raise PipelineError(what, code="not-locked", where=where, help=advice)
    if own and own.lower() != images[name]:
        what = f"the image '{name}' has the {checksum} {own} here, and {images[name]} in flow.lock"
        raise PipelineError(what, code="digest-mismatch", where=where, help="look at what changed, then 'flow lock'")
    return step.model_copy(update={checksum: images[name]})
