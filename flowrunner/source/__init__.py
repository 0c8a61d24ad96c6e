"""YAML 1.2 with a place for every node."""

from flowrunner.source.nodes import Document, Mapping, Node, Scalar, Sequence, plain
from flowrunner.source.reading import load, parse
from flowrunner.source.scalars import resolve

__all__ = ["Document", "Mapping", "Node", "Scalar", "Sequence", "load", "parse", "plain", "resolve"]
