"""Get U-Boot an address."""

from __future__ import annotations

from pydantic import Field

from flowrunner.step import Context, Outputs
from flowrunner_steps.uboot._prompt import AtPrompt


class DhcpOutputs(Outputs):
    """What DHCP gave; what it did not give is empty."""

    ip: str
    """The address."""

    netmask: str
    """The mask, such as `255.255.255.0`."""

    gateway: str
    """The way out of the network."""

    server: str
    """From where files are loaded, unless `serverip` says otherwise."""


class Dhcp(AtPrompt):
    """Get an address from DHCP at U-Boot's prompt, without loading a file.

    ```yaml
    steps:
      - id: net
        uboot.dhcp:
      - log: the board is ${{ steps.net.outputs.ip }}
    ```
    """

    tries: int = Field(default=3, ge=1, le=20)
    """How often it is asked for."""

    async def run(self, context: Context) -> DhcpOutputs:
        async with self.shell(context) as shell:
            lease = await shell.dhcp(tries=self.tries)
        return DhcpOutputs(ip=lease.ip, netmask=lease.netmask, gateway=lease.gateway or "", server=lease.server or "")
