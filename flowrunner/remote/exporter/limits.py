"""What a server takes from its clients, at most; and what it asks of their connections."""

from __future__ import annotations

from flowrunner.remote.wire import MESSAGE_LIMIT

STREAMS = 1000
"""Rpcs that one connection may have at once; more of them wait at the client (HTTP/2, RFC 9113, 5.1.2)."""

RPCS = 4000
"""Rpcs at once, of all connections; more are refused with RESOURCE_EXHAUSTED."""

METADATA = 64 * 1024
"""Bytes of the metadata of one rpc; with more it is refused with RESOURCE_EXHAUSTED."""

HANDSHAKE = 20_000
"""Milliseconds in which a new connection must have shown that it speaks TLS and HTTP/2."""

SILENCE = 60_000
"""Milliseconds without a byte after which a client is asked whether it is there."""

ANSWER = 20_000
"""Milliseconds in which it must answer; then its streams end, and the devices behind them are free."""

OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.so_reuseport", 0),  # two exporters never share a port
    ("grpc.max_receive_message_length", MESSAGE_LIMIT),
    ("grpc.max_send_message_length", MESSAGE_LIMIT),
    ("grpc.max_metadata_size", METADATA),
    ("grpc.absolute_max_metadata_size", METADATA),
    ("grpc.max_concurrent_streams", STREAMS),
    ("grpc.server_handshake_timeout_ms", HANDSHAKE),
    ("grpc.keepalive_time_ms", SILENCE),
    ("grpc.keepalive_timeout_ms", ANSWER),
    ("grpc.keepalive_permit_without_calls", 1),  # clients of Jumpstarter ask every 20 s, also when nothing goes on
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ("grpc.http2.max_pings_without_data", 0),
)
"""The arguments of a server (grpc_types.h)."""
