"""What a run asked of the world, and how that is told to people."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any, Literal

_LONGEST = 2000
"""Characters of something asked that are compared for people."""

_SHOWN, _HEAD, _AROUND = 120, 40, 25
"""Characters of something asked that are shown: in all, of its beginning, before the first difference."""


@dataclass(eq=False, slots=True, kw_only=True)
class Asked:
    """Something that the run asked of the world at `t`: a driver's call, a text sent to a console, a step outside.

    `target` is the part, the console or the action; `lease` numbers the device, None where there is none. `done` is set
    when a replay has come by. What the engine asked by itself has no `path`.
    """

    number: int
    t: float
    kind: Literal["call", "send", "outside"]
    lease: int | None
    target: str
    method: str
    arguments: Any
    path: str
    used: bool = False
    done: asyncio.Event = field(default_factory=asyncio.Event)

    def same(self, kind: str, lease: int | None, target: str, method: str, arguments: Any) -> bool:
        """Whether this is the same question."""
        return (self.kind, self.lease, self.target, self.method) == (kind, lease, target, method) and (
            self.arguments == arguments
        )


def words(kind: str, target: str, method: str, arguments: Any) -> str:
    """Something asked, for people."""
    if kind == "send":
        return f"{target} is sent {method!r}"[:_LONGEST]
    listed = ", ".join(f"{name}={value!r}" for name, value in arguments.items() if value is not None)
    text = f"{target} with {listed}" if kind == "outside" else f"{target}.{method}({listed})"
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "..."


def contrast(now: str, then: str | None) -> tuple[str, str | None]:
    """Two long texts cut to where they differ, and what they are about."""
    if then is None or max(len(now), len(then)) <= _SHOWN:
        return now[:_LONGEST], then
    same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(now, then, strict=False)))
    head, start = now[: min(same, _HEAD)], max(same - _AROUND, _HEAD)
    ends = []
    for text in (now, then):
        cut = text[start : start + 3 * _AROUND] if same > _HEAD + _AROUND else text[len(head) : len(head) + _SHOWN]
        ends.append(head + ("..." if start > _HEAD else "") + cut + ("..." if len(text) > start + 3 * _AROUND else ""))
    return ends[0], ends[1]
