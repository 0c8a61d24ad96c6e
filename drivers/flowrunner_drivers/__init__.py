"""The drivers that come with flowrunner: one folder per family, one file per device."""
