"""How one logs in at an SSH server, and why its host key is trusted."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import Field, field_validator
from pydantic_core import PydanticCustomError

from flowrunner.driver import Config
from flowrunner.errors import BenchError
from flowrunner.interfaces.ssh import SshLogin
from flowrunner.model import FilePath, GivenText, Seconds, TextFrom

FIRST, ANY = "first", "any"
PINNED = re.compile(r"SHA256:[A-Za-z0-9+/]{43}|(ssh|ecdsa|sk-ssh|sk-ecdsa)-\S+ AAAA\S+( .*)?")
"""A fingerprint as `ssh-keygen -l` prints it, or a public key as `ssh-keyscan` does behind the host's name."""


def trusted(text: str) -> str:
    """`text`, if it can say which host key is trusted."""
    if text in (FIRST, ANY) or PINNED.fullmatch(text):
        return text
    why = f"'{text}' is no fingerprint (SHA256:...), no public key (ssh-ed25519 AAAA...), and neither first nor any"
    raise PydanticCustomError("host_key", "{why}", {"why": why, "help": "ssh-keyscan HOST | ssh-keygen -lf -"})


class SshSettings(Config):
    """The login, the host key, and how long things may take."""

    username: str = Field(default="root", min_length=1)
    """Who logs in."""

    password: GivenText | None = Field(default=None, repr=False)
    """The password: the text, or `{env: NAME}`, or `{file: PATH}`; both as the exporter knows them."""

    key: GivenText | None = Field(default=None, repr=False)
    """The private key: the text (PEM or OpenSSH), or `{file: PATH}`, or `{env: NAME}`."""

    passphrase: GivenText | None = Field(default=None, repr=False)
    """The passphrase of the key."""

    agent: bool = False
    """Whether the keys of the exporter's SSH agent (SSH_AUTH_SOCK) are tried."""

    host_key: str | list[str] = FIRST
    """Which host key is trusted: a fingerprint or a public key, or several; `first`: that which comes first in each
    lease; `any`: no matter which, with a warning."""

    host_key_file: FilePath | None = None
    """A file with the public keys of the host, such as a copy of its `ssh_host_ed25519_key.pub` or a `known_hosts`."""

    ciphers: str | None = None
    """The ciphers to be taken before all others, such as `aes128-gcm@openssh.com`: twice as fast as the usual one where
    both ends compute AES in hardware."""

    legacy: bool = False
    """Whether algorithms are allowed that are weak by now: old devices know no others."""

    timeout: Seconds = Field(default=10.0, gt=0)
    """Seconds that one attempt to connect and to log in may take."""

    within: Seconds = 0.0
    """Seconds for which connecting is tried again while nobody answers, such as while the device boots."""

    keepalive: Seconds = 15.0
    """Seconds of silence after which the device is asked whether it is there; it is lost after three without an answer;
    0 never asks."""

    share_key: bool = False
    """Whether clients may have the private key, to log in themselves: Jumpstarter's need it for their own `ssh`."""

    posix: bool = True
    """Whether commands are run by a POSIX shell: only then secrets in `env` stay out of the device's list of processes,
    and all that a command started can be ended. False sends commands as they are, such as to a network switch."""

    @field_validator("host_key")
    @classmethod
    def _known(cls, value: str | list[str]) -> str | list[str]:
        for text in [value] if isinstance(value, str) else value:
            trusted(text)
        return value


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who logs in and by what, with all texts read. What is secret is in no `repr`."""

    username: str
    password: str | None = field(default=None, repr=False)
    key: str | None = field(default=None, repr=False)
    passphrase: str | None = field(default=None, repr=False)
    agent: bool = False

    @property
    def how(self) -> str:
        """The ways that it has, in words."""
        ways = {"key": self.key is not None, "the keys of the agent": self.agent, "password": self.password is not None}
        return " and ".join(word for word, tried in ways.items() if tried)


def credentials(settings: SshSettings, login: SshLogin | None, environment: Mapping[str, str]) -> Credentials:
    """What `settings` say, with what `login` says instead.

    Another user has nothing of what is configured for the first one.

    Raises:
        BenchError: a variable is not set, or a file cannot be read.
    """
    login = login or SshLogin()
    if login.username not in (None, settings.username) or login.password is not None or login.key is not None:
        return Credentials(login.username or settings.username, login.password, login.key, login.passphrase)
    texts = {name: _read(name, getattr(settings, name), environment) for name in ("password", "key", "passphrase")}
    passphrase = login.passphrase or texts["passphrase"]
    return Credentials(settings.username, texts["password"], texts["key"], passphrase, settings.agent)


def _read(name: str, given: str | TextFrom | None, environment: Mapping[str, str]) -> str | None:
    match given:
        case TextFrom(env=str(variable), file=None):
            if variable not in environment:
                what = f"the {name} should be in the variable {variable}, which is not set"
                raise BenchError(what, blame="config", help="set it where the exporter is started")
            return environment[variable]
        case TextFrom(env=None, file=path) if path is not None:
            try:
                text = path.read_text()
            except (OSError, UnicodeDecodeError) as error:
                why = (error.strerror or "") if isinstance(error, OSError) else "it is no text"
                what = f"the {name} in '{os.fspath(path)}' cannot be read: {why}"
                raise BenchError(what, blame="config") from error
            return text if name == "key" else text.strip()
        case TextFrom():
            raise BenchError(f"{name} has either env or file", blame="config")
        case text:
            return text
