"""Keep pictures of the screen."""

from __future__ import annotations

import anyio
from pydantic import Field

from flowrunner.interfaces.video import Video
from flowrunner.model import Duration
from flowrunner.step import Context, Outputs, Step
from flowrunner_steps._pictures import suffix


class CaptureOutputs(Outputs):
    """What `capture` leaves for later steps."""

    files: list[str]
    """The names of the pictures, in order."""

    at: Duration
    """When the last one was taken: since the run started."""


class Capture(Step):
    """Keep one picture of the screen with the run, or several in a row.

    ```yaml
    steps:
      - capture: boot-menu
      - capture: {name: animation, count: 5, interval: 200ms}
    ```
    """

    shorthand = "name"
    kind = "setup"
    interfaces = (Video,)

    name: str = Field(default="screen", pattern=r"^[A-Za-z0-9_][\w.-]*$")
    """What the files are called, without their ending."""

    video: str | None = None
    """Which screen, when the device has several."""

    count: int = Field(default=1, ge=1)
    """How many pictures."""

    interval: Duration = Duration(1)
    """The time from one picture to the next."""

    async def run(self, context: Context) -> CaptureOutputs:
        screen = context.use(Video, path=self.video)
        start = anyio.current_time()
        files = []
        for number in range(self.count):
            await anyio.sleep_until(start + number * self.interval)
            frame = await screen.snapshot()
            name = self.name if self.count == 1 else f"{self.name}-{number + 1:0{len(str(self.count))}}"
            path = context.artifact(f"{name}{suffix(frame)}", title=name)
            await anyio.Path(path).write_bytes(frame)
            context.progress(number + 1, self.count, unit="pictures")
            files.append(path.name)
        return CaptureOutputs(files=files, at=context.now())
