"""Certificates of the tests' own making, by openssl."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from ssl import PEM_cert_to_DER_cert


@dataclass(frozen=True)
class Certificate:
    """A self-signed certificate with its key."""

    certificate: Path
    key: Path

    @property
    def pem(self) -> bytes:
        return self.certificate.read_bytes()

    @property
    def pin(self) -> str:
        """Its SHA-256 in hex."""
        return sha256(PEM_cert_to_DER_cert(self.certificate.read_text())).hexdigest()


def certificate(folder: Path, name: str = "localhost") -> Certificate:
    """One for `name` (and 127.0.0.1 when that is localhost), good for two days."""
    made = Certificate(folder / f"{name}.pem", folder / f"{name}.key")
    also = ",IP:127.0.0.1" if name == "localhost" else ""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}{also}",
         "-keyout", str(made.key), "-out", str(made.certificate)],
        check=True, capture_output=True,
    )  # fmt: skip
    return made
