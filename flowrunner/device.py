"""A device as the job sees it: a tree of interface clients, and how a path finds one of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from flowrunner.errors import PipelineError, near
from flowrunner.interface import Interface

InterfaceType = type[Interface]

SAFE_STATE_LIMIT = 30.0
"""Seconds that each call of the safe state may take."""


@dataclass(slots=True)
class Device:
    """One node of the tree. `clients` are the interfaces that this node offers, most special first."""

    name: str
    type: str
    interfaces: tuple[InterfaceType, ...] = ()
    client: Interface | None = None
    children: dict[str, Device] = field(default_factory=dict)

    def walk(self, prefix: str = "") -> Iterator[tuple[str, Device]]:
        """Each node with its dotted path below this one, parents first; this one's path is empty."""
        yield prefix, self
        for name, child in self.children.items():
            yield from child.walk(f"{prefix}.{name}" if prefix else name)

    def offers(self, *wanted: InterfaceType) -> bool:
        """Whether this very node has one of the interfaces."""
        return any(issubclass(have, wanted) for have in self.interfaces)

    def find(self, *wanted: InterfaceType, path: str = "") -> str:
        """The path of the node that offers one of `wanted`, at or below `path`.

        The shallowest wins; two of the same depth are an error that lists them, unless one bears the interface's name.
        A part with several names is one, by that of the interface or else by the first of them.

        Raises:
            PipelineError: no such path, none that offers it, or several.
        """
        start = self.at(path)
        name = wanted[0].name
        found = [(p, node) for p, node in start.walk(path) if node.offers(*wanted)]
        if not found:
            offered = sorted({i.name for _, node in start.walk() for i in node.interfaces})
            raise PipelineError(
                f"'{path or self.name}' offers no {name}",
                code="no-interface",
                help=f"it offers {', '.join(offered) or 'nothing'}" + start.unknown(),
            )
        depth = min(p.count(".") + bool(p) for p, _ in found)
        parts: dict[object, str] = {}
        for p, node in found:
            if p.count(".") + bool(p) == depth:
                key = id(node.client) if node.client else p
                if key not in parts or (p.rpartition(".")[2] == name != parts[key].rpartition(".")[2]):
                    parts[key] = p
        nearest = list(parts.values())
        named = [p for p in nearest if p.rpartition(".")[2] == name]
        choices = nearest if len(nearest) == 1 else named or nearest
        if len(choices) > 1:
            raise PipelineError(
                f"'{path or self.name}' offers {name} more than once",
                code="ambiguous-device",
                help="name one with device: " + " or ".join(f"{self.name}.{p}" for p in choices),
            )
        return choices[0]

    def unknown(self) -> str:
        """Words on the parts that offer nothing because their type means nothing here; empty when there is none."""
        types = {node.type for _, node in self.walk() if not (node.interfaces or node.children)} - {"", "composite"}
        return f"; nothing here knows {', '.join(sorted(types))}" if types else ""

    def methods(self, part: str, method: str) -> Iterator[tuple[str, Callable[[], Awaitable[None]]]]:
        """The paths and bound methods that `part` stands for: a path, or an interface that any of the parts offers."""
        for path, node in self.parts(part):
            yield path, getattr(node.client, method)

    def parts(self, part: str) -> Sequence[tuple[str, Device]]:
        """The nodes that `part` stands for, with their paths: a path, or an interface that any of the parts offers."""
        nodes = list(self.walk())
        named = [(path, node) for path, node in nodes if path and path == part]
        return named or [(path, node) for path, node in nodes if any(i.name == part for i in node.interfaces)]

    def at(self, path: str) -> Device:
        """The node at `path`.

        Raises:
            PipelineError: there is none.
        """
        node = self
        for part in path.split(".") if path else ():
            if part not in node.children:
                raise PipelineError(
                    f"'{node.name}' has no part '{part}'", code="unknown-device", help=near(part, node.children)
                )
            node = node.children[part]
        return node


Devices = Mapping[str, Device]
"""The devices of a scope by role."""
