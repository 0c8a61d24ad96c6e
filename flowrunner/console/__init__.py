"""Consoles: a complete log on disk, a cursor, and matchers whose result never depends on how bytes arrive."""
