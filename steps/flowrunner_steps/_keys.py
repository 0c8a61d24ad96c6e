"""Names of keys in pipelines."""

from __future__ import annotations

from pydantic_core import PydanticCustomError

from flowrunner.console.keys import keystroke


def known_key(key: str) -> str:
    """Check that there is such a key."""
    try:
        keystroke(key)
    except KeyError as error:
        why = f"there is no key '{key}'"
        raise PydanticCustomError("key", "{why}", {"why": why, "help": str(error.args[0])}) from error
    return key
