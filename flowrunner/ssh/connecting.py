"""Logging in at an SSH server, over a stream that stands already."""

from __future__ import annotations

import logging
import os
from contextlib import AsyncExitStack
from typing import Any

import anyio
import asyncssh
from asyncssh.public_key import get_public_key_algs

from flowrunner.errors import BenchError
from flowrunner.ssh.carrier import Carrier
from flowrunner.ssh.hostkeys import HostKeys
from flowrunner.ssh.settings import Credentials, SshSettings

SILENT = 3
"""Questions whether the device is there that may stay without an answer."""

_log = logging.getLogger("asyncssh")
if _log.level == logging.NOTSET:
    _log.setLevel(logging.WARNING)  # it tells of each packet's purpose, with commands and paths
    asyncssh.set_sftp_log_level(logging.WARNING)

EVERYTHING = "+*"
"""All algorithms, those that are no longer safe behind the others."""


async def log_in(carrier: Carrier, settings: SshSettings, who: Credentials, hosts: HostKeys) -> Any:
    """A connection of asyncssh.

    Raises:
        BenchError: the key cannot be read.
        ValueError: there is no such cipher.
        TimeoutError, OSError, asyncssh.Error: the server does not let us in.
    """
    weak = EVERYTHING if settings.legacy else ()
    ciphers = f"^{settings.ciphers}" if settings.ciphers else weak  # ^ puts them in front
    async with AsyncExitStack() as stack:
        keys = await _keys(who, stack)
        stack.enter_context(anyio.fail_after(settings.timeout))
        return await asyncssh.connect(
            "device", 22, tunnel=carrier, config=None, known_hosts=([], [], []), client_factory=lambda: _Judge(hosts),
            username=who.username, password=who.password, client_keys=keys or None, agent_path=None, gss_host=None,
            server_host_key_algs=_host_key_algorithms(settings, hosts), kex_algs=weak, encryption_algs=ciphers,
            mac_algs=weak, signature_algs=weak, keepalive_interval=settings.keepalive, keepalive_count_max=SILENT,
            login_timeout=0, compression_algs=None,
        )  # fmt: skip


class _Judge(asyncssh.SSHClient):
    def __init__(self, hosts: HostKeys) -> None:
        self._hosts = hosts

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        return self._hosts.accepts(key)


def _host_key_algorithms(settings: SshSettings, hosts: HostKeys) -> list[str]:
    more = [name.decode() for name in get_public_key_algs()] if settings.legacy else []
    return list(dict.fromkeys([*hosts.algorithms, *more]))


async def _keys(who: Credentials, stack: AsyncExitStack) -> list[Any]:
    """The keys to be tried; those of the agent can be used until `stack` is left."""
    found: list[Any] = [_read(who)] if who.key is not None else []
    if who.agent:
        place = os.environ.get("SSH_AUTH_SOCK")
        if not place:
            raise BenchError(
                "there is no SSH agent: SSH_AUTH_SOCK is not set", blame="config",
                help="start the exporter within ssh-agent, or give a key",
            )  # fmt: skip
        try:
            agent = await stack.enter_async_context(asyncssh.connect_agent(place))
            found += await agent.get_keys()
        except (OSError, ValueError) as error:
            raise BenchError(f"the SSH agent at '{place}' does not answer: {error}", blame="infra") from error
    return found


def _read(who: Credentials) -> asyncssh.SSHKey:
    assert who.key is not None
    try:
        return asyncssh.import_private_key(who.key, who.passphrase)
    except asyncssh.KeyEncryptionError as error:
        what = "the passphrase of the key is wrong" if who.passphrase else "the key needs its passphrase"
        raise BenchError(what, blame="config", help="give passphrase") from error
    except asyncssh.KeyImportError as error:
        if not who.passphrase and "passphrase" in str(error).lower():
            raise BenchError("the key needs its passphrase", blame="config", help="give passphrase") from error
        what = f"the key cannot be read: {error}"
        raise BenchError(what, blame="config", help="it is a private key, PEM or OpenSSH") from error
