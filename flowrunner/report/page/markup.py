"""HTML from Python: whatever is not `Html` already is text, and is escaped."""

from __future__ import annotations

import json
from collections.abc import Iterable
from html import escape
from typing import Any
from urllib.parse import quote

from flowrunner.report.text import plain, unicode

_VOID = frozenset({"img", "br", "input", "hr", "meta"})


class Html(str):
    """Markup that needs no more escaping."""

    __slots__ = ()


Content = str | Html | None | Iterable["Content"]


def tag(name: str, *content: Content, **attributes: Any) -> Html:
    """One element. `class_` is class, other underscores become hyphens; None and False leave an attribute out."""
    text = "".join(
        f" {key.rstrip('_').replace('_', '-')}" + ("" if value is True else f'="{escape(unicode(str(value)))}"')
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    return Html(f"<{name}{text}>" if name in _VOID else f"<{name}{text}>{join(*content)}</{name}>")


def join(*content: Content) -> Html:
    """Contents one after the other."""
    return Html("".join(_flat(content)))


def _flat(content: Iterable[Content]) -> Iterable[str]:
    for one in content:
        if isinstance(one, Html):
            yield one
        elif isinstance(one, str):
            yield escape(plain(one))
        elif one is not None:
            yield from _flat(one)


def data(id: str, value: str, kind: str) -> Html:
    """A block of data for the script; `value` must hold no `<`."""
    return Html(f'<script type="{kind}" id="{escape(id)}">{value}</script>')


def data_json(id: str, value: Any) -> Html:
    """A block of JSON for the script; nothing in it can end the element."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=True)
    return data(id, text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"), "application/json")


def file_link(file: str, *content: Content) -> Html:
    """A link to a file of the run's folder, which is where the page is."""
    return tag("a", *(content or (file,)), href=quote(unicode(file)))


def shown(value: Any) -> str:
    """A value of a parameter or an output as people read it: text as it is, the rest as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict) and set(value) == {"expression"}:
        return str(value["expression"])
    return json.dumps(value, ensure_ascii=False, default=str)


def facts(pairs: Iterable[tuple[str, Content]]) -> Html:
    """Pairs of names and values as a description list; those without a value are left out."""
    rows = [tag("div", tag("dt", name), tag("dd", value)) for name, value in pairs if value not in (None, "")]
    return tag("dl", rows, class_="facts") if rows else Html("")


def section(id: str, title: str, *content: Content, note: Content = None) -> Html:
    """A section of the page; an empty one is left out."""
    inner = join(*content)
    if not inner:
        return Html("")
    head = tag("header", tag("h2", title), tag("p", note, class_="note") if note else None)
    return tag("section", head, inner, id=id, aria_label=title)


GLYPHS = {"passed": "✓", "failed": "✕", "errored": "!", "canceled": "◼", "skipped": "-", "running": "…"}


def badge(outcome: str, *, large: bool = False) -> Html:
    """The sign of an outcome; its word is there for those who do not see colours or signs."""
    glyph = GLYPHS.get(outcome, "?")
    return tag(
        "span", tag("span", glyph, aria_hidden="true"), tag("span", outcome, class_="sr"),
        class_=f"badge {outcome}{' large' if large else ''}", title=outcome,
    )  # fmt: skip
