"""Drivers of the files family."""
