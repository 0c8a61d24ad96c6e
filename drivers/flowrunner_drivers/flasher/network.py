"""A board that is flashed over its network, by what it boots there."""

from __future__ import annotations

from flowrunner_drivers.flasher._config import FlasherConfig
from flowrunner_drivers.flasher._flasher import BaseFlasher


class NetworkFlasherConfig(FlasherConfig):
    """What the board boots, and how long each part of it may take."""


class NetworkFlasher(BaseFlasher[NetworkFlasherConfig]):
    """Flashes a board through its boot loader, U-Boot: nothing has to be plugged, and no card is taken out.

    The board is power-cycled and stopped at U-Boot's prompt. It gets an address by DHCP, loads a kernel and a small
    system over TFTP, boots them, fetches the image over HTTP and writes it; then it reads back what it wrote, and
    reboots into it. Several images are written in one boot. What is loaded, how it is started and which targets there
    are is told by a bundle (`flow bundle check` looks at one). The console stays that of the job: all of this is in its
    log.

    ```yaml
    export:
      console: {type: console.serial, config: {url: /dev/ttyUSB0}}
      power: {type: power.virtual}
      flasher:
        type: flasher.network
        config: {flasher_bundle: registry.example.com/flashers/board:1.0, host: 192.168.7.1}
        children:
          serial: {ref: console}
          power: {ref: power}
    ```

    Children `tftp` and `http` may name servers that are there already; otherwise it has its own, which listen on
    `host` only while a board is flashed; boards of one host wait for each other there. Port 69 needs rights. DHCP is
    not its business. When anything goes wrong, the board is left without power.
    """

    aliases = ("jumpstarter_driver_flashers.driver.BaseFlasher",)
