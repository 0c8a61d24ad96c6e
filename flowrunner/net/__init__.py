"""Sockets of the core: connecting, listening, forwarding."""
