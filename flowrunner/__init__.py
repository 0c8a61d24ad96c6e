"""A declarative workflow runner for hardware, driven by YAML pipelines."""

__version__ = "0.1.0"
