"""From a file to a plan: read, check, and complain of everything at once."""

from __future__ import annotations

from collections.abc import Mapping as Map
from dataclasses import dataclass, replace
from os.path import relpath
from pathlib import Path
from typing import Any

from flowrunner.model import Secret
from flowrunner.pipeline.actions import SCOPE
from flowrunner.pipeline.bind import leased_together
from flowrunner.pipeline.encode import digest_of
from flowrunner.pipeline.fit import Fitted
from flowrunner.pipeline.frozen import hold, hold_images, lock_of
from flowrunner.pipeline.git import Git
from flowrunner.pipeline.here import Here
from flowrunner.pipeline.ids import collect_ids
from flowrunner.pipeline.images import image_uses
from flowrunner.pipeline.include import Fetch, Includes
from flowrunner.pipeline.inputs import Given, Inputs, read_inputs
from flowrunner.pipeline.jobs import compile_jobs
from flowrunner.pipeline.language import PipelineKeys
from flowrunner.pipeline.library import Library
from flowrunner.pipeline.lock import Lock, locked
from flowrunner.pipeline.names import Known
from flowrunner.pipeline.oci import Oci
from flowrunner.pipeline.pins import Pins
from flowrunner.pipeline.place import Place
from flowrunner.pipeline.plan import Plan, Scope
from flowrunner.pipeline.problems import Problems
from flowrunner.pipeline.scope import compile_scope
from flowrunner.pipeline.secrets import read_secrets
from flowrunner.pipeline.templates import compile_template
from flowrunner.source import Document, Mapping, load


@dataclass(frozen=True, slots=True)
class Compiled:
    """A plan, the values of its secrets, and what the author should know although nothing is wrong.

    `found` is what a lock would say now, but for images; `images` is what its lock says of them, when it is frozen.
    """

    plan: Plan
    secrets: dict[str, Secret]
    found: Lock
    warnings: tuple[str, ...] = ()
    images: Map[str, str] | None = None


def compile(
    path: Path,
    *,
    inputs: Map[str, Any] | None = None,
    inputs_file: Path | None = None,
    environment: Map[str, str] | None = None,
    secrets_file: Path | None = None,
    complete: bool = True,
    frozen: bool = False,
    pins: Pins | None = None,
) -> Compiled:
    """Compile the pipeline in the file `path`.

    Inputs come from `inputs` (text as on a command line, or values), then `inputs_file`, then FLOW_INPUT_NAME in
    `environment`; secrets from `secrets_file`, then FLOW_SECRET_NAME. Without `complete` those that are required may be
    missing, for a check of the file alone. When it is `frozen`, everything must be as `flow.lock` says; otherwise
    `pins` may say what the names of includes stand for.

    Raises:
        PipelineErrors: all that is wrong.
    """
    held = locked(path) if frozen else None
    pins = pins or Pins.of(path.parent, held.lock if held else None)
    document = load(path)
    problems = Problems()
    problems.sources[document.name] = document.text
    given = Given(inputs or {}, inputs_file, environment or {})
    root = _root(problems, document)
    problems.raise_all()
    assert root is not None
    found = read_inputs(problems, root.get("inputs"), given, path.parent, complete=complete)
    secrets, warnings = read_secrets(problems, root.get("secrets"), secrets_file, given.environment, complete=complete)
    compiler = _Compiler(problems, document, root, path, given.environment, pins)
    plan = compiler.compile(found, tuple(secrets), given.environment, complete=complete)
    problems.raise_all()
    lock = lock_of(plan, pins, compiler.digests)
    if held:
        hold(problems, held, lock)
        hold_images(problems, held, image_uses(plan, given.environment))
        problems.raise_all()
    images = held.lock.images if held else None
    return Compiled(replace(plan, digest=digest_of(plan)), secrets, lock, tuple(warnings), images)


def library_of(path: Path, environment: Map[str, str]) -> tuple[Library, Mapping]:
    """The templates that the pipeline in the file `path` can call, and its root. Other mistakes in it do not matter.

    Raises:
        PipelineErrors: it is no pipeline at all.
    """
    document, problems = load(path), Problems()
    root = _root(problems, document)
    problems.raise_all()
    assert root is not None
    compiler = _Compiler(problems, document, root, path, environment, Pins.of(path.parent))
    return compiler.library(), root


def _root(problems: Problems, document: Document) -> Mapping | None:
    root = document.root
    if isinstance(root, Mapping):
        return root
    what = f"{document.name} is empty" if root is None else "a pipeline is a mapping with flow and steps"
    advice = "begin with 'flow: 1', then 'steps:' and a list"
    problems.add(what, code="no-pipeline", where=root.where if root else None, help=advice)
    return None


class _Compiler:
    """One pipeline on its way to a plan."""

    def __init__(
        self, problems: Problems, document: Document, root: Mapping, path: Path, environment: Map[str, str],
        pins: Pins,
    ) -> None:  # fmt: skip
        self._problems = problems
        self._document = document
        self._root = root
        self._path = path
        fetchers: dict[str, Fetch] = {"git": Git(environment, pins), "oci": Oci(environment, pins)}
        self._includes = Includes(problems, compile_template, self._included, fetchers)

    def compile(self, inputs: Inputs, secrets: tuple[str, ...], environment: Map[str, str], *, complete: bool) -> Plan:
        """The plan, as far as there is one."""
        keys = _keys(self._problems, self._document, self._root)
        library = self.library()
        name = keys.get("name") or self._path.stem
        scope = self._scope(library, inputs, secrets, environment)
        library.check()
        if complete and library.declared and not {"steps", "jobs"} & {key.value for key, _ in self._root.entries}:
            what, advice = (
                f"{self._path.name} has only templates: nothing in it runs by itself",
                "include it, and call one",
            )
            self._problems.add(what, code="no-steps", where=self._root.where, help=advice)
        return Plan(
            file=self._path, name=name, description=keys.get("description"), inputs=inputs.values,
            input_types=inputs.types, input_files=inputs.files, secrets=secrets, scope=scope, digest="",
            sources=dict(self._problems.sources), includes=self._digests(),
            leases=leased_together(self._problems, scope, _fixed(inputs, environment)),
        )  # fmt: skip

    def library(self) -> Library:
        """The templates of the file and of what it includes."""
        return self._includes.library(self._document, self._root, Place(self._path.absolute(), self._document.name))

    @property
    def digests(self) -> Map[Place, str]:
        """The digest of each included file."""
        return self._includes.digests

    def _scope(self, library: Library, inputs: Inputs, secrets: tuple[str, ...], environment: Map[str, str]) -> Scope:
        """The scope of the pipeline itself: with steps, or with jobs."""
        steps, jobs = self._root.get("steps"), self._root.key("jobs")
        if steps is None and jobs is None:
            self._check_library(library)
            return Scope()
        if steps is not None and jobs is not None:
            what, advice = "a pipeline has steps or jobs, not both", "make the steps a job"
            self._problems.add(what, code="bad-value", where=jobs.where, help=advice)
        known = Known(inputs.types, secrets, collect_ids(self._problems, self._root))
        fixed = _fixed(inputs, environment)
        here = Here(self._problems, known, self._document.text, fixed, library=library)
        if jobs is not None:
            return compile_jobs(here, self._root)
        entries = {str(key.value): (key, value) for key, value in self._root.entries if key.value in SCOPE}
        return compile_scope(here, entries, steps, self._root.entries[0][0].where)

    def _check_library(self, library: Library) -> None:
        """A file without steps has templates, and nothing that only means something where steps are."""
        anchor = self._root.entries[0][0].where if self._root.entries else self._root.where
        if not library.declared:
            what, advice = "a pipeline needs the key 'steps'", "What to do, in order"
            self._problems.add(what, code="missing-key", where=anchor, help=advice)
            return
        for key, _ in self._root.entries:
            if key.value in SCOPE or key.value in ("inputs", "secrets"):
                what = f"a file with only templates has no key '{key.value}'"
                advice = "give it to the templates, or add steps"
                self._problems.add(what, code="unknown-key", where=key.where, help=advice)

    def _included(self, document: Document) -> Mapping | None:
        """The head of an included file."""
        root = _root(self._problems, document)
        if root is None or _keys(self._problems, document, root).model is None:
            return None
        if root.get("templates") is None:
            what, advice = "this file has no templates", "only templates can be used of an included file"
            self._problems.add(what, code="no-templates", where=root.where, help=advice)
            return None
        return root

    def _digests(self) -> dict[str, str]:
        """The digest of each included file, by what does not depend on where the pipeline's folder is."""
        folder = self._path.absolute().parent
        found = self._includes.digests.items()
        return {(f"{p.pinned}{p.path}" if p.root else relpath(p.disk, folder)): digest for p, digest in found}


def _fixed(inputs: Inputs, environment: Map[str, str]) -> dict[str, Any]:
    """The names whose values are known before the run."""
    return {"inputs": inputs.values, "env": environment}


def _keys(problems: Problems, document: Document, root: Mapping) -> Fitted[PipelineKeys]:
    """The keys that only a file has."""
    kept = tuple(entry for entry in root.entries if entry[0].value not in SCOPE)
    anchor = root.entries[0][0].where if root.entries else root.where
    read = Here(problems, Known({}, (), {}), document.text, {}).fit
    return read(PipelineKeys, Mapping(kept, root.where), "a pipeline", anchor=anchor)
