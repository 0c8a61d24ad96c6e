"""Flasher bundles: what a board boots over the network to be flashed, and how it is described."""
