"""Drivers of the flasher family: boards that write their own storage, with a system that they boot over the network."""
