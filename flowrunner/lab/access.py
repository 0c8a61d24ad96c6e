"""How exporters that listen somewhere are reached: from the command line, the environment or a lab's file."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from pydantic import Field

from flowrunner.errors import PipelineError
from flowrunner.model import FilePath, GivenText, Model, TextFrom
from flowrunner.remote.address import Address
from flowrunner.remote.endpoint import Endpoint, Trust

INSECURE = ("FLOW_INSECURE", "JMP_GRPC_INSECURE", "JUMPSTARTER_GRPC_INSECURE")
"""Variables that say what `--insecure` says: ours, and those of Jumpstarter."""

PASSPHRASES = ("FLOW_PASSPHRASE", "JMP_GRPC_PASSPHRASE")
"""Variables that say what `--passphrase` says; the first that is there wins."""


class LabTls(Model):
    """Why an exporter's certificate is trusted; without any of it by the roots of the system."""

    ca: FilePath | None = None
    """A file with certificates (PEM) that are trusted instead of the system's roots."""

    pin: str | None = None
    """The SHA-256 of the exporter's certificate in hex: that certificate is trusted and no other."""

    insecure: bool = False
    """Whether the exporter is spoken to in plain text, without TLS."""

    server_name: str | None = None
    """The name in the certificate, where that is another one than the host of `endpoint`."""


class Reached(Model):
    """The keys of an exporter that listens somewhere."""

    endpoint: str | None = None
    """Where the exporter listens: `host:port`, or `unix:PATH`."""

    tls: LabTls | None = None
    """Why its certificate is trusted."""

    passphrase: GivenText | None = Field(default=None, repr=False)
    """What it asks of its clients: the text, or `{env: NAME}`, or `{file: PATH}`."""

    def reach(self, environment: Mapping[str, str]) -> Endpoint:
        """The endpoint that these keys say.

        Raises:
            PipelineError: they make no sense, or the file or variable that they name is not there.
        """
        tls = self.tls or LabTls()
        said = Access(ca=tls.ca, pin=tls.pin, insecure=tls.insecure, passphrase=self._passphrase(environment))
        return said.endpoint(self.endpoint or "", server_name=tls.server_name)

    def _passphrase(self, environment: Mapping[str, str]) -> str | None:
        match self.passphrase:
            case TextFrom(env=str(name), file=None):
                if name not in environment:
                    raise PipelineError(f"the variable {name} is not set", code="no-passphrase", help="set it")
                return environment[name]
            case TextFrom(env=None, file=Path() as path):
                return read_passphrase(path)
            case TextFrom():
                raise PipelineError("a passphrase has either env or file", code="bad-value")
            case text:
                return text


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What is said of the exporters that are named by their address. `passphrase` is in no `repr`."""

    ca: Path | None = None
    pin: str | None = None
    insecure: bool = False
    server_name: str | None = None
    passphrase: str | None = field(default=None, repr=False)

    def among(self, environment: Mapping[str, str]) -> Access:
        """The same, with what the environment says where nothing was said."""
        phrase = next((environment[name] for name in PASSPHRASES if environment.get(name)), None)
        phrase, server_name = self.passphrase or phrase, self.server_name or environment.get("FLOW_TLS_SERVER_NAME")
        if self.insecure or self.ca or self.pin:
            return replace(self, server_name=server_name, passphrase=phrase)
        insecure = any(environment.get(name, "").lower() in ("1", "true", "yes") for name in INSECURE)
        ca, pin = environment.get("FLOW_TLS_CA"), environment.get("FLOW_TLS_PIN")
        if ca or pin:
            return Access(ca=Path(ca) if ca else None, pin=pin, server_name=server_name, passphrase=phrase)
        return Access(insecure=insecure, server_name=server_name, passphrase=phrase)

    def endpoint(self, text: str, *, server_name: str | None = None) -> Endpoint:
        """The exporter that listens at `text`.

        Raises:
            PipelineError: `text` is no address, or what is said of it makes no sense.
        """
        if self.insecure and (self.ca or self.pin):
            what = "an exporter without TLS has no certificate to trust"
            raise PipelineError(what, code="usage", help="give either insecure, or ca and pin")
        pin = self.pin.replace(":", "").lower() if self.pin else None
        if pin is not None and not re.fullmatch("[0-9a-f]{64}", pin):
            what = f"the pin '{self.pin}' is no SHA-256"
            advice = "write 64 hex digits: openssl x509 -noout -fingerprint -sha256 -in CERTIFICATE prints them"
            raise PipelineError(what, code="bad-value", help=advice)
        ca = read(self.ca, "certificate") if self.ca else None
        trust = Trust(ca=ca, pin=pin, insecure=self.insecure, server_name=server_name or self.server_name)
        return Endpoint(address=Address.parse(text), trust=trust, passphrase=self.passphrase)

    @property
    def said(self) -> str:
        """The first of the options that something was said with; empty when there is none."""
        options = {"--tls-ca": self.ca, "--tls-pin": self.pin, "--insecure": self.insecure}
        return next((name for name, value in options.items() if value), "")


def read(path: Path, noun: str) -> bytes:
    """The content of a file.

    Raises:
        PipelineError: it cannot be read.
    """
    try:
        return path.expanduser().read_bytes()
    except OSError as error:
        what = f"the {noun} {os.fspath(path)} cannot be read: {error.strerror}"
        raise PipelineError(what, code="no-file", help="name a file that you may read") from error


def read_passphrase(path: Path) -> str:
    """The passphrase in a file, without the spaces and line ends around it.

    Raises:
        PipelineError: the file cannot be read, is no text, or is empty.
    """
    try:
        text = read(path, "passphrase").decode().strip()
    except UnicodeDecodeError as error:
        raise PipelineError(f"the passphrase {path} is no UTF-8 text", code="bad-value") from error
    if not text:
        raise PipelineError(f"the passphrase {path} is empty", code="bad-value", help="write it into the file")
    return text
