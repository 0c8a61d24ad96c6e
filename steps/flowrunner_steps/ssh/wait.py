"""Wait until the device lets us in."""

from __future__ import annotations

from flowrunner.errors import BenchError, ExpectationError
from flowrunner.model import Duration
from flowrunner.step import Context, Outputs
from flowrunner_steps._ssh import AtSsh


class WaitOutputs(Outputs):
    """Who answered."""

    version: str
    """What the server says of itself, such as `SSH-2.0-OpenSSH_9.2p1`."""

    username: str
    """Who is logged in."""

    host_key: str
    """The fingerprint of its host key: `SHA256:...`."""

    seconds: Duration
    """How long it took."""

    at: Duration
    """When it let us in, since the run started."""


class Wait(AtSsh):
    """Wait until the device's SSH server answers and lets us in, such as behind a boot.

    A refused login, or a host key that is not the known one, ends the waiting: more time would not help.

    ```yaml
    steps:
      - power: cycle
      - id: up
        ssh.wait: 2m
      - measure: {name: boot_time, value: "${{ steps.up.outputs.seconds }}", unit: s, limits: {max: 30}}
      - flash: build/image.wic.zst
      - power: cycle
      - ssh.wait: {within: 2m, forget: true}     # the new image has a new host key
    ```
    """

    shorthand = "within"
    kind = "setup"

    within: Duration = Duration(60)
    """How long it may take."""

    forget: bool = False
    """Whether the host key may be another one from here on, as that of a device that was flashed anew."""

    async def run(self, context: Context) -> WaitOutputs:
        start = context.now()
        async with self.logged_in(context) as (ssh, login):
            if self.forget:
                await ssh.forget()
            try:
                found = await ssh.ready(self.within, login)
            except BenchError as error:
                if error.blame != "infra":
                    raise
                raise ExpectationError(error.what, cause="timeout", help=error.help) from error
        now = context.now()
        return WaitOutputs(
            version=found.version, username=found.username, host_key=found.host_key, seconds=now - start, at=now
        )
