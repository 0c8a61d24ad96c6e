"""Stores of files, over any service that opendal knows."""
