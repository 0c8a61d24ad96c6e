"""The logins that `podman login`, `docker login` and `oras login` have kept for this user."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from flowrunner.errors import BenchError


def kept_logins() -> dict[str, Any]:
    """What the files say together, in the shape of Docker's; of two logins for one registry the first is taken.

    Source: containers-auth.json(5), and Docker's `DOCKER_CONFIG`.

    Raises:
        BenchError: one of the files is broken, or not for us to read.
    """
    known: dict[str, Any] = {"auths": {}, "credsStore": None, "credHelpers": {}}
    for path in files():
        found = _read(path)
        known["auths"] = {**(found.get("auths") or {}), **known["auths"]}
        known["credHelpers"] = {**(found.get("credHelpers") or {}), **known["credHelpers"]}
        known["credsStore"] = known["credsStore"] or found.get("credsStore")
    return known


def files() -> Iterator[Path]:
    """Those that are there, in the order in which Podman asks them."""
    home, here = Path.home(), os.environ.get
    places = (
        here("REGISTRY_AUTH_FILE"),
        f"{here('XDG_RUNTIME_DIR', f'/run/user/{os.getuid()}')}/containers/auth.json",
        f"{here('XDG_CONFIG_HOME', home / '.config')}/containers/auth.json",
        f"{here('DOCKER_CONFIG', home / '.docker')}/config.json",
    )
    return (path for place in places if place and (path := Path(place)).is_file())


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text())
        if not isinstance(found, dict):
            raise ValueError("it is no mapping")
        return found
    except (OSError, ValueError) as error:
        help = "log in again (podman login, docker login), or mend the file"
        raise BenchError(f"the logins in {path} cannot be read: {error}", blame="config", help=help) from error
