"""Drivers that log in by SSH."""
