"""Drivers of the network family."""
