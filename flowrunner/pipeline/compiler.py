"""From a file to a plan: read, check, and complain of everything at once."""

from __future__ import annotations

from collections.abc import Mapping as Map
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from flowrunner.model import Secret
from flowrunner.pipeline.actions import LATER, SCOPE, not_yet
from flowrunner.pipeline.encode import digest_of
from flowrunner.pipeline.fit import Fitted
from flowrunner.pipeline.here import Here
from flowrunner.pipeline.ids import collect_ids
from flowrunner.pipeline.inputs import Given, Inputs, read_inputs
from flowrunner.pipeline.language import PipelineKeys
from flowrunner.pipeline.names import Known
from flowrunner.pipeline.plan import Job, Plan
from flowrunner.pipeline.problems import Problems
from flowrunner.pipeline.scope import compile_scope
from flowrunner.pipeline.secrets import read_secrets
from flowrunner.source import Document, Mapping, Node, Scalar, load


@dataclass(frozen=True, slots=True)
class Compiled:
    """A plan, the values of its secrets, and what the author should know although nothing is wrong."""

    plan: Plan
    secrets: dict[str, Secret]
    warnings: tuple[str, ...] = ()


def compile(
    path: Path,
    *,
    inputs: Map[str, Any] | None = None,
    inputs_file: Path | None = None,
    environment: Map[str, str] | None = None,
    secrets_file: Path | None = None,
    complete: bool = True,
) -> Compiled:
    """Compile the pipeline in the file `path`.

    Inputs come from `inputs` (text as on a command line, or values), then `inputs_file`, then FLOW_INPUT_NAME in
    `environment`; secrets from `secrets_file`, then FLOW_SECRET_NAME. Without `complete` those that are required may be
    missing, for a check of the file alone.

    Raises:
        PipelineErrors: all that is wrong.
    """
    document = load(path)
    problems = Problems()
    given = Given(inputs or {}, inputs_file, environment or {})
    root = _root(problems, document)
    problems.raise_all()
    assert root is not None
    found = read_inputs(problems, root.get("inputs"), given, path.parent, complete=complete)
    secrets, warnings = read_secrets(problems, root.get("secrets"), secrets_file, given.environment, complete=complete)
    plan = _Compiler(problems, document, root, path).compile(found, tuple(secrets), given.environment)
    problems.raise_all()
    return Compiled(replace(plan, digest=digest_of(plan)), secrets, tuple(warnings))


def _root(problems: Problems, document: Document) -> Mapping | None:
    root = document.root
    if isinstance(root, Mapping):
        return root
    what = f"{document.name} is empty" if root is None else "a pipeline is a mapping with flow and steps"
    advice = "begin with 'flow: 1', then 'steps:' and a list"
    problems.add(what, code="no-pipeline", where=root.where if root else None, help=advice)
    return None


class _Compiler:
    """One file on its way to a plan."""

    def __init__(self, problems: Problems, document: Document, root: Mapping, path: Path) -> None:
        self._problems = problems
        self._document = document
        self._root = root
        self._path = path

    def compile(self, inputs: Inputs, secrets: tuple[str, ...], environment: Map[str, str]) -> Plan:
        """The plan, as far as there is one."""
        keys = self._keys()
        known = Known(inputs.types, secrets, collect_ids(self._problems, self._root))
        fixed = {"inputs": inputs.values, "env": environment}
        here = Here(self._problems, known, self._document.text, fixed)
        entries = {str(key.value): (key, value) for key, value in self._root.entries if key.value in SCOPE}
        scope = compile_scope(here, entries, self._root.get("steps"), self._root.entries[0][0].where)
        name = keys.get("name") or self._path.stem
        return Plan(
            file=self._path, name=name, description=keys.get("description"), inputs=inputs.values,
            input_types=inputs.types, input_files=inputs.files, secrets=secrets, jobs=(Job(id=name, scope=scope),),
            digest="", sources={self._document.name: self._document.text},
        )  # fmt: skip

    def _keys(self) -> Fitted[PipelineKeys]:
        """The keys that only a pipeline has."""
        kept: list[tuple[Scalar, Node]] = []
        for key, value in self._root.entries:
            if key.value in LATER:
                not_yet(self._problems, key)
            elif key.value not in SCOPE:
                kept.append((key, value))
        where = self._root.where
        anchor = self._root.entries[0][0].where if self._root.entries else where
        read = Here(self._problems, Known({}, (), {}), self._document.text, {}).fit
        return read(PipelineKeys, Mapping(tuple(kept), where), "a pipeline", anchor=anchor)
