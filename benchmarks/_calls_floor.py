"""The floor: grpc.aio with nothing on it, a server that echoes bytes. python -m benchmarks._calls_floor SOCKET"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import grpc
import grpc.aio


class Echo(grpc.GenericRpcHandler):  # type: ignore[misc] # grpc has no types
    """Answers each call with what it was called with."""

    def service(self, details: Any) -> Any:
        return grpc.unary_unary_rpc_method_handler(self._echo)

    async def _echo(self, request: bytes, context: Any) -> bytes:
        return request


async def main() -> None:
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((Echo(),))
    server.add_insecure_port(f"unix://{sys.argv[1]}")
    await server.start()
    print("ready", flush=True)
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(main())
