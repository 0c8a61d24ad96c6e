"""One expression, or one text with expressions in it, and its value in the run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import regex
from jinja2 import TemplateError, Undefined, UndefinedError, nodes

from flowrunner.errors import PipelineError, Span, near
from flowrunner.expressions.limits import LARGEST, TooLarge, limited
from flowrunner.expressions.said import said
from flowrunner.expressions.sandbox import complain, sandbox, settled
from flowrunner.expressions.secrecy import found, hidden, touched
from flowrunner.expressions.split import Place
from flowrunner.expressions.texts import NotText, text_of
from flowrunner.model import Type


class ExpressionError(PipelineError):
    """An expression that could not be parsed, checked or evaluated."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A dotted name in an expression: each word with the offsets in the scalar where it begins and ends."""

    words: tuple[str, ...]
    offsets: tuple[tuple[int, int], ...]


@dataclass(slots=True)
class Code:
    """One expression of a text, from `start` to `end` of it; its function is made when it is first evaluated."""

    tree: nodes.Expr
    start: int
    end: int
    references: tuple[Reference, ...]
    function: Callable[[Mapping[str, Any]], Any] | None = None

    def evaluate(self, names: Mapping[str, Any]) -> Any:
        """Its value.

        Raises:
            Exception: whatever Jinja2 and Python say.
        """
        self.function = self.function or sandbox().function(self.tree)
        value = settled(self.function(names))
        if isinstance(value, Undefined):
            complain(value)
        if callable(value):
            raise TypeError("this is a function: call it with ()")
        if value is not None and not isinstance(value, str | int | float | list | tuple | Mapping):
            raise TypeError("the result is no value of the language")
        return list(value) if isinstance(value, tuple) else value


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
    _parts: tuple[str | Code, ...] = field(default=(), repr=False, compare=False)
    _place: Place | None = field(default=None, repr=False, compare=False)

    def evaluate(self, names: Mapping[str, Any]) -> Any:
        """The value: of its native type when the text is one expression only, else text.

        What a secret flows into is secret.

        Raises:
            ExpressionError: an undefined name, a limit exceeded, a wrong operation, a list inside text.
        """
        with limited():
            values = [part if isinstance(part, str) else self._value(part, names) for part in self._parts]
        whole = len(self._parts) == 1 and not isinstance(self._parts[0], str)
        value = values[0] if whole else self._joined(values)
        return hidden(value) if self._is_secret(names) else value

    def _is_secret(self, names: Mapping[str, Any]) -> bool:
        """Whether a secret flows in: one of `secrets`, or one that an output holds."""
        references = (one.words for part in self._parts if isinstance(part, Code) for one in part.references)
        return self.sensitive or touched(names, references)

    def _value(self, code: Code, names: Mapping[str, Any]) -> Any:
        try:
            return code.evaluate(names)
        except TooLarge as error:
            raise self._error(str(error), "too-large", code, "make the values smaller") from error
        except NotText as error:
            raise self._error(str(error), "not-text", code, error.help) from error
        except _WRONG as error:
            missing = self._missing(code, names) if isinstance(error, UndefinedError) else None
            if missing is not None:
                raise missing from error
            if self._is_secret(names):
                what = "this could not be evaluated; a secret is in it, and so the reason is not shown"
                raise self._error(what, "bad-value", code) from None
            if isinstance(error, UndefinedError):
                raise self._error(said(error), "undefined", code) from error
            raise self._error(f"this could not be evaluated: {said(error)}", "bad-value", code) from error

    def _joined(self, values: Sequence[Any]) -> str:
        texts = []
        for part, value in zip(self._parts, values, strict=True):
            try:
                texts.append(part if isinstance(part, str) else text_of(value))
            except NotText as error:
                raise self._error(str(error), "not-text", part, error.help) from error
        text = "".join(texts)
        if len(text) > LARGEST:
            raise ExpressionError(
                f"the text would have more than {LARGEST} characters", code="too-large", where=self.where
            )
        return text

    def _missing(self, code: Code, names: Mapping[str, Any]) -> ExpressionError | None:
        """The error about the first dotted name that leads nowhere, at the very word."""
        for reference in code.references:
            here, depth = found(names, reference.words)
            if depth == len(reference.words) or not isinstance(here, Mapping):
                continue
            start, end = reference.offsets[depth]
            where = self._place.span(start, end) if self._place else self.where
            word, help = reference.words[depth], near(reference.words[depth], map(str, here))
            what = f"there is no '{word}' here"
            if reference.words[0] == "steps" and word == "outputs" and "outcome" in here:
                what = f"the step '{reference.words[1]}' has no 'outputs': it ended as {here['outcome']}"
                help = "ask for its outcome with 'if', or add | default(...)"
            return ExpressionError(what, code="undefined", where=where, help=help)
        return None

    def _error(self, what: str, code: str, part: str | Code, help: str | None = None) -> ExpressionError:
        place = self._place
        where = self.where if place is None or isinstance(part, str) else place.span(part.start, part.end)
        return ExpressionError(what, code=code, where=where, help=help)


_WRONG = (
    TemplateError, TypeError, ValueError, ArithmeticError, LookupError, AttributeError, TimeoutError, RecursionError,
    MemoryError, regex.error,
)  # fmt: skip
"""What an expression can raise when its values do not fit."""
