"""Drivers behind gRPC: the exporter that serves a bench, and the client that works on one."""

import os

# grpc reads these once, while it is imported. Its handlers around fork() are for children that go on using it: ours
# start other programs at once. Its own log would land in the middle of ours.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
