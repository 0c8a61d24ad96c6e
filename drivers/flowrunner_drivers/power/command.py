"""A supply that is switched by command lines: the way in for any tool that a bench has already."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator

import anyio
from pydantic import ValidationError

from flowrunner.driver import Config, Driver
from flowrunner.errors import BenchError
from flowrunner.interfaces.power import Power, PowerReading
from flowrunner.model import Seconds
from flowrunner_drivers._process import Command, run, shown


class CommandPowerConfig(Config):
    """The commands. A list is started as it is, text is given to `sh -c`; each must exit with 0."""

    on: Command
    """Applies power."""

    off: Command
    """Removes power."""

    read: Command | None = None
    """Measures: prints volts and amperes as two numbers, or as `{"voltage": 5.1, "current": 0.4}`."""

    interval: Seconds = 1.0
    """Seconds between two measurements."""

    timeout: Seconds = 10.0
    """Seconds that a command may take; then it and all it started are ended."""


class CommandPower(Driver[CommandPowerConfig], Power):
    """Switches power by running a command beside the device.

    ```yaml
    export:
      power:
        type: power.command
        config:
          on: uhubctl -a on -p 2
          off: [uhubctl, -a, "off", -p, "2"]
    ```
    """

    async def on(self) -> None:
        await run(self.config.on, timeout=self.config.timeout)

    async def off(self) -> None:
        await run(self.config.off, timeout=self.config.timeout)

    async def read(self) -> AsyncIterator[PowerReading]:
        if self.config.read is None:
            raise NotImplementedError
        while True:
            yield _reading(self.config.read, await run(self.config.read, timeout=self.config.timeout))
            await anyio.sleep(self.config.interval)


def _reading(command: Command, text: str) -> PowerReading:
    try:
        if text.lstrip().startswith("{"):
            return PowerReading.model_validate(json.loads(text))
        volts, amps = re.findall(r"[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?", text)
        return PowerReading(voltage=float(volts), current=float(amps))
    except (ValueError, ValidationError) as error:
        raise BenchError(
            f"'{shown(command)}' printed no reading: volts and amperes were expected", said=text.strip()[-200:]
        ) from error
