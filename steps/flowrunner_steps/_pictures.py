"""Pictures for steps: read, compare, and show where two of them differ."""

from __future__ import annotations

from io import BytesIO
from typing import Any, Literal

from PIL import Image, ImageChops, ImageDraw, UnidentifiedImageError

from flowrunner.errors import BenchError, Blame

Hash = Literal["average", "phash", "dhash", "whash", "colorhash", "pixels"]
Region = tuple[int, int, int, int]
"""Left, top, width and height in pixels."""

RED = (255, 0, 0)


def suffix(data: bytes) -> str:
    """The file's ending that fits a frame."""
    return ".jpg" if data.startswith(b"\xff\xd8") else ".png"


def read(data: bytes, what: str, blame: Blame) -> Image.Image:
    """The picture in a file's content, in plain colours.

    Raises:
        BenchError: it is none.
    """
    try:
        with Image.open(BytesIO(data)) as picture:
            return picture.convert("RGB")
    except (UnidentifiedImageError, OSError, Image.DecompressionBombError) as error:
        raise BenchError(f"{what} is no picture that can be read", blame=blame) from error


def png(picture: Image.Image) -> bytes:
    """A picture as a PNG file."""
    out = BytesIO()
    picture.save(out, "PNG", optimize=True)
    return out.getvalue()


def part(picture: Image.Image, region: Region | None, masks: list[Region]) -> Image.Image:
    """What of a picture is compared: `region` only, and black where a mask lies."""
    if masks:
        picture = picture.copy()
        pen = ImageDraw.Draw(picture)
        for x, y, width, height in masks:
            pen.rectangle((x, y, x + width - 1, y + height - 1), fill=0)
    if region:
        x, y, width, height = region
        if x + width > picture.width or y + height > picture.height:
            raise BenchError(
                f"the region {list(region)} is not inside the picture of {picture.width}x{picture.height} pixels",
                blame="config",
            )
        picture = picture.crop((x, y, x + width, y + height))
    return picture


def distance(golden: Image.Image, actual: Image.Image, hash: Hash, size: int) -> int:
    """How far two pictures are apart: bits of their hashes that differ, or pixels."""
    if hash == "pixels":
        return _pixels(golden, actual)
    kind = _hasher(hash)
    if hash == "colorhash":
        return int(kind(golden) - kind(actual))
    return int(kind(golden, hash_size=size) - kind(actual, hash_size=size))


def difference(golden: Image.Image, actual: Image.Image) -> Image.Image:
    """The actual picture in pale grey, with all that differs from the golden in red."""
    if golden.size != actual.size:
        golden = golden.resize(actual.size)
    pale = actual.convert("L").point([255 - (255 - value) // 3 for value in range(256)]).convert("RGB")
    pale.paste(RED, mask=_changed(golden, actual))
    return pale


def _pixels(golden: Image.Image, actual: Image.Image) -> int:
    if golden.size != actual.size:
        return max(golden.width, actual.width) * max(golden.height, actual.height)
    return _changed(golden, actual).histogram()[255]


def _changed(golden: Image.Image, actual: Image.Image) -> Image.Image:
    """White where two pictures of one size differ in any colour."""
    red, green, blue = ImageChops.difference(golden, actual).split()
    most = ImageChops.lighter(ImageChops.lighter(red, green), blue)
    return most.point([0] + [255] * 255)


def _hasher(hash: Hash) -> Any:
    try:
        import imagehash  # numpy and scipy with it: 0.5 s that only this step is to pay, and an extra of the package
    except ImportError as error:
        what = f"comparing pictures by {hash} needs the package 'imagehash'"
        raise BenchError(what, blame="infra", help="pip install 'flowrunner[images]', or use hash: pixels") from error
    name = "average_hash" if hash == "average" else hash
    return getattr(imagehash, name)
