"""Files of git repositories: fetched by the git command, shallow, and kept by commit."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from flowrunner.errors import PipelineError, Span
from flowrunner.pipeline.fit import Fitted
from flowrunner.pipeline.pinned import Pinned, alone
from flowrunner.pipeline.pins import Pins
from flowrunner.pipeline.place import Place
from flowrunner.pipeline.reuse_keys import IncludeKeys

PATIENCE = 120.0
"""Seconds that git may take."""

COMMIT = re.compile("[0-9a-f]{40}")
PROTOCOLS = "file:git:http:https:ssh"
URL = re.compile(r"(file|git|https?|ssh)://\S+|[\w.-]+@[\w.-]+:\S+")
REF = re.compile(r"[\w][\w./+@-]*")


def cache_folder(environment: Mapping[str, str]) -> Path:
    """The folder that keeps what was fetched: FLOW_CACHE_DIR, else flowrunner in the user's cache."""
    home = environment.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(environment.get("FLOW_CACHE_DIR") or Path(home) / "flowrunner")


class Git:
    """Repositories that one pipeline includes from. A ref means the same commit all through it.

    A commit that is in the cache is not asked for again; a branch or a tag is asked for each time, for it may move.
    """

    def __init__(self, environment: Mapping[str, str], pins: Pins) -> None:
        """Keep repositories and files in the cache that `environment` names."""
        self._environment = environment
        self._pins = pins

    def __call__(self, keys: Fitted[IncludeKeys]) -> Place:
        """The file that an include means.

        Raises:
            PipelineError: it could not be had.
        """
        url, ref, path = str(keys.get("git")), str(keys.get("ref")), str(keys.get("path"))
        where = keys.places[("git",)]
        if not URL.fullmatch(url):
            advice = "such as https://example.com/flows.git, git@example.com:flows.git or file:///srv/flows.git"
            raise PipelineError(f"git needs a URL, got '{url}'", code="bad-value", where=where, help=advice)
        if not REF.fullmatch(ref):
            advice = "it is the name of a tag or a branch, or a commit"
            raise PipelineError(f"'{ref}' is no ref", code="bad-value", where=keys.places[("ref",)], help=advice)
        name = f"{_shown(url)}@{ref}"
        found = self._pins.found.get(name) or self._pins.vendored(name, where) or self._had(url, ref, name, where)
        self._pins.found[name] = found
        return Place(found.files / path, os.path.normpath(path), f"{name}:", found.files, f"{_shown(url)}@{found.pin}:")

    def _had(self, url: str, ref: str, name: str, where: Span) -> Pinned:
        """The commit that is meant, from the cache or fetched into it."""
        wanted = self._pins.locked(name, where) or ref
        folder = cache_folder(self._environment) / "git" / hashlib.sha256(url.encode()).hexdigest()[:32]
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with alone(folder):  # git does not fetch twice at once into one shallow repository
            is_here = COMMIT.fullmatch(wanted) and (folder / wanted).is_dir()
            commit = wanted if is_here else self._fetched(folder, url, wanted, where)
            return Pinned(commit, self._files(folder, commit, url, where))

    def _fetched(self, folder: Path, url: str, ref: str, where: Span) -> str:
        if not (folder / "repository").is_dir():
            self._git(folder, url, where, "init", "--quiet", "--bare", str(folder / "repository"))
        fetch = ("fetch", "--quiet", "--depth=1", "--no-tags", "--force", "--", url, f"{ref}:refs/flow/wanted")
        self._git(folder / "repository", url, where, *fetch)
        return self._git(folder / "repository", url, where, "rev-parse", "refs/flow/wanted^{commit}").strip()

    def _files(self, folder: Path, commit: str, url: str, where: Span) -> Path:
        """The folder with the files of `commit`; it appears whole or not at all."""
        found = folder / commit
        if found.is_dir():
            return found
        new = Path(tempfile.mkdtemp(prefix=".new-", dir=folder))
        try:
            (new / "files").mkdir()
            repository = folder / "repository"
            there = {
                "GIT_DIR": str(repository),
                "GIT_WORK_TREE": str(new / "files"),
                "GIT_INDEX_FILE": str(new / "index"),
            }
            self._git(repository, url, where, "read-tree", commit, **there)
            self._git(new / "files", url, where, "checkout-index", "--all", **there)
            (new / "files").rename(found)
        finally:
            shutil.rmtree(new, ignore_errors=True)
        return found

    def _git(self, folder: Path, url: str, where: Span, *arguments: str, **extra: str) -> str:
        settings = {
            "GIT_TERMINAL_PROMPT": "0", "GIT_ALLOW_PROTOCOL": PROTOCOLS, "LC_ALL": "C",
            "GIT_SSH_COMMAND": self._environment.get("GIT_SSH_COMMAND", "ssh -oBatchMode=yes"),
        }  # fmt: skip
        kept = {name: value for name, value in self._environment.items() if name not in _ELSEWHERE}
        try:
            done = subprocess.run(
                ["git", *arguments], cwd=folder, env=kept | settings | extra, stdin=subprocess.DEVNULL,
                capture_output=True, timeout=PATIENCE, check=False,
            )  # fmt: skip
        except FileNotFoundError as error:
            what, advice = "git is not installed here, and an include needs it", "install git"
            raise PipelineError(what, code="unreachable", where=where, help=advice) from error
        except subprocess.TimeoutExpired as error:
            what = f"{_shown(url)} did not answer within {PATIENCE:g}s"
            raise PipelineError(what, code="unreachable", where=where) from error
        if done.returncode == 0:
            return done.stdout.decode("utf-8", "replace")
        said = done.stderr.decode("utf-8", "replace").strip().replace(url, _shown(url)).splitlines() or [
            "no reason given"
        ]
        reason = next((line for line in said if line.startswith("fatal: ")), said[-1]).removeprefix("fatal: ")
        what, advice = f"{_shown(url)} could not be fetched: {reason}", "try it with git ls-remote"
        raise PipelineError(what, code="unreachable", where=where, help=advice)


_ELSEWHERE = {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_NAMESPACE"}
"""Variables by which a git around us, such as a hook's, would send ours to another repository."""


def _shown(url: str) -> str:
    """A URL without the name and the password in it."""
    parts = urlsplit(url)
    return url if not parts.username else parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
