"""Runs of parts of one pipeline, joined into one run."""
