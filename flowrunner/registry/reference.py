"""How content of a registry is named, and with what it may be read."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from flowrunner.errors import BenchError

_REFERENCE = re.compile(
    r"(?:oci://)?(?P<registry>[\w.-]+(?::\d+)?|\[[0-9a-fA-F:]+\](?::\d+)?)/(?P<name>[a-z0-9][\w./-]*?)"
    r"(?::(?P<tag>\w[\w.-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)
"""Source: the grammar of references in the OCI distribution specification, section "Pulling manifests"."""

_LOOPBACK = re.compile(r"(localhost|127\.[\d.]+|\[::1\])(:\d+)?")


@dataclass(frozen=True, slots=True)
class Reference:
    """`registry/name:tag`, or `registry/name@sha256:...`, which is always the same content."""

    registry: str
    name: str
    tag: str | None = None
    digest: str | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a reference; without tag and digest it is `latest`.

        Raises:
            BenchError: it is none.
        """
        found = cls.match(text)
        if not found:
            help = "name a folder, a tar, or a reference: registry.example.com/flashers/board:1.0"
            raise BenchError(f"'{text}' is no bundle", blame="config", help=help)
        return found

    @classmethod
    def match(cls, text: str) -> Self | None:
        """As `parse`, and None when it is none."""
        found = _REFERENCE.fullmatch(text)
        if not found:
            return None
        tag, digest = found["tag"], found["digest"]
        return cls(found["registry"], found["name"], tag or (None if digest else "latest"), digest)

    def __str__(self) -> str:
        return f"{self.repository}" + (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")

    @property
    def repository(self) -> str:
        """The registry with the name."""
        return f"{self.registry}/{self.name}"

    @property
    def here(self) -> bool:
        """Whether the registry is on this machine, where HTTP will do."""
        return _LOOPBACK.fullmatch(self.registry) is not None


@dataclass(frozen=True, slots=True)
class Access:
    """How a registry is read: without `username` as Docker's and Podman's files say, which `oras login` writes.

    `insecure`: over HTTP; None is so for registries of this machine only. `cacert` is a file of certificates.
    """

    username: str | None = None
    password: str | None = None
    insecure: bool | None = None
    cacert: str | None = None

    @classmethod
    def found(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """What `OCI_USERNAME` and `OCI_PASSWORD` say."""
        return cls(environment.get("OCI_USERNAME"), environment.get("OCI_PASSWORD"))

    def plain(self, reference: Reference) -> bool:
        """Whether the registry is spoken to over HTTP."""
        return reference.here if self.insecure is None else self.insecure

    def url(self, reference: Reference) -> str:
        """Where the registry's interface begins."""
        return f"{'http' if self.plain(reference) else 'https'}://{reference.registry}/v2/"
