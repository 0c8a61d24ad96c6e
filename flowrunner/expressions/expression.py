"""One expression, or one text with expressions in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from jinja2 import TemplateError, TemplateSyntaxError, UndefinedError, nodes

from flowrunner.errors import PipelineError, PipelineErrors, Span
from flowrunner.expressions.check import Problem, chains, problems, tokens, word_of
from flowrunner.expressions.infer import infer
from flowrunner.expressions.limits import DEEPEST, LONGEST, MOST_NODES, TooLarge, bounded
from flowrunner.expressions.names import Names
from flowrunner.expressions.sandbox import sandbox
from flowrunner.expressions.split import OPEN, Place, Unclosed, split
from flowrunner.model import Secret, Type


class ExpressionError(PipelineError):
    """An expression that could not be parsed, checked or evaluated."""


@dataclass(slots=True)
class _Code:
    """One expression of a text; its function is made when it is first evaluated."""

    tree: nodes.Expr
    where: Span
    function: Callable[[Mapping[str, Any]], Any] | None = None

    def evaluate(self, names: Mapping[str, Any]) -> Any:
        self.function = self.function or sandbox().function(self.tree)
        return self.function(names)


@dataclass(frozen=True)
class Expression:
    """`text` as the author wrote it, with its delimiters; `type` as far as it can be known before the run.

    `references` are dotted names (`steps.boot.outputs.at`) with their places; `sensitive` says that a secret flows in.
    """

    text: str
    where: Span
    type: Type
    references: tuple[tuple[str, Span], ...]
    sensitive: bool
    _parts: tuple[str | _Code, ...] = field(default=(), repr=False, compare=False)

    def evaluate(self, names: Mapping[str, Any]) -> Any:
        """The value: of its native type when the text is one expression only, else text.

        Raises:
            ExpressionError: an undefined name, a limit exceeded, a wrong operation, a list inside text.
        """
        values = [part if isinstance(part, str) else self._value(part, names) for part in self._parts]
        whole = len(self._parts) == 1 and not isinstance(self._parts[0], str)
        value = values[0] if whole else "".join(map(self._text, self._parts, values))
        return _hidden(value) if self.sensitive else value

    def _value(self, code: _Code, names: Mapping[str, Any]) -> Any:
        try:
            value = bounded(code.evaluate(names))
            if isinstance(value, sandbox().undefined):
                value._fail_with_undefined_error()
        except UndefinedError as error:
            raise ExpressionError(str(error), code="undefined", where=code.where) from error
        except TooLarge as error:
            raise ExpressionError(str(error), code="too-large", where=code.where) from error
        except (TemplateError, TypeError, ValueError, ArithmeticError, LookupError, TimeoutError) as error:
            what = f"this could not be evaluated: {error}"
            raise ExpressionError(what, code="bad-value", where=code.where) from error
        return value

    def _text(self, part: str | _Code, value: Any) -> str:
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, str | int | float):
            return str(value)
        where = self.where if isinstance(part, str) else part.where
        kind = "null" if value is None else "a mapping" if isinstance(value, Mapping) else "a list"
        advice = "| default('')" if value is None else "| tojson" if isinstance(value, Mapping) else "| join(', ')"
        raise ExpressionError(f"{kind} cannot stand inside text", code="not-text", where=where, help=f"add {advice}")


def parse(text: str, where: Span, *, source: str | None = None, names: Names | None = None) -> Expression:
    """The expression in `text`, a scalar's value at `where`; `source` is the file's text, for exact places.

    With `names` every name is checked.

    Raises:
        PipelineErrors: what is wrong with it, each at its place.
    """
    place = Place(text, where, source)
    try:
        parts = split(text)
    except Unclosed as error:
        span = place.span(error.offset, error.offset + len(OPEN))
        raise PipelineErrors([_error(f"'{OPEN}' is not closed", "syntax", span, "close it with '}}'")]) from error
    if len(parts) > 1 and all(part.code or not part.text.strip() for part in parts) and sum(p.code for p in parts) == 1:
        parts = [part for part in parts if part.code]
    found: list[str | _Code] = []
    kinds: list[Type] = []
    errors: list[PipelineError] = []
    references: list[tuple[str, Span]] = []
    for part in parts:
        if not part.code:
            found.append(part.text)
            continue
        try:
            tree = _tree(part.text)
            words = tokens(part.text)
        except (TemplateSyntaxError, TooLarge, RecursionError) as error:
            errors.append(_syntax(error, place.span(part.start, part.start + len(part.text))))
            continue
        errors += [_located(problem, part.start, place) for problem in problems(words, names)]
        for chain in chains(words):
            span = place.span(part.start + chain[0].offset, part.start + chain[-1].end)
            references.append((".".join(word_of(token) for token in chain), span))
        kinds.append(infer(tree, names or {}))
        found.append(_Code(tree, place.span(part.start, part.start + len(part.text))))
    if errors:
        raise PipelineErrors(errors)
    sensitive = any(name == "secrets" or name.startswith("secrets.") for name, _ in references)
    whole = len(found) == 1 and not isinstance(found[0], str)
    kind: Type = kinds[0] if whole else "string"
    return Expression(
        text,
        where,
        "secret" if sensitive and kind in ("string", "any") else kind,
        tuple(references),
        sensitive,
        tuple(found),
    )


def holds_expression(text: str) -> bool:
    """Whether there is an expression in `text`."""
    return OPEN in text


def _tree(source: str) -> nodes.Expr:
    if not source.strip():
        raise TemplateSyntaxError("there is nothing between '${{' and '}}'", 1)
    if len(source) > LONGEST:
        raise TooLarge(f"an expression may have {LONGEST} characters")
    tree = sandbox().parse_expression(source)
    count, level = 0, [(tree, 1)]
    while level:
        node, depth = level.pop()
        count += 1
        if count > MOST_NODES or depth > DEEPEST:
            raise TooLarge(f"an expression may have {MOST_NODES} parts, {DEEPEST} levels deep")
        level += [(child, depth + 1) for child in node.iter_child_nodes()]  # type: ignore[misc]
    return tree


def _syntax(error: Exception, where: Span) -> PipelineError:
    said = error.message if isinstance(error, TemplateSyntaxError) else str(error) or "it is nested too deep"
    return _error(f"this is no expression: {said}", "expression-syntax", where, None)


def _located(problem: Problem, start: int, place: Place) -> PipelineError:
    span = place.span(start + problem.start, start + problem.end)
    return _error(problem.what, problem.code, span, problem.help)


def _error(what: str, code: str, where: Span, help: str | None) -> ExpressionError:
    return ExpressionError(what, code=code, where=where, help=help)


def _hidden(value: Any) -> Any:
    if isinstance(value, str):
        return Secret(value)
    if isinstance(value, Mapping):
        return {key: _hidden(item) for key, item in value.items()}
    return [_hidden(item) for item in value] if isinstance(value, list | tuple) else value
