"""Load a file into the board's memory over the network."""

from __future__ import annotations

from pydantic import Field

from flowrunner.model import Duration
from flowrunner.step import Context, Outputs
from flowrunner_steps.uboot._prompt import AtPrompt, Command


class LoadOutputs(Outputs):
    """What was loaded."""

    bytes: int
    """How much."""

    address: str
    """Where it lies, as U-Boot takes it."""


class Load(AtPrompt):
    """Load a file by TFTP at U-Boot's prompt. The board must have an address: see `uboot.dhcp`.

    ```yaml
    steps:
      - uboot.dhcp:
      - uboot.load: {file: Image, address: $kernel_addr_r, server: 192.168.77.1}
      - uboot.load: {file: board.dtb, address: "0x48000000"}
    ```
    """

    shorthand = "file"

    file: Command = Field(min_length=1)
    """The file's path on the server."""

    address: str = Field(default="$loadaddr", pattern=r"^(\$\{?\w+\}?|0x[0-9a-fA-F]+|[0-9a-fA-F]+)$")
    """Where to put it: a number in hexadecimal, or a variable."""

    server: str | None = Field(default=None, pattern=r"^[0-9.]+$")
    """The server's address; by default U-Boot's `serverip`."""

    tries: int = Field(default=2, ge=1, le=20)
    """How often it is tried: U-Boot itself repeats lost packets."""

    within: Duration = Duration(120)
    """How long all of it may take."""

    async def run(self, context: Context) -> LoadOutputs:
        async with self.shell(context) as shell:
            size = await shell.load(self.file, self.address, server=self.server, tries=self.tries)
        return LoadOutputs(bytes=size, address=self.address)
