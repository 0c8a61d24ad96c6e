"""Drivers of the storage family."""
