"""Exporter files: what stands on one bench, in Jumpstarter's shape or with only `export`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict
from pydantic.alias_generators import to_camel

from flowrunner.bench.checked import read
from flowrunner.model import Model
from flowrunner.source import Node, load


class Entry(Model):
    """One part of a bench: a driver (`type`), a group (only `children`), or another name for a part (`ref`)."""

    type: str | None = None
    """The driver, such as `power.virtual`; a class path of Jumpstarter is understood too."""

    config: dict[str, Any] | None = None
    """The driver's own keys: 'flow drivers show TYPE' lists them."""

    children: dict[str, Entry] | None = None
    """Parts below this one."""

    ref: str | None = None
    """The dotted path, from the top of `export`, of the part that this is another name for."""

    description: str | None = None
    """What people should know of this part."""

    methods_description: dict[str, str] | None = None
    """What people should know of single methods."""


class _Camel(Model):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class Metadata(_Camel):
    """Who this exporter is."""

    namespace: str | None = None
    """The controller's namespace."""

    name: str | None = None
    """The exporter's name."""

    labels: dict[str, str] = {}
    """Labels that selectors match."""


class Tls(_Camel):
    """How the controller is trusted."""

    ca: str = ""
    """The certificate authority: PEM in base64."""

    insecure: bool = False
    """Whether any certificate is accepted."""


class Hook(_Camel):
    """A script around a lease."""

    script: str
    """What to run."""

    exec: str | None = None
    """The interpreter."""

    timeout: int = 120
    """Seconds that it may take."""

    on_failure: Literal["warn", "endLease", "exit"] = "warn"
    """What a failure of it does."""


class Hooks(_Camel):
    """Scripts around a lease."""

    before_lease: Hook | None = None
    """Runs when a lease begins."""

    after_lease: Hook | None = None
    """Runs when a lease has ended."""


class FailureDetection(_Camel):
    """When an exporter that fails again and again gives up."""

    max_rapid_failures: int = 5
    """How many failures within the window are too many."""

    rapid_failure_window: int = 60
    """The window, in seconds."""


class Exporter(_Camel):
    """One exporter's file. Only `export` is needed; the rest is for serving it to a controller."""

    api_version: Literal["jumpstarter.dev/v1alpha1"] = "jumpstarter.dev/v1alpha1"
    """The version of this shape."""

    kind: Literal["ExporterConfig"] = "ExporterConfig"
    """What kind of file this is."""

    metadata: Metadata = Metadata()
    """Who this exporter is."""

    endpoint: str | None = None
    """The controller, host:port."""

    tls: Tls = Tls()
    """How the controller is trusted."""

    token: str | None = None
    """The exporter's token at the controller."""

    grpc_options: dict[str, str | int] | None = None
    """Options of the gRPC channel."""

    description: str | None = None
    """What people should know of this bench."""

    motd: str | None = None
    """A message for those who lease it."""

    hooks: Hooks | None = None
    """Scripts around a lease."""

    failure_detection: FailureDetection | None = None
    """When an exporter that fails again and again gives up."""

    exit_on_lease_end: bool = False
    """Whether the exporter ends with each lease."""

    export: dict[str, Entry]
    """The parts of the bench by name."""


@dataclass(frozen=True, slots=True)
class Source:
    """A checked exporter with the node it came from, for the places of later errors."""

    exporter: Exporter
    node: Node


def load_exporter(path: Path) -> Source:
    """Read an exporter's file.

    Raises:
        PipelineErrors: not readable, not YAML, or it does not fit.
    """
    document = load(path)
    exporter = read(Exporter, document, "an exporter's file")
    assert document.root is not None
    return Source(exporter, document.root)
