"""Click on the target's screen."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from flowrunner.interfaces.screen import Button, Screen
from flowrunner.step import Context, Step

Pixel = Annotated[int, Field(ge=0, lt=1 << 16)]


class Click(Step):
    """Click with the mouse that goes with the target's screen, or drag something with it.

    ```yaml
    steps:
      - screen.click: {at: [320, 240]}
      - screen.click: {at: [20, 20], count: 2}
      - screen.click: {at: [100, 100], to: [400, 100]}
    ```
    """

    interfaces = (Screen,)

    at: tuple[Pixel, Pixel]
    """Where: pixels from the left and from the top."""

    to: tuple[Pixel, Pixel] | None = None
    """Where to drag what is there."""

    button: Button = "left"
    """Which button."""

    count: int = Field(default=1, ge=1, le=9)
    """How many clicks: 2 is a double click. Dragging takes one."""

    async def run(self, context: Context) -> None:
        screen = context.use(Screen)
        if self.to is not None:
            await screen.drag(*self.at, *self.to, self.button)
        else:
            await screen.click(*self.at, self.button, self.count)
