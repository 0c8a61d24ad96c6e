"""What names exist where an expression stands, for the check before the run.

A `Names` tree is nested mappings: a leaf is a type of the language (`"duration"`), a mapping is an object with just
these keys, `ANY` accepts everything below it, and `Unavailable` is a name that is known and cannot be used here.

    {"inputs": {"budget": "duration"}, "steps": {"boot": {"outcome": "string", "outputs": {"at": "duration"}},
     "later": Unavailable("the step 'later' runs later", "defined at 71:9")}, "env": ANY}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flowrunner.model import Type

ANY: Type = "any"
"""A value of which nothing is known: whatever is asked of it may be there."""


@dataclass(frozen=True, slots=True)
class Unavailable:
    """A name that exists and cannot be used here: `what` says why."""

    what: str
    help: str | None = None


Names = Mapping[str, Any]
"""Each name with its type, its `Names`, or `Unavailable`."""
