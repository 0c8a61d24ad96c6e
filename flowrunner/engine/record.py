"""Records in the journal: a node begins, and has exactly one end."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flowrunner.engine.result import Result, place
from flowrunner.engine.site import Site
from flowrunner.engine.state import Run
from flowrunner.engine.typed import kinds
from flowrunner.model import Outcome
from flowrunner.pipeline.plan import Background, Barrier, Block, Call, Node, StepNode, below


def begin(run: Run, site: Site, node: Node) -> float:
    """Record, durably, that `node` is about to start; what it does comes after. Returns the time."""
    ends = {name: end for held in site.held.values() for name, end in held.ends().items()}
    run.journal.write(
        "step.started", durable=True, path=site.path(node), id=node.id, name=node.name, action=_action(node),
        kind=getattr(node, "kind", None), where=place(node.where), consoles=ends,
        block=isinstance(node, Block), background=isinstance(node, Background),
    )  # fmt: skip
    return run.clock.now()


def finish(
    run: Run, site: Site, node: Node, result: Result, *, started: float | None = None, attempts: int = 1
) -> Result:
    """Write the node's one final record, and let later expressions see it."""
    path = site.path(node)
    own = result if result.path == path else replace(result, path=path, because=result.path)
    run.journal.write(
        "step.finished", path=path, **own.facts(), started=started, ended=run.clock.now(), attempts=attempts,
        outputs=dict(result.outputs), warning=tolerated(node, result), **_beside(run, result),
    )  # fmt: skip
    site.frame.record(node.id, result, readable=node.on_failure == "continue")
    return result


def _beside(run: Run, result: Result) -> dict[str, Any]:
    """What else one must know of the outputs to have them again: kinds of values, and whether a secret was in them."""
    if not result.outputs:
        return {}
    outputs = dict(result.outputs)
    told = kinds(outputs)
    return ({"kinds": told} if told else {}) | ({"masked": True} if run.masker.data(outputs) != outputs else {})


def restore(run: Run, site: Site, node: Node, path: str, scope: str | None = None) -> Result | None:
    """How `node` ended before, when an earlier runner of this run did it and that stands; None: it is to be done."""
    if run.past is None or site.fresh:
        return None
    result = run.past.kept(path, node, scope)
    if result is None:
        return None
    run.journal.write("step.restored", path=path)
    for id, inner in run.past.inside(path, node).items():
        site.frame.record(id, inner, readable=True)
    site.frame.record(node.id, result, readable=node.on_failure == "continue")
    return result


def skip(run: Run, site: Site, node: Node, result: Result) -> None:
    """Record that `node`, and all in it, did not run, and why."""
    finish(run, site, node, replace(result, path=site.path(node)))
    if isinstance(node, Call):
        site = replace(site, frame=site.frame.inner(apart=True))  # its ids are no names of the caller's
    for child in below(node):
        because = result.because or site.path(node)
        skip(run, site, child, replace(result, because=because))


def tolerated(node: Node, result: Result) -> bool:
    """Whether this failure is only a warning for the scope."""
    return node.severity == "warning" and result.outcome in (Outcome.FAILED, Outcome.ERRORED)


def _action(node: Node) -> str:
    if isinstance(node, Barrier):
        return "barrier"
    return node.action if isinstance(node, StepNode | Block) else "background"
