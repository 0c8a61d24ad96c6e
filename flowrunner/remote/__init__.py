"""Drivers behind gRPC: the exporter that serves a bench, and the client that works on one."""
