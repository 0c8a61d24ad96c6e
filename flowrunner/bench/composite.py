"""Composite: a place on the bench that only holds other parts."""

from __future__ import annotations

from flowrunner.driver import Config, Driver


class CompositeConfig(Config):
    """A composite has nothing to say but its children."""


class Composite(Driver[CompositeConfig]):
    """A group of parts under one name.

    ```yaml
    export:
      board:
        children:
          power: {type: power.virtual}
          alias: {ref: board.power}
    ```
    """

    aliases = ("jumpstarter_driver_composite.driver.Composite",)
