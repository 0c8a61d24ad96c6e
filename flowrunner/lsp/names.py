"""The names that a pipeline declares, and where: what expressions, calls and keys can refer to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from flowrunner.errors import FlowrunnerError
from flowrunner.lsp.files import File, Files
from flowrunner.pipeline.devices import members
from flowrunner.pipeline.outputs import outputs_of
from flowrunner.plugins import load, types
from flowrunner.source import Mapping as Map
from flowrunner.source import Node, Scalar, Sequence
from flowrunner.step import Step

LISTS = ("steps", "group", "rescue", "finally")


@dataclass(frozen=True, slots=True)
class Declared:
    """A name: where it is written, what it stands for, and in which file."""

    key: Scalar
    value: Node
    file: File


@dataclass(eq=False)
class Names:
    """The names of one place of a pipeline: `path` begins with the job or the template that it is in."""

    file: File
    files: Files
    path: tuple[str | int, ...] = ()

    @cached_property
    def own(self) -> Map:
        """The mapping with the steps of this place: a job, a template, or the pipeline."""
        if len(self.path) > 1 and self.path[0] in ("jobs", "templates"):
            found = _inside(self.file.root, str(self.path[0])).get(str(self.path[1]))
            return found if isinstance(found, Map) else Map((), self.file.root.where)
        return self.file.root

    @property
    def in_template(self) -> bool:
        """Whether nothing of the pipeline is seen here."""
        return self.path[:1] == ("templates",)

    @cached_property
    def steps(self) -> dict[str, Declared]:
        """The steps with an id, in the order of the file."""
        return {
            str(_id(step).value): Declared(_id(step), step, self.file) for step in steps_of(self.own) if _has_id(step)
        }

    @cached_property
    def roles(self) -> dict[str, Declared]:
        """The devices of this place, those of blocks in it included; one with a count, and each of its members."""
        holders = [self.own, *steps_of(self.own)]
        holders += [lease for step in steps_of(self.own) if isinstance(lease := step.get("lease"), Map)]
        called = [step for step in holders if step.key("call")]
        found = [entry for holder in holders if holder not in called for entry in self._of(holder, "devices")]
        return {each: one for name, one in found for each in (name, *members(name, one.value))}

    @property
    def devices(self) -> dict[str, Declared]:
        """Those that a step may work on: of a role with a count its members only."""
        return {name: one for name, one in self.roles.items() if name in members(str(one.key.value), one.value)}

    def declared(self, word: str) -> dict[str, Declared]:
        """What stands under `inputs`, `secrets`, `jobs`, `templates` or `include`."""
        holder = self.own if word == "inputs" and self.in_template else self.file.root
        return dict(self._of(holder, word))

    @cached_property
    def matrix(self) -> dict[str, Declared]:
        """The names of the matrix of this job."""
        matrix = _inside(_inside(self.own, "strategy"), "matrix")
        found = {str(key.value): Declared(key, value, self.file) for key, value in matrix.entries}
        return {name: one for name, one in found.items() if name not in ("include", "exclude")}

    @property
    def needs(self) -> dict[str, Declared]:
        """The jobs that can be asked about here."""
        jobs = self.declared("jobs")
        if self.path[:1] != ("jobs",):
            return jobs
        node = self.own.get("needs")
        wanted = [node] if isinstance(node, Scalar) else node.items if isinstance(node, Sequence) else ()
        return {str(one.value): jobs[str(one.value)] for one in wanted if isinstance(one, Scalar) and one.value in jobs}

    def named(self, key: str, value: str) -> Declared | None:
        """What the value of `call`, `device`, `on` or `needs` names."""
        if key == "call":
            return self.template(value)
        roles = dict.fromkeys(("device", "on", "together"), self.roles)
        return {**roles, "needs": self.declared("jobs")}.get(key, {}).get(value.partition(".")[0])

    def template(self, name: str) -> Declared | None:
        """The template that `call` knows as `name`."""
        alias, dot, rest = name.partition(".")
        if not dot:
            return self.declared("templates").get(name)
        other = self.included(alias)
        return Names(other, self.files).declared("templates").get(rest) if other else None

    @property
    def templates(self) -> dict[str, Declared]:
        """All that can be called here."""
        found = self.declared("templates")
        for alias in self.declared("include"):
            other = self.included(alias)
            inside = Names(other, self.files).declared("templates") if other else {}
            found |= {f"{alias}.{name}": one for name, one in inside.items()}
        return found

    def included(self, alias: str) -> File | None:
        """The file that is included under an alias; None for one that is not on this machine."""
        found = self.declared("include").get(alias)
        text = found and (found.value.get("file") if isinstance(found.value, Map) else found.value)
        if not isinstance(text, Scalar) or not isinstance(text.value, str):
            return None
        return self.files.get(self.file.path.parent / Path(text.value).expanduser())

    def outputs(self, step: Node) -> Mapping[str, str]:
        """The outputs of a step by name, with their types as far as they are known."""
        if not isinstance(step, Map):
            return {}
        call = step.get("call")
        if isinstance(call, Scalar):
            found = self.template(str(call.value))
            return self.outputs(found.value) if found else {}
        if step.key("outputs"):
            return {str(key.value): "any" for key, _ in _inside(step, "outputs").entries}
        action = action_of(step)
        try:
            return dict(outputs_of(load("flowrunner.steps", Step, action))) if action else {}
        except FlowrunnerError:
            return {}

    def _of(self, holder: Map, word: str) -> Iterator[tuple[str, Declared]]:
        for key, value in _inside(holder, word).entries:
            yield str(key.value), Declared(key, value, self.file)


def steps_of(holder: Map) -> Iterator[Map]:
    """All steps in the lists of a job, a template, a pipeline or a block, at any depth, parents first."""
    lists = [holder.get(word) for word in LISTS]
    lists.append(_inside(holder, "lease").get("steps"))
    lists.append(_inside(holder, "retry").get("between"))
    lists += [branch for _, branch in _inside(_inside(holder, "parallel"), "branches").entries]
    for found in lists:
        for step in found.items if isinstance(found, Sequence) else ():
            if isinstance(step, Map):
                yield step
                yield from steps_of(step)


def action_of(step: Map) -> str | None:
    """The action of a step, if it is one that is installed."""
    known = types("flowrunner.steps")
    return next((str(key.value) for key, _ in step.entries if key.value in known), None)


def last_line(node: Node) -> int:
    """The line of the last word in `node`: where a block ends is where the next one begins."""
    if isinstance(node, Scalar):
        return node.where.end_line
    below = node.items if isinstance(node, Sequence) else [value for _, value in node.entries]
    return last_line(below[-1]) if below else node.where.end_line


def _inside(holder: Map, word: str) -> Map:
    found = holder.get(word)
    return found if isinstance(found, Map) else Map((), holder.where)


def _has_id(step: Map) -> bool:
    return isinstance(step.get("id"), Scalar)


def _id(step: Map) -> Scalar:
    found = step.get("id")
    assert isinstance(found, Scalar)
    return found
