"""From a request to what is sent for it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

from flowrunner_drivers._rooted import LeadsOut, NotAFile, open_inside
from flowrunner_drivers.tftp._content import Content, Netascii, netascii_size
from flowrunner_drivers.tftp._options import Limits, agree
from flowrunner_drivers.tftp._packets import Code, Refusal, Request


def opened(request: Request, root: Path, limits: Limits, absolute: bool) -> Content:
    """Open what is asked for, and agree on its options. Reads from the disk.

    Raises:
        Refusal: it cannot be had.
    """
    file = _file(root, request.name.lstrip("/") if absolute else request.name)
    try:
        if not request.netascii:
            size: int | None = os.fstat(file.fileno()).st_size
        else:
            size = netascii_size(file) if "tsize" in request.options else None
        agreed = agree(request.options, limits, size)
        return (Netascii if request.netascii else Content)(file, agreed)
    except BaseException:
        file.close()
        raise


def _file(root: Path, name: str) -> BinaryIO:
    try:
        return open_inside(root, name)
    except LeadsOut as problem:
        raise Refusal(Code.ACCESS, "the name leads out of the served folder") from problem
    except NotAFile as problem:
        raise Refusal(Code.NOT_FOUND, "this is no file") from problem
    except PermissionError as problem:
        raise Refusal(Code.ACCESS, "the file may not be read") from problem
    except OSError as problem:
        raise Refusal(Code.NOT_FOUND, "there is no such file") from problem
