"""Leave U-Boot."""

from __future__ import annotations

from pydantic import Field

from flowrunner.console.regexes import Regex
from flowrunner.model import Duration
from flowrunner.step import Context, Outputs
from flowrunner_steps.uboot._prompt import AtPrompt, Command


class BootOutputs(Outputs):
    """How it began."""

    line: str
    """The line that matched `started`."""

    at: Duration
    """When, since the run started."""


class Boot(AtPrompt):
    """Leave U-Boot with a boot command, until the system has begun to start. A prompt that comes back is a failure.

    ```yaml
    steps:
      - uboot.boot:
      - uboot.boot: {command: "booti $kernel_addr_r $ramdisk_addr_r:$filesize $fdt_addr_r", within: 30s}
      - uboot.boot: {command: bootefi bootmgr, started: "EFI stub|GRUB"}
    ```
    """

    shorthand = "command"

    command: Command = Field(default="boot", min_length=1)
    """What is typed."""

    started: Regex = r"Starting kernel|EFI stub|Linux version|Booting Linux|Uncompressing"
    """A line that only a system that starts prints."""

    async def run(self, context: Context) -> BootOutputs:
        async with self.shell(context) as shell:
            line = await shell.boot(self.command, self.started)
        return BootOutputs(line=line, at=context.now())
