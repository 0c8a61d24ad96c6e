"""Write an image to a target's storage."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Self

import anyio
from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from flowrunner.image.checksum import Checksum
from flowrunner.image.codec import Compression
from flowrunner.interfaces.storage import Flasher
from flowrunner.model import Duration, SecretText, Size
from flowrunner.step import Context, Outputs, Step
from flowrunner_steps._flashing import Flashing, StoredImage, stored

ALONE = frozenset({"target", "checksum", "compression", "bmap", "token"})
"""What is said of `image`; each of `images` says it for itself."""


class FlashOutputs(Outputs):
    """What `flash` leaves for later steps."""

    image: str
    """Where the image came from; several have commas between them."""

    digest: str | None
    """The digest of the image file as it is stored, such as `sha256:9f86...`. It is known when the whole file was read:
    always for a packed or remote image, otherwise with `checksum`; null for a plain local file without, whose holes are
    not read. Null for several images: see `digests`."""

    digests: list[str | None]
    """The same of each image, in order."""

    bytes: Size
    """The size of the image when unpacked; of several, all together."""

    written: Size
    """How much of it was data: neither zeros nor blocks that a block map leaves out."""

    seconds: Duration
    """How long it took, verifying included."""

    rate: float
    """Bytes of the image a second."""


class Flash(Step):
    """Write an image to the target's storage; behind a mux it is switched to the host before and to the target after.

    The image is a path, relative to the pipeline's folder, or a URL (http, https, s3, gcs, oci ...). It may be packed
    with gzip, xz, zstd or bzip2. Zeros are not written where the storage can be told so. A block map beside the image
    (`IMAGE.bmap`, made by `bmaptool create`) says which blocks matter at all, and its checksums are held against them.

    ```yaml
    steps:
      - flash: build/disk.img.xz
      - flash:
          image: https://images.example.com/disk.img.zst
          target: root
          checksum: sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
          verify: true
      - flash:
          images:
            boot: build/boot.img
            root: {image: build/root.img.zst, bmap: build/root.bmap}
    ```

    Several images go to a target each. A board that writes its storage itself is booted once for all of them, and
    nothing is written when one of them does not fit.
    """

    shorthand = "image"
    kind = "setup"
    interfaces = (Flasher,)
    lasting = True
    outside = True

    image: str | None = None
    """A path or a URL."""

    images: dict[str, str | StoredImage] = Field(default={}, min_length=1)
    """Several images instead, by the targets that they are for: a path or a URL, or what is known of it."""

    target: str | None = None
    """The part of the storage that is written; the storage's default when left out."""

    checksum: Checksum | None = None
    """The digest that the image file must have, as it is stored: `sha256:` and what `sha256sum FILE` prints."""

    compression: Compression = "auto"
    """How the image is packed; `auto` looks at its first bytes, `none` writes it as it is."""

    verify: bool = False
    """Whether to read the storage back and compare it with what was written."""

    bmap: str = "auto"
    """The block map: `auto` is one beside the image if there is one, `none` is none, otherwise a path or URL."""

    token: SecretText | None = None
    """The token of a web server that wants one: what stands behind `Authorization: Bearer`. No other server sees it."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if (self.image is None) == (not self.images):
            why = "image and images exclude each other" if self.images else "needs image, or images"
            raise PydanticCustomError("one_of", "{why}", {"why": why})
        if self.images and (wrong := sorted(ALONE & self.model_fields_set)):
            why = f"{wrong[0]} is said of each of images, not of all"
            raise PydanticCustomError("misplaced", "{why}", {"why": why, "help": "such as root: {image: root.img}"})
        return self

    @classmethod
    def stored_files(cls, given: Mapping[str, Any]) -> Iterator[tuple[Any, Any]]:
        if given.get("image") is not None:
            yield given["image"], given.get("checksum")
        several = given.get("images") or {}
        for each in several.values() if isinstance(several, Mapping) else (several,):
            yield (each.get("image"), each.get("checksum")) if isinstance(each, Mapping) else (each, None)

    def with_digests(self, digest: Callable[[str, str | None], str | None]) -> Self:
        if self.image is not None:
            return self.model_copy(update={"checksum": digest(self.image, self.checksum)})
        held = {}
        for target, each in self.images.items():
            image = stored(each)
            held[target] = image.model_copy(update={"checksum": digest(image.image, image.checksum)})
        return self.model_copy(update={"images": held})

    async def run(self, context: Context) -> FlashOutputs:
        flashing = Flashing(context.use(Flasher), context, verify=self.verify)
        start = anyio.current_time()
        if self.image is None:
            written = await flashing.several({target: stored(each) for target, each in self.images.items()})
        else:
            how = {name: getattr(self, name) for name in ("checksum", "compression", "bmap", "token")}
            written = [await flashing.one(StoredImage(image=self.image, **how), self.target)]
        context.skip_output()  # a board that writes its storage itself has said much, and nothing that was asked for
        seconds, size = anyio.current_time() - start, sum(each.size for each in written)
        digests = [image.digest for image in flashing.opened]
        return FlashOutputs(
            image=", ".join(image.name for image in flashing.opened),
            digest=digests[0] if self.image is not None else None,
            digests=digests,
            bytes=Size(size),
            written=Size(sum(each.written for each in written)),
            seconds=Duration(seconds),
            rate=round(size / max(seconds, 1e-6)),
        )
