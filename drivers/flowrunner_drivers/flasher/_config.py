"""How a board is flashed over its network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationInfo

from flowrunner.bundle.manifest import NAME
from flowrunner.console.keys import KEYS
from flowrunner.console.regexes import Regex
from flowrunner.console.uboot import PROMPT
from flowrunner.driver import Config
from flowrunner.model import FilePath, Seconds, SecretText


def _beside(text: str, info: ValidationInfo) -> str:
    """A path starts in the folder of the file that it is written in; a reference is left as it is."""
    folder = (info.context or {}).get("folder")
    return str(folder / Path(text).expanduser()) if folder and text.startswith((".", "~")) else text


def _key(text: str) -> str:
    if text.lower() not in KEYS and len(text) != 1:
        raise ValueError(f"'{text}' is no key: write one character, or a name such as space or ctrl-c")
    return text


BundleName = Annotated[str, Field(min_length=1), AfterValidator(_beside)]


class FlasherConfig(Config):
    """What the board boots, and how long each part of it may take."""

    flasher_bundle: BundleName
    """The bundle: a folder or tar (`./bundle`), or a reference such as `registry.example.com/flashers/board:1.0`; with
    `@sha256:...` behind it, it is always the same."""

    manifest: str = NAME
    """The manifest's name in the bundle."""

    variant: str | None = None
    """The kind of board, where the bundle knows several."""

    username: str | None = None
    """Who we are at the registry; without it, `OCI_USERNAME` and `OCI_PASSWORD` or what `oras login` wrote."""

    password: SecretText | None = None
    """The password that goes with it."""

    insecure: bool | None = None
    """Whether the registry is asked over HTTP; left out: only one of this machine."""

    cache_dir: FilePath | None = None
    """Where bundles are kept; `~/.cache/flowrunner/bundles` when left out."""

    tftp_dir: FilePath | None = None
    """The folder of our own TFTP server, where no child `tftp` is given; left out: one that is gone at the end."""

    http_dir: FilePath | None = None
    """The folder of our own HTTP server, where no child `http` is given. It holds the packed image meanwhile."""

    host: str | None = None
    """The address that our own servers listen on; the one towards the rest of the world when left out."""

    default_target: str | None = None
    """The target that is meant when none is named; the bundle's when left out."""

    targets: dict[str, str] = {}
    """More targets, or others, by name: a block device of the board, or `/sys/class/block#ADDRESS`."""

    kernel: FilePath | None = None
    """A kernel instead of the bundle's."""

    initram: FilePath | None = None
    """An initial RAM disk instead of the bundle's."""

    dtb: FilePath | None = None
    """A device tree instead of the bundle's."""

    packing: Literal["gzip", "zstd", "none"] = "gzip"
    """How the image travels to the board, whose system must have `zcat` or `zstd`."""

    verify: bool = True
    """Whether the board reads back what it has written."""

    after: Literal["reboot", "cycle", "off"] = "reboot"
    """How it goes on: the system reboots, the power is cycled, or the board is off."""

    retries: int = Field(default=2, ge=0)
    """How often it is tried again when the network failed or the board hung; nothing else is tried again."""

    off_for: Seconds = 2.0
    """Seconds between off and on."""

    key: Annotated[str, AfterValidator(_key)] = "space"
    """What stops U-Boot's countdown."""

    uboot_password: SecretText | None = None
    """What is typed instead when the countdown asks for it (CONFIG_AUTOBOOT_STOP_STR, or its encrypted form)."""

    uboot_delay: Seconds = 0.0
    """Seconds between two characters that U-Boot is sent, for consoles that lose some."""

    uboot_prompt: Regex = PROMPT
    """U-Boot's prompt, as a regular expression from the beginning of its line."""

    uboot_timeout: Seconds = 60.0
    """Seconds until U-Boot's prompt, and for each of its commands."""

    load_timeout: Seconds = 120.0
    """Seconds that a file may take to be loaded over TFTP."""

    port_timeout: Seconds = 300.0
    """Seconds that the board waits at U-Boot's prompt while another board of this host loads from port 69."""

    login_timeout: Seconds = 180.0
    """Seconds until the system lets us in."""

    stall_timeout: Seconds = 60.0
    """Seconds without a sign of the board, or without any progress, after which it counts as hung."""

    sync_timeout: Seconds = 1200.0
    """Seconds that the storage may take until all data is on it, and to be read back."""

    cacert: FilePath | None = None
    """The certificates that the registry is trusted by."""
