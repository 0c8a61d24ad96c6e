"""Images of a frozen run: each one from elsewhere is what `flow.lock` says."""

from __future__ import annotations

from collections.abc import Mapping

from flowrunner.errors import PipelineError
from flowrunner.pipeline.images import is_elsewhere
from flowrunner.pipeline.plan import StepNode
from flowrunner.step import Step


def as_locked(step: Step, node: StepNode, images: Mapping[str, str] | None) -> Step:
    """`step` with the digests that its images must have. Without `images` the run is not frozen.

    Raises:
        PipelineError: the lock does not know an image, or says another digest than the step.
    """
    if images is None:
        return step

    def digest(name: str, own: str | None) -> str | None:
        locked = images.get(name)
        if not is_elsewhere(name) or (own and locked is None):
            return own
        if locked is None:
            what, help = (
                f"the image '{name}' is not in flow.lock",
                "write it down with 'flow lock', or set its checksum",
            )
            raise PipelineError(what, code="not-locked", where=node.where, help=help)
        if own and own.lower() != locked:
            what = f"the image '{name}' has the checksum {own} here, and {locked} in flow.lock"
            help = "look at what changed, then 'flow lock'"
            raise PipelineError(what, code="digest-mismatch", where=node.where, help=help)
        return locked

    return step.with_digests(digest)
