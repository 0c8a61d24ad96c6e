"""The exporter: a bench, served."""
