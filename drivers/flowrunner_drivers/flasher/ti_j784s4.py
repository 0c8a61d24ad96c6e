"""TI's J784S4 evaluation module, flashed over its network."""

from __future__ import annotations

from flowrunner_drivers.flasher._config import BundleName, FlasherConfig
from flowrunner_drivers.flasher._flasher import BaseFlasher


class TiJ784s4FlasherConfig(FlasherConfig):
    """What the board boots, and how long each part of it may take."""

    flasher_bundle: BundleName = "quay.io/jumpstarter-dev/jumpstarter-flasher-ti-j784s4:latest"
    """The bundle of this board."""


class TiJ784s4Flasher(BaseFlasher[TiJ784s4FlasherConfig]):
    """Flashes TI's J784S4 evaluation module: `flasher.network` with the bundle that the Jumpstarter project publishes.

    Its targets are `usd`, the card, and `emmc`.

    ```yaml
    export:
      console: {type: console.serial, config: {url: /dev/ttyUSB2}}
      power: {type: power.virtual}
      storage:
        type: flasher.ti_j784s4
        children:
          serial: {ref: console}
          power: {ref: power}
    ```
    """

    aliases = ("jumpstarter_driver_flashers.driver.TIJ784S4Flasher",)
