"""TLS and the passphrase, between our ends and Jumpstarter's."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from flowrunner.errors import BenchError
from flowrunner.interfaces.network import Network
from flowrunner.interfaces.power import Power
from flowrunner.remote.client.connect import connected
from flowrunner.remote.endpoint import Endpoint, Trust
from tests.flowrunner.remote.peer.conftest import part, used
from tests.support.certificates import certificate
from tests.support.flow import clean
from tests.support.peers import BIN, free_port, peer, surroundings

pytestmark = [pytest.mark.anyio, pytest.mark.peer]

EXPORT = """
    export:
      power: {type: jumpstarter_driver_power.driver.MockPower}
      echo: {type: jumpstarter_driver_network.driver.EchoNetwork}
"""


async def test_our_client_is_let_in_by_their_exporter(tmp_path: Path) -> None:
    tls = certificate(tmp_path)
    options = ["--tls-cert", str(tls.certificate), "--tls-key", str(tls.key), "--passphrase", "open sesame"]
    with peer(EXPORT, options=options) as theirs:
        address = theirs.tcp.address
        for trust in (Trust(pin=tls.pin), Trust(ca=tls.pem)):
            async with used(Endpoint(address=address, trust=trust, passphrase="open sesame")) as lease:
                await part(lease, "power", Power).on()
                async with part(lease, "echo", Network).connect() as stream:
                    await stream.send(b"hello")
                    assert await stream.receive() == b"hello"
        for passphrase, words in ((None, "wants a passphrase"), ("open poppy", "refused the passphrase")):
            with pytest.raises(BenchError, match=words):
                async with connected(Endpoint(address=address, trust=Trust(pin=tls.pin), passphrase=passphrase)):
                    raise AssertionError("it is let in")


async def test_their_client_is_let_in_by_our_exporter(tmp_path: Path) -> None:
    tls, port = certificate(tmp_path), free_port()
    (tmp_path / "exporter.yaml").write_text(
        f"export: {{power: {{type: power.command, config: {{'on': touch {tmp_path}/lamp, 'off': 'true'}}}}}}"
    )
    ours = subprocess.Popen(
        [
            sys.executable, "-m", "flowrunner", "exporter", "run", tmp_path / "exporter.yaml", "--no-supervise",
            "--listen", f"127.0.0.1:{port}", "--tls-cert", tls.certificate, "--tls-key", tls.key,
        ],
        stdout=subprocess.PIPE, env={**clean(), "FLOW_PASSPHRASE": "open sesame", "FLOW_LOCK_DIR": str(tmp_path)},
    )  # fmt: skip
    try:
        assert ours.stdout
        assert b"listening" in ours.stdout.readline()
        environment = {
            **surroundings(""),
            "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": str(tls.certificate),
            "JMP_GRPC_INSECURE": "",
        }
        shell: list[str | Path] = [BIN / "jmp", "shell", "--tls-grpc", f"localhost:{port}", "--passphrase"]
        work: list[str | Path] = ["--", BIN / "j", "power", "on"]
        let_in = subprocess.run([*shell, "open sesame", *work], capture_output=True, env=environment, timeout=60)
        assert (let_in.returncode, (tmp_path / "lamp").exists()) == (0, True), let_in.stderr
        (tmp_path / "lamp").unlink()
        refused = subprocess.run([*shell, "open poppy", *work], capture_output=True, env=environment, timeout=60)
        assert refused.returncode != 0
        assert not (tmp_path / "lamp").exists()
        assert b"passphrase" in refused.stderr + refused.stdout
    finally:
        ours.terminate()
        ours.communicate(timeout=30)
