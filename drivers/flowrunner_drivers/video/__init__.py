"""Drivers of the video family."""
