"""Drivers of the console family."""
