"""The shell that a person gets: which program, with what prompt, and with a `j` where there is none."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

BASH = """\
[ -r ~/.bashrc ] && . ~/.bashrc
PATH={path}
PS1={prompt}"$PS1"
"""
ZSH = """\
ZDOTDIR={home}
[ -r "$ZDOTDIR/.zshrc" ] && . "$ZDOTDIR/.zshrc"
PATH={path}
PS1={prompt}"$PS1"
"""
ZSH_ENVIRONMENT = """\
[ -r {home}/.zshenv ] && . {home}/.zshenv
:
"""
FISH = """\
functions -q fish_prompt; and functions -c fish_prompt _flow_prompt; or function _flow_prompt; echo -n '> '; end
function fish_prompt; echo -n '{prompt}'; _flow_prompt; end
"""


def interactive(name: str, folder: Path, environment: Mapping[str, str]) -> tuple[list[str], dict[str, str]]:
    """The user's shell with a prompt that names the exporter, and what its environment has more.

    `folder` is private to it and lives as long as it does. bash and zsh read their own files first, fish gets a
    function; any other is given PS1.
    """
    program = environment.get("SHELL") or "/bin/sh"
    prompt = f"(flow {re.sub(r'[^A-Za-z0-9_.-]', '_', name)}) "
    path = shlex.quote(environment.get("PATH", ""))
    match Path(program).name:
        case "bash":
            file = folder / "bashrc"
            file.write_text(BASH.format(path=path, prompt=shlex.quote(prompt)))
            return [program, "--rcfile", str(file), "-i"], {}
        case "zsh":
            home = shlex.quote(environment.get("ZDOTDIR") or environment.get("HOME", "/"))
            (folder / ".zshrc").write_text(ZSH.format(home=home, path=path, prompt=shlex.quote(prompt)))
            (folder / ".zshenv").write_text(ZSH_ENVIRONMENT.format(home=home))
            return [program, "-i"], {"ZDOTDIR": str(folder)}
        case "fish":
            return [program, "-i", "-C", FISH.format(prompt=prompt)], {}
        case _:
            return [program, "-i"], {"PS1": f"{prompt}$ "}


def with_j(folder: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """A PATH on which `j` is `flow device`, unless there is a `j` already: Jumpstarter's own goes first."""
    if shutil.which("j", path=environment.get("PATH")):
        return {}
    programs = folder / "bin"
    programs.mkdir()
    _script(programs / "j", [sys.executable, "-P", "-m", "flowrunner", "device"])
    return {"PATH": f"{programs}:{environment.get('PATH', '')}"}


def _script(path: Path, command: Sequence[str]) -> None:
    path.write_text(f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n')
    path.chmod(0o700)
