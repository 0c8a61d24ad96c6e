"""A bundle's manifest: which files a board loads, where to, how it is started, and what can be written then."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from flowrunner.bench.checked import find, read
from flowrunner.errors import PipelineError, PipelineErrors, near
from flowrunner.model import Model
from flowrunner.source import Node, load

NAME = "manifest.yaml"
ADDRESS = r"0x[0-9a-fA-F]+|\$\{?\w+\}?"


def _address(value: Any) -> Any:
    """YAML reads `0x82000000` as a number; U-Boot wants it back in hexadecimal."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return hex(value)
    if isinstance(value, str) and re.fullmatch(ADDRESS, value):
        return value
    said = {"why": f"needs a number or a variable, got {value!r}", "help": "such as 0x82000000 or $kernel_addr_r"}
    raise PydanticCustomError("address", "{why}", said)


Address = Annotated[str, BeforeValidator(_address, json_schema_input_type=int | str)]
"""Where in the board's memory, as U-Boot takes it."""

File = Annotated[str, Field(min_length=1, pattern=r"^[^/].*$")]
"""A file of the bundle, by its path in it."""


class Loaded(Model):
    """A file that the board loads."""

    file: File
    """Its path in the bundle."""

    address: Address
    """Where it is loaded to: `0x82000000`, or a variable of U-Boot such as `$kernel_addr_r`."""


class Variant(Model):
    """What is different on one kind of board."""

    file: File | None = None
    """Its device tree; the default one when left out."""

    bootcmd: str | None = None
    """How it is started; as all others when left out."""


def _variant(value: Any) -> Any:
    return {"file": value} if isinstance(value, str) else value


class DeviceTree(Model):
    """The device tree that the kernel gets."""

    default: str
    """The variant that is taken when none is named; without `variants` the file itself."""

    address: Address
    """Where it is loaded to."""

    variants: dict[str, Annotated[Variant, BeforeValidator(_variant, json_schema_input_type=str | Variant)]] = {}
    """The boards that differ: a file, or what is different."""


class Login(Model):
    """How to get to a shell on the console."""

    login_prompt: str = "login:"
    """What asks for the name."""

    username: str | None = None
    """Who logs in; left out: the console shows a shell at once."""

    password: str | None = None
    """The password, if one is asked for."""

    prompt: str = "#"
    """What the shell ends its prompt with."""


class Spec(Model):
    """What the bundle holds."""

    manufacturer: str = ""
    """Who makes the boards."""

    link: str | None = None
    """Where to read more about them."""

    bootcmd: str
    """U-Boot's command that starts what was loaded."""

    shelltype: Literal["busybox"] = "busybox"
    """The kind of shell that the system has."""

    login: Login = Login()
    """How to get to that shell."""

    default_target: str | None = None
    """The target that is meant when none is named; needed when there are several."""

    targets: dict[str, str] = Field(min_length=1)
    """What can be written, by name: a block device, or `/sys/class/block#ADDRESS` for the one behind that address."""

    kernel: Loaded
    """The kernel."""

    initram: Loaded | None = None
    """The initial RAM disk."""

    dtb: DeviceTree | None = None
    """The device tree."""

    bootloader_commands: list[str] = []
    """U-Boot's commands before it looks for the network, such as `virtio scan` or `setenv ethact eth1`."""

    network_commands: list[str] = ["udhcpc"]
    """What brings the network up in the system; `$dhcp_addr`, `$gw_addr` and `$dhcp_netmask` are what U-Boot got."""

    preflash_commands: list[str] = []
    """What is run in the system before an image is written."""

    postflash_commands: list[str] = []
    """What is run in the system behind it; `$target` is the block device."""


class Metadata(Model):
    """What the bundle is called."""

    name: str
    """Its name."""


class Manifest(Model):
    """The file `manifest.yaml` of a bundle; Jumpstarter's are understood as they are."""

    api_version: Literal["jumpstarter.dev/v1alpha1"] = Field(alias="apiVersion")
    """The version of this shape."""

    kind: Literal["FlashBundleManifest"]
    """What kind of file this is."""

    metadata: Metadata
    """What the bundle is called."""

    spec: Spec
    """What it holds."""


def load_manifest(path: Path, folder: Path) -> Manifest:
    """Read a manifest; the files that it names must be in `folder`.

    Raises:
        PipelineErrors: all that is wrong with it, each at its place.
    """
    document = load(path)
    manifest = read(Manifest, document, "a bundle's manifest")
    assert document.root is not None
    errors = [*_unfit(manifest.spec, document.root), *_missing(manifest.spec, document.root, folder)]
    if errors:
        raise PipelineErrors(errors)
    return manifest


def _unfit(spec: Spec, root: Node) -> Iterator[PipelineError]:
    """Names that lead nowhere."""
    if spec.default_target is not None and spec.default_target not in spec.targets:
        where = find(root, ("spec", "default_target")).where
        what = f"default_target is '{spec.default_target}', and there is no such target"
        yield PipelineError(what, code="unknown-target", where=where, help=near(spec.default_target, spec.targets))
    if spec.dtb and spec.dtb.variants and spec.dtb.default not in spec.dtb.variants:
        where = find(root, ("spec", "dtb", "default")).where
        what = f"default is '{spec.dtb.default}', and there is no such variant"
        yield PipelineError(what, code="unknown-variant", where=where, help=near(spec.dtb.default, spec.dtb.variants))


def _missing(spec: Spec, root: Node, folder: Path) -> Iterator[PipelineError]:
    """Files that are not in the bundle, or not inside of it."""
    for place, name in _files(spec):
        where = find(root, ("spec", *place)).where
        if not (folder / name).resolve().is_relative_to(folder.resolve()):
            yield PipelineError(f"'{name}' leads out of the bundle", code="bad-file", where=where)
        elif not (folder / name).is_file():
            yield PipelineError(f"there is no file '{name}' in the bundle", code="missing-file", where=where)


def _files(spec: Spec) -> Iterator[tuple[tuple[str, ...], str]]:
    """Each file that the manifest names, with its place."""
    yield ("kernel", "file"), spec.kernel.file
    if spec.initram:
        yield ("initram", "file"), spec.initram.file
    if spec.dtb:
        if not spec.dtb.variants:
            yield ("dtb", "default"), spec.dtb.default
        for name, variant in spec.dtb.variants.items():
            if variant.file:
                yield ("dtb", "variants", name), variant.file
