"""Drivers of the power family."""
