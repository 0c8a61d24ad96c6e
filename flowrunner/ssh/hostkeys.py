"""Which host keys are trusted."""

from __future__ import annotations

import re

import asyncssh
from asyncssh.public_key import get_default_public_key_algs

from flowrunner.errors import BenchError
from flowrunner.ssh.settings import ANY, FIRST, SshSettings

ENTRY = re.compile(r"(?:^|\s)((?:ssh|ecdsa|sk-ssh|sk-ecdsa)-\S+\s+AAAA\S+)", re.MULTILINE)


class HostKeys:
    """The keys that `settings` name. `seen` is the fingerprint that came last, `unchecked` that none is asked for."""

    def __init__(self, settings: SshSettings) -> None:
        """Read them.

        Raises:
            BenchError: the file cannot be read, or has no key.
        """
        texts = [settings.host_key] if isinstance(settings.host_key, str) else list(settings.host_key)
        if settings.host_key_file:
            texts = [text for text in texts if text not in (FIRST, ANY)] + _in_file(settings)
        self.unchecked = ANY in texts
        self.seen = ""
        self._takes_first = FIRST in texts
        self._keys = [_key(text) for text in texts if text not in (FIRST, ANY) and not text.startswith("SHA256:")]
        fingerprints = [text for text in texts if text.startswith("SHA256:")]
        self._pinned = [*fingerprints, *(key.get_fingerprint() for key in self._keys)]
        self._first = ""
        self._only_keys = bool(self._keys) and not fingerprints and not self.unchecked and not self._takes_first

    @property
    def algorithms(self) -> list[str]:
        """What to ask the server for: keys of the kinds that are known, no certificates."""
        wanted = [name for key in self._keys for name in key.sig_algorithms] if self._only_keys else None
        return [name.decode() for name in wanted or get_default_public_key_algs()]

    def accepts(self, key: asyncssh.SSHKey) -> bool:
        """Whether the server that has this key is the right one."""
        self.seen = key.get_fingerprint()
        if self.unchecked or self.seen in self._pinned:
            return True
        if self._takes_first and not self._first:
            self._first = self.seen
        return self._takes_first and self._first == self.seen

    def forget(self) -> None:
        """Take the next key as the first one."""
        self._first = ""

    def refused(self, where: str) -> BenchError:
        """Why the key that came last was not accepted."""
        if self._takes_first:
            return BenchError(
                f"the host key of {where} is {self.seen}, and was {self._first} before in this lease", blame="config",
                help="when the device was flashed anew, call 'forget' of its ssh part (ssh.wait: {forget: true}); "
                "else somebody else answers there",
            )  # fmt: skip
        return BenchError(
            f"the host key of {where} is {self.seen}, which is not trusted", blame="config",
            help=f"trusted is {' or '.join(self._pinned)}; when the device was flashed anew, put the new one into "
            "host_key, or say host_key: first",
        )  # fmt: skip


def _in_file(settings: SshSettings) -> list[str]:
    path = settings.host_key_file
    assert path
    try:
        found = ENTRY.findall(path.read_text())
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise BenchError(f"the host keys in '{path}' cannot be read: {why}", blame="config") from error
    if not found:
        raise BenchError(f"there is no public key in '{path}'", blame="config", help="such as ssh-ed25519 AAAA...")
    return found


def _key(text: str) -> asyncssh.SSHKey:
    try:
        return asyncssh.import_public_key(text)
    except asyncssh.KeyImportError as error:
        raise BenchError(f"the host key '{text[:40]}...' is damaged: {error}", blame="config") from error
