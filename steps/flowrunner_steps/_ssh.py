"""What the actions of SSH have in common: who logs in, and by which way."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Annotated, Any

from pydantic import AfterValidator

from flowrunner.interface import Interface
from flowrunner.interfaces.network import Network
from flowrunner.interfaces.ssh import Ssh, SshLogin
from flowrunner.model import SecretText
from flowrunner.ssh.over import ssh_over
from flowrunner.ssh.settings import FIRST, SshSettings, trusted
from flowrunner.step import Context, Step


class AtSsh(Step):
    """A step with a login at the device."""

    interfaces = (Ssh, Network)

    username: str | None = None
    """Who logs in; as the driver's config says when left out, `root` with `via`."""

    password: SecretText | None = None
    """The password, instead of what the driver's config has."""

    key: SecretText | None = None
    """The private key as text, instead of what the driver's config has."""

    passphrase: SecretText | None = None
    """The passphrase of the key."""

    via: str | None = None
    """A network driver of the device, such as `port22`: this machine, and not the exporter, logs in through it."""

    host_key: Annotated[str, AfterValidator(trusted)] | None = None
    """With `via`: the fingerprint (`SHA256:...`) or public key of the server; any is taken when left out."""

    @classmethod
    def wants(cls, given: Mapping[str, Any]) -> tuple[type[Interface], ...]:
        return (Network,) if "via" in given else (Ssh,)

    @asynccontextmanager
    async def logged_in(self, context: Context) -> AsyncIterator[tuple[Ssh, SshLogin | None]]:
        """The login to use: through the exporter's driver, or through a network from here."""
        if self.via is None:
            yield context.use(Ssh), self._login()
            return
        settings = SshSettings(
            username=self.username or "root", password=self.password, key=self.key, passphrase=self.passphrase,
            host_key=self.host_key or FIRST,
        )  # fmt: skip
        async with ssh_over(context.use(Network, path=self.via), settings) as ssh:
            yield ssh, None

    def _login(self) -> SshLogin | None:
        given = {name: getattr(self, name) for name in ("username", "password", "key", "passphrase")}
        return SshLogin(**given) if any(value is not None for value in given.values()) else None
