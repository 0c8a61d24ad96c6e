"""A template: steps with typed inputs and devices, compiled once, that see nothing else."""

from __future__ import annotations

from flowrunner.errors import Span
from flowrunner.expressions.names import Unavailable
from flowrunner.pipeline.accepts import read_accepted
from flowrunner.pipeline.actions import SCOPE
from flowrunner.pipeline.devices import template_roles
from flowrunner.pipeline.here import Here
from flowrunner.pipeline.ids import collect_ids
from flowrunner.pipeline.library import Library, Template
from flowrunner.pipeline.names import Known
from flowrunner.pipeline.outputs import type_of_value
from flowrunner.pipeline.reuse_keys import TemplateKeys
from flowrunner.pipeline.scope import compile_scope
from flowrunner.source import Mapping, Node, Scalar

APART = {"devices", "queue_timeout"}
"""Keys of a scope that mean something else in a template, or nothing."""

NOT_HERE = {
    "secrets": Unavailable("a template sees no secrets of the pipeline", "give it an input of the type secret"),
    "env": Unavailable("a template does not see the environment", "give it an input: with: {name: '${{ env.NAME }}'}"),
}
"""What a pipeline has and its templates have not."""


def compile_template(library: Library, name: str, key: Scalar, node: Mapping) -> Template | None:
    """The template `name`, declared as `node`; None when it cannot be called at all, which is noted."""
    problems, before = library.problems, len(library.problems)
    _check_keys(library, name, key.where, node)
    accepted = read_accepted(problems, node.get("inputs"), name, library.folder)
    roles = template_roles(problems, node.get("devices"))
    known = Known(accepted.types, (), collect_ids(problems, node))
    here = Here(problems, known, library.text, {}, roles=roles, local=NOT_HERE, library=library, late=("inputs",))
    entries = {str(k.value): (k, v) for k, v in node.entries if k.value in SCOPE - APART}
    steps: Node | None = node.get("steps")
    if steps is None and len(problems) > before:
        return None
    scope = compile_scope(here, entries, steps, key.where)
    return Template(
        key=key.where, accepts=accepted.model, paths=accepted.paths, files=accepted.files, roles=roles, scope=scope,
        outputs={output: type_of_value(value) for output, value in scope.outputs.items()}, home=library.folder,
    )  # fmt: skip


def _check_keys(library: Library, name: str, key: Span, node: Mapping) -> None:
    queue = node.key("queue_timeout")
    if queue is not None:
        advice = "its devices are the caller's; put it beside a lease"
        what = "a template has no key 'queue_timeout'"
        library.problems.add(what, code="unknown-key", where=queue.where, help=advice)
    own = Mapping(tuple(entry for entry in node.entries if entry[0].value not in SCOPE), node.where)
    read = Here(library.problems, Known({}, (), {}), library.text, {}).fit
    read(TemplateKeys, own, f"the template '{name}'", anchor=key)
