"""What the virtual board shows on its screen."""

from __future__ import annotations

import io
from collections.abc import Sequence

SIZE = (640, 360)
_BLUE, _GREEN, _WHITE, _GREY, _RED = "#12324a", "#2e8b57", "#f4f4f0", "#9aa5ad", "#8b1a1a"


def draw(state: str, lines: Sequence[str]) -> bytes:
    """The screen as a PNG file: black while off, the log while booting, then a picture of the state."""
    from PIL import Image, ImageDraw, ImageFont  # 40 ms that a run without pictures does not need

    image = Image.new("RGB", SIZE, "black")
    pen = ImageDraw.Draw(image)
    if state == "booting":
        pen.multiline_text((8, 8), "\n".join(lines[-20:]), fill=_GREY, font=ImageFont.load_default(12), spacing=4)
    elif state == "panicked":
        pen.rectangle((0, 0, *SIZE), fill=_RED)
        pen.text((40, 150), "Kernel panic", fill=_WHITE, font=ImageFont.load_default(48))
    elif state in ("login", "shell"):
        pen.rectangle((0, 0, *SIZE), fill=_BLUE)
        pen.ellipse((430, 60, 590, 220), fill=_GREEN)
        pen.rectangle((40, 60, 330, 110), fill=_GREEN)
        pen.text((52, 66), "virtual board", fill=_WHITE, font=ImageFont.load_default(30))
        pen.text((40, 150), "login:" if state == "login" else "# _", fill=_WHITE, font=ImageFont.load_default(48))
        pen.text((40, 320), "no hardware was harmed", fill=_GREY, font=ImageFont.load_default(16))
    elif state == "halted":
        pen.text((40, 150), "System halted", fill=_GREY, font=ImageFont.load_default(48))
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()
