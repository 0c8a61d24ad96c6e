"""Holding a compiled pipeline against its lock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from flowrunner import plugins
from flowrunner.errors import Span
from flowrunner.pipeline.images import ImageUse
from flowrunner.pipeline.lock import NAME, Held, Lock, LockedInclude
from flowrunner.pipeline.pins import Pins
from flowrunner.pipeline.place import Place
from flowrunner.pipeline.plan import Plan, StepNode
from flowrunner.pipeline.problems import Problems


def lock_of(plan: Plan, pins: Pins, digests: Mapping[Place, str]) -> Lock:
    """What a lock says of a plan, but for its images. `digests` are those of all included files."""
    files: dict[str, dict[str, str]] = {}
    for place, digest in digests.items():
        files.setdefault(place.origin.removesuffix(":"), {})[place.path] = digest
    includes = {
        name: LockedInclude(pin=found.pin, files=files.get(name, {})) for name, found in sorted(pins.found.items())
    }
    modules = {node.step.__module__ for node in plan.walk() if isinstance(node, StepNode)}
    return Lock(
        lock=1, pipelines=[plan.file.name], includes=includes,
        plugins=plugins.versions("flowrunner.steps", sorted(modules)),
    )  # fmt: skip


def hold(problems: Problems, held: Held, found: Lock) -> None:
    """Note what of `found` is not as the lock says. That its pins are is seen to by `Pins`."""
    for name, include in found.includes.items():
        wanted = held.lock.includes[name].files
        for path, digest in include.files.items():
            file = f"{name}:{path}"
            if path not in wanted:
                advice = "look at it, and write it down with 'flow lock'"
                where = _included(problems, file)
                problems.add(f"'{file}' is not in {NAME}", code="not-locked", where=where, help=advice)
            elif digest != wanted[path]:
                where, advice = held.where("includes", name, "files", path), "look at what changed, then 'flow lock'"
                what = f"'{file}' is {digest} now, and was {wanted[path]}"
                problems.add(what, code="digest-mismatch", where=where, help=advice)
    for package, version in found.plugins.items():
        expected = held.lock.plugins.get(package)
        if version != expected:
            what = f"{package} is {version} here, and {expected or 'not'} in {NAME}"
            advice = f"pip install {package}=={expected}, or 'flow lock'" if expected else "write it down: 'flow lock'"
            problems.add(what, code="not-locked", where=held.where("plugins", package), help=advice)


def _included(problems: Problems, file: str) -> Span | None:
    chain = problems.chains.get(file, ())
    return chain[0] if chain else None


def hold_images(problems: Problems, held: Held, uses: Iterable[ImageUse]) -> None:
    """Note each image from elsewhere that the lock does not know; what is known only later is looked at then."""
    for use in uses:
        if use.name and not use.checksum and use.name not in held.lock.images:
            what, advice = f"the image '{use.name}' is not in {NAME}", "write it down with 'flow lock'"
            problems.add(what, code="not-locked", where=use.where, help=advice)
