"""Inputs: what a pipeline declares, and the values that it was given."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping as Map
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flowrunner.console.regexes import compiled
from flowrunner.errors import PipelineErrors, Span, near
from flowrunner.model import Type
from flowrunner.pipeline.convert import facts, from_data, from_text
from flowrunner.pipeline.fit import Fitter
from flowrunner.pipeline.ids import NAMING, is_name
from flowrunner.pipeline.language import DeclaredKeys, InputKeys
from flowrunner.pipeline.plan import FileFacts
from flowrunner.pipeline.problems import Problems
from flowrunner.source import Mapping, Node, load, plain

MISSING = object()

PATTERN_TIME = 1.0
"""Seconds that the pattern of an input may search."""

PATHS = "the path of a default starts at the pipeline's folder, that of a given value at the current one"


@dataclass(frozen=True, slots=True)
class Inputs:
    """The inputs of a pipeline: values and types by name, and the facts of those that are files or directories."""

    values: Map[str, Any]
    types: Map[str, Type]
    files: Map[str, FileFacts]


@dataclass(frozen=True, slots=True)
class Given:
    """Where values come from, strongest first: those that were named, a file, the environment (FLOW_INPUT_NAME)."""

    named: Map[str, Any]
    file: Path | None
    environment: Map[str, str]


@dataclass(frozen=True, slots=True)
class Declared:
    """An input as it is declared: the place of its name, and the default that is written there."""

    name: str
    keys: DeclaredKeys
    key: Span
    default: Node | None

    @property
    def required(self) -> bool:
        """Whether a value must be given."""
        return self.default is None if self.keys.required is None else self.keys.required


def read_inputs(problems: Problems, node: Node | None, given: Given, folder: Path, *, complete: bool) -> Inputs:
    """Check the declarations below `node`, and find a value for each. `folder` is where the pipeline's file is.

    Without `complete` a required input may be missing; there is no value for it then.
    """
    found = declarations(problems, node, InputKeys)
    reader = _Reader(problems, found, given, folder)
    declared = {name: one for name, one in found.items() if one is not None}
    values: dict[str, Any] = {}
    for name, one in declared.items():
        value = reader.value(one)
        if value is not MISSING:
            values[name] = value
        elif one.required and complete:
            problems.add(
                f"the input '{name}' is required, and no value was given", code="missing-input", where=one.key,
                help=f"give it with --input {name}=..., in an inputs file, or as FLOW_INPUT_{name.upper()}",
            )  # fmt: skip
        elif not one.required:
            values[name] = None
    types: dict[str, Type] = {
        name: "any" if one is None or (not one.required and one.default is None) else one.keys.type
        for name, one in found.items()
    }
    paths = {n: Path(v) for n, v in values.items() if v is not None and declared[n].keys.type in ("file", "directory")}
    return Inputs(values, types, {name: facts(path) for name, path in paths.items()} if not len(problems) else {})


def declarations(problems: Problems, node: Node | None, kind: type[DeclaredKeys]) -> dict[str, Declared | None]:
    """Each declared input with its keys, of `kind`; None for one whose declaration is no good."""
    found: dict[str, Declared | None] = {}
    for name, key, value in entries(problems, node, "inputs", "a type", "{type: file, required: true}"):
        default = value.get("default")
        fitted = Fitter(problems, kind, value, lambda scalar, path: None, label=f"the input '{name}'", anchor=key)
        keys = fitted.fit().model
        if keys and keys.required and default is not None:
            problems.add(
                f"the input '{name}' is required, so its default is never used", code="bad-value",
                where=default.where, help="leave out one of the two",
            )  # fmt: skip
        found[name] = Declared(name, keys, key, default) if keys else None
    return found


class _Reader:
    """Finds the values of inputs."""

    def __init__(self, problems: Problems, declared: Map[str, object], given: Given, folder: Path) -> None:
        self._problems = problems
        self._folder = folder
        self._given = given
        root = self._load(given.file) if given.file else None
        self._file = root if isinstance(root, Mapping) else None
        if root is not None and self._file is None:
            problems.add("an inputs file is a mapping of names to values", code="bad-input", where=root.where)
        for key, _ in self._file.entries if self._file else ():
            self._known(str(key.value), declared, key.where)
        for name in given.named:
            self._known(name, declared, None)

    def _load(self, path: Path) -> Node | None:
        try:
            return load(path).root
        except PipelineErrors as several:
            for one in several.errors:
                self._problems.take(one)
            return None

    def _known(self, name: str, declared: Map[str, object], where: Span | None) -> None:
        if name not in declared:
            self._problems.add(
                f"there is no input '{name}'", code="unknown-input", where=where, help=near(name, declared)
            )

    def value(self, one: Declared) -> Any:
        """The strongest value of one input, checked; MISSING when there is none."""
        name, kind, cwd = one.name, one.keys.type, Path.cwd()
        variable = f"FLOW_INPUT_{name.upper()}"
        if name in self._given.named:
            value = self._given.named[name]
            convert = from_text if isinstance(value, str) else from_data
            return self._checked(one, f"the input '{name}'", one.key, lambda: convert(value, kind, cwd))
        node = self._file.get(name) if self._file else None
        if node is not None:
            data = plain(node)
            return self._checked(one, f"the input '{name}'", node.where, lambda: from_data(data, kind, cwd))
        if variable in self._given.environment:
            text = self._given.environment[variable]
            return self._checked(one, f"the input '{name}' ({variable})", one.key, lambda: from_text(text, kind, cwd))
        if one.default is not None:
            data, place = plain(one.default), one.default.where
            return self._checked(one, f"the default of '{name}'", place, lambda: from_data(data, kind, self._folder))
        return MISSING

    def _checked(self, one: Declared, what: str, where: Span, convert: Callable[[], Any]) -> Any:
        try:
            value = convert()
            choose(one.keys, value, self._folder)
        except ValueError as error:
            advice = PATHS if one.keys.type in ("file", "directory") else one.keys.description
            self._problems.add(f"{what} {error}", code="bad-input", where=where, help=advice)
            return None
        return value


def choose(keys: DeclaredKeys, value: Any, folder: Path) -> None:
    """Check that a value is one of the choices, and matches the pattern; relative paths start at `folder`.

    Raises:
        ValueError: it is not, with the reason.
    """
    if keys.choices is not None:
        choices = [from_data(choice, keys.type, folder) for choice in keys.choices]
        if value not in choices:
            raise ValueError(f"is one of {', '.join(map(str, choices))}; got '{value}'")
    if keys.pattern is not None and not _matches(keys.pattern, str(value)):
        raise ValueError(f"must match {keys.pattern}, got '{value}'")


def _matches(pattern: str, text: str) -> bool:
    try:
        return compiled(pattern).fullmatch(text, timeout=PATTERN_TIME) is not None
    except TimeoutError as error:
        raise ValueError(f"took longer than {PATTERN_TIME:g}s to match {pattern}") from error


def entries(
    problems: Problems, node: Node | None, key: str, what: str, example: str
) -> list[tuple[str, Span, Mapping]]:
    """The named mappings below `key`: name, place of the name, mapping. What is not of that shape is noted."""
    found: list[tuple[str, Span, Mapping]] = []
    for name, value in node.entries if isinstance(node, Mapping) else ():
        text = str(name.value)
        if not is_name(text):
            problems.add(
                f"'{text}' cannot be a name in {key}", code="bad-name", where=name.where,
                help=NAMING,
            )  # fmt: skip
        elif isinstance(value, Mapping):
            found.append((text, name.where, value))
        else:
            problems.add(
                f"'{text}' needs a mapping that gives {what}", code="wrong-type", where=value.where,
                help=f"write it as {text}: {example}",
            )  # fmt: skip
    return found
