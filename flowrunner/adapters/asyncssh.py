"""A network part for asyncssh: for what `Ssh` does not offer, such as forwarded ports, SCP, or subsystems."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncssh

from flowrunner.beside import beside
from flowrunner.interfaces.network import Network
from flowrunner.interfaces.ssh import SshLogin
from flowrunner.ssh.carrier import Carrier


@asynccontextmanager
async def asyncssh_over(network: Network, login: SshLogin | None = None, **options: Any) -> AsyncIterator[Any]:
    """Log in through a network part; gives an `asyncssh.SSHClientConnection`, for which `options` are.

    `login` is such as `Ssh.shared` gives. Neither the files of the user's `~/.ssh` nor an agent are used, and the host
    key is not checked, unless `options` say so (`known_hosts`, `client_keys`, `agent_path`, `config`).

    Raises:
        BenchError: nobody answers there.
        asyncssh.Error: the server does not let us in.
    """
    given: dict[str, Any] = {"known_hosts": None, "config": None, "agent_path": None, "client_keys": None}
    if login:
        given |= {"username": login.username, "password": login.password}
        if login.key:
            given["client_keys"] = [asyncssh.import_private_key(login.key, login.passphrase)]
    async with network.connect() as stream:
        carrier = Carrier(stream)
        connecting = asyncssh.connect("device", 22, tunnel=carrier, **{**given, **options})
        async with beside(carrier.carry), connecting as connection:
            yield connection
