"""One expression, or one text with expressions in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flowrunner.errors import PipelineError, Span
from flowrunner.model import Type


class ExpressionError(PipelineError):
    """An expression that could not be parsed, checked or evaluated."""


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

    def evaluate(self, names: Mapping[str, Any]) -> Any:
        """The value: of its native type when the text is one expression only, else text.

        Raises:
            ExpressionError: an undefined name, a limit exceeded, a wrong operation, a list inside text.
        """
        raise NotImplementedError
