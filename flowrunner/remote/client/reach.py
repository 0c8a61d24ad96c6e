"""How an exporter that was reached is named to other programs."""

from __future__ import annotations

from pathlib import Path

from flowrunner.remote.endpoint import Endpoint


def exported(found: Endpoint, *, ca: Path | None = None) -> dict[str, str]:
    """The environment in which `endpoint`, and Jumpstarter's own programs, find the same exporter.

    `ca` is the file that the endpoint's certificate authority came from.
    """
    trust, address = found.trust, found.address
    variables = {
        "FLOW_EXPORTER": str(address),
        "FLOW_TLS_CA": str(ca.absolute()) if ca else "",
        "FLOW_TLS_PIN": trust.pin or "",
        "FLOW_TLS_SERVER_NAME": trust.server_name or "",
        "FLOW_INSECURE": "1" if trust.insecure else "",
        "FLOW_PASSPHRASE": found.passphrase or "",
        "JUMPSTARTER_HOST": str(address.path.absolute()) if address.path else address.target,
        "JMP_DRIVERS_ALLOW": "UNSAFE",
        "JMP_GRPC_INSECURE": "1" if trust.insecure else "",
        "JMP_GRPC_PASSPHRASE": found.passphrase or "",
        "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": str(ca.absolute()) if ca else "",
        "_JMP_SUPPRESS_DRIVER_WARNINGS": "1",
    }
    return {name: value for name, value in variables.items() if value}
