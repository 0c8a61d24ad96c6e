"""Where images come from, how they are packed, and how they get onto a medium."""

from flowrunner.image.medium import Medium
from flowrunner.image.opened import OpenImage, open_image
from flowrunner.image.write import write_image

__all__ = ["Medium", "OpenImage", "open_image", "write_image"]
