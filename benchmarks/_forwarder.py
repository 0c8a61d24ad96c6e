"""A process that forwards a free port to the port in its argument, and prints which: for `benchmarks.forward`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import cast

import anyio

from flowrunner.bench.bench import Bench
from flowrunner.bench.config import load_exporter
from flowrunner.interfaces.network import Network
from flowrunner.net.forward import forward_tcp


async def main(port: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        exporter = Path(folder, "exporter.yaml")
        exporter.write_text(f"export: {{net: {{type: network.tcp, config: {{host: 127.0.0.1, port: {port}}}}}}}")
        bench = Bench(load_exporter(exporter), "bench")
        async with bench.opened():
            network = cast("Network", bench.device().at("net").client)
            async with forward_tcp(network.connect) as forward:
                print(forward.port, flush=True)
                await anyio.sleep_forever()


if __name__ == "__main__":
    anyio.run(main, int(sys.argv[1]))
