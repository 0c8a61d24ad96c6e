"""What streams are carried to: a TCP server, or a bare grpc.aio server, each in a process of its own.

Run as `_streams_far_end.py tcp` or `_streams_far_end.py bare`; it prints its port. A connection first says what it
wants in nine bytes: `s` and a count swallows so many bytes and answers `done`, `e` and anything sends back what comes.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
import threading

HEAD = struct.Struct("!cQ")


def tcp() -> None:
    """Serve with blocking sockets, a thread for each."""
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    while True:
        connection, _ = listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=_serve, args=(connection,), daemon=True).start()


def _serve(connection: socket.socket) -> None:
    buffer = memoryview(bytearray(1 << 20))
    try:
        kind, left = HEAD.unpack(connection.recv(HEAD.size, socket.MSG_WAITALL))
        while size := connection.recv_into(buffer):
            left -= size
            if kind == b"e":
                connection.sendall(buffer[:size])
            elif left <= 0:
                connection.sendall(b"done")
    except (OSError, struct.error):
        pass
    finally:
        connection.close()


async def bare() -> None:
    """Serve messages of bytes with nothing around them: the floor."""
    import grpc
    import grpc.aio

    async def serve(requests: object, context: grpc.aio.ServicerContext[bytes, bytes]) -> None:
        message = await context.read()
        assert isinstance(message, bytes)
        kind, left = HEAD.unpack(message)
        while isinstance(message := await context.read(), bytes):
            left -= len(message)
            if kind == b"e":
                await context.write(message)
            elif left <= 0:
                await context.write(b"done")

    class Handler(grpc.GenericRpcHandler):  # type: ignore[misc] # grpc has no types
        def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
            return grpc.stream_stream_rpc_method_handler(serve)

    server = grpc.aio.server()
    server.add_generic_rpc_handlers((Handler(),))
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    if sys.argv[1] == "tcp":
        tcp()
    else:
        asyncio.run(bare())
