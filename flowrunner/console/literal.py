"""A text that each match of a regular expression must contain: bytes.find is faster than any regex engine."""

from __future__ import annotations

import re
from functools import lru_cache

_TOKEN = re.compile(
    r"(?P<escape>\\.)"
    r"|(?P<set>\[\^?\]?(?:[^\]\[\\]|\\[^\n])*\])"
    r"|(?P<open>\((?:\?(?:P<\w+>|[:=!>]|<[=!]))?)"
    r"|(?P<close>\))"
    r"|(?P<repeat>[*?]\+?\??|\+[+?]?|\{\d*,?\d*\}[+?]?)"
    r"|(?P<any>[.^$])"
    r"|(?P<either>\|)"
    r"|(?P<plain>[^\\\[\](){}*+?.^$|\n])",
)
_CLASSES = frozenset("dDsSwWbBAZtnrfva")


@lru_cache(maxsize=256)
def required_literal(pattern: str) -> str | None:
    """The longest text that is in every match of `pattern`; None when there is none, or no certainty.

    Only the outermost level is looked at; an alternative there, a flag, or anything unusual gives None.
    """
    runs, depth, at = [""], 0, 0
    while at < len(pattern):
        token = _TOKEN.match(pattern, at)
        if not token or (pattern.startswith("(?", at) and token[0] == "("):
            return None
        at = token.end()
        kind, text = token.lastgroup, token[0]
        if kind == "escape" and text[1].isalnum() and text[1] not in _CLASSES:
            return None
        depth += (kind == "open") - (kind == "close")
        if depth == 0:
            if kind == "either":
                return None
            _extend(runs, kind, text)
    return max(runs, key=len) or None


def _extend(runs: list[str], kind: str | None, text: str) -> None:
    """Let `text` continue the last run, or end it."""
    if kind == "plain":
        runs[-1] += text
    elif kind == "escape" and not text[1].isalnum():
        runs[-1] += text[1]
    elif kind == "repeat" and text.startswith("+"):
        runs.append("")
    else:
        if kind == "repeat":
            runs[-1] = runs[-1][:-1]
        runs.append("")
