"""Renesas' R-Car S4 boards, flashed over their network."""

from __future__ import annotations

from flowrunner_drivers.flasher._config import BundleName, FlasherConfig
from flowrunner_drivers.flasher._flasher import BaseFlasher


class RcarS4FlasherConfig(FlasherConfig):
    """What the board boots, and how long each part of it may take."""

    flasher_bundle: BundleName = "quay.io/jumpstarter-dev/jumpstarter-flasher-rcar-s4:latest"
    """The bundle of this board."""


class RcarS4Flasher(BaseFlasher[RcarS4FlasherConfig]):
    """Flashes Renesas' R-Car S4 boards: `flasher.network` with the bundle that the Jumpstarter project publishes.

    ```yaml
    export:
      console: {type: console.serial, config: {url: /dev/ttyUSB0}}
      power: {type: power.virtual}
      storage:
        type: flasher.rcar_s4
        children:
          serial: {ref: console}
          power: {ref: power}
    ```
    """

    aliases = ("jumpstarter_driver_flashers.driver.RCarS4Flasher",)
