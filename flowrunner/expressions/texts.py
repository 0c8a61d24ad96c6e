"""How values become text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from jinja2 import Undefined

from flowrunner.expressions.arithmetic import noun_of
from flowrunner.expressions.limits import LARGEST, TooLarge


class NotText(Exception):
    """A value that cannot stand inside text; `help` is the filter that makes text of it."""

    def __init__(self, value: Any) -> None:
        super().__init__(f"{noun_of(value)} cannot stand inside text")
        filter = "default('')" if value is None else "tojson" if isinstance(value, Mapping) else "join(', ')"
        self.help = f"add | {filter}"


def text_of(value: Any) -> str:
    """`value` as it stands inside text.

    Raises:
        NotText: it is null, a list or a mapping.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float | Undefined):
        return str(value)
    raise NotText(value)


def joined(values: Iterable[Any], separator: str = "") -> str:
    """The values as one text.

    Raises:
        NotText: one of them cannot stand inside text.
        TooLarge: there is too much of it.
    """
    texts = [text_of(value) for value in values]
    if sum(map(len, texts)) + len(separator) * len(texts) > LARGEST:
        raise TooLarge(f"the text would have more than {LARGEST} characters")
    return separator.join(texts)
