"""Runs that CI systems spread over machines: parts of a pipeline, and definitions in the systems' own words."""
