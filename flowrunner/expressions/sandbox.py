"""Jinja2, with only what the language offers of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, cast

from jinja2 import StrictUndefined, nodes
from jinja2.lexer import TokenStream
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from flowrunner.errors import near
from flowrunner.expressions.filters import FUNCTIONS, METHODS, OWN, STANDARD, TESTS, join, matches, replace
from flowrunner.expressions.limits import bounded, check_operation
from flowrunner.expressions.split import CLOSE, OPEN


class Missing(StrictUndefined):
    """A name that is not there; using it says so."""

    @property
    def _undefined_message(self) -> str:
        name = self._undefined_name
        if isinstance(self._undefined_obj, Mapping):
            return f"there is no '{name}' here: {near(str(name), map(str, self._undefined_obj))}"
        if self._undefined_hint:
            return str(self._undefined_hint)
        return f"there is no '{name}'"


class Sandbox(ImmutableSandboxedEnvironment):
    """Keys before attributes, methods of text only, bounded operations."""

    intercepted_binops = frozenset(("*", "**", "%", "+"))

    def __init__(self) -> None:
        super().__init__(
            variable_start_string=OPEN, variable_end_string=CLOSE, undefined=Missing, autoescape=False, cache_size=0,
            keep_trailing_newline=True,
        )  # fmt: skip
        self.filters = {name: self.filters[name] for name in STANDARD} | {name: f for name, (f, _) in OWN.items()}
        self.tests = {name: self.tests[name] for name in TESTS if name in self.tests} | {"matches": matches}
        self._read: tuple[str | None, list[tuple[int, str, str]]] = (None, [])
        self.globals = {name: function for name, (function, _) in FUNCTIONS.items()}

    def getattr(self, obj: Any, attribute: str) -> Any:
        if isinstance(obj, Mapping):
            return obj[attribute] if attribute in obj else self.undefined(obj=obj, name=attribute)
        if isinstance(obj, str) and attribute in METHODS:
            return getattr(obj, attribute)
        if isinstance(obj, Missing):
            obj._fail_with_undefined_error()
        kind = type(obj).__name__
        return self.undefined(f"a {kind} has no '{attribute}' that can be used here", obj=obj, name=attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        if isinstance(obj, str | list | tuple) and isinstance(argument, int | slice):
            try:
                return obj[argument]
            except IndexError:
                return self.undefined(f"there is no item {argument}: it has {len(obj)}", obj=obj, name=str(argument))
        return self.getattr(obj, argument) if isinstance(obj, Mapping) else self.undefined(obj=obj, name=str(argument))

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        return isinstance(obj, str) and attr in METHODS

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        check_operation(operator, left, right)
        return bounded(super().call_binop(context, operator, left, right))

    def call(self, context: Any, obj: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        owner = getattr(obj, "__self__", None)
        if isinstance(owner, str):
            guarded = _GUARDED.get(obj.__name__)
            return guarded(owner, *args, **kwargs) if guarded else bounded(obj(*args, **kwargs))
        return bounded(obj(*args, **kwargs))

    def words(self, source: str) -> list[tuple[int, str, str]]:
        """The raw tokens of one expression, white space included."""
        if self._read[0] != source:
            self._read = (source, list(self.lexer.tokeniter(source, None, state="variable")))
        return self._read[1]

    def _tokenize(self, source: str, name: Any, filename: Any = None, state: str | None = None) -> TokenStream:
        raw = self.words(source) if state == "variable" else self.lexer.tokeniter(source, name, filename, state)
        return TokenStream(self.lexer.wrap(raw, name, filename), name, filename)

    def parse_expression(self, source: str) -> nodes.Expr:
        """The tree of one expression, `~` made a bounded filter."""
        parser = Parser(self, source, state="variable")
        tree = parser.parse_expression()
        if not parser.stream.eos:
            parser.fail(f"nothing was expected behind it, got '{parser.stream.current.value}'", 1)
        return cast("nodes.Expr", _without_concat(tree))

    def function(self, tree: nodes.Expr) -> Callable[[Mapping[str, Any]], Any]:
        """What evaluates `tree`, given the names."""
        body: list[nodes.Node] = [nodes.Assign(nodes.Name("result", "store"), tree, lineno=1)]
        template = self.from_string(nodes.Template(body, lineno=1))

        def evaluate(names: Mapping[str, Any]) -> Any:
            context = template.new_context(dict(names))
            for _ in template.root_render_func(context):
                pass
            return context.vars["result"]

        return evaluate


@cache
def sandbox() -> Sandbox:
    """The one environment of this process."""
    return Sandbox()


_GUARDED: Mapping[str, Callable[..., Any]] = {
    "replace": replace,
    "join": lambda text, values: join(values, text),
}
"""Methods of text that are bounded before they are called."""


def _without_concat(tree: Any) -> Any:
    for name in tree.fields:
        value = getattr(tree, name)
        if isinstance(value, list):
            setattr(tree, name, [_without_concat(v) if isinstance(v, nodes.Expr | nodes.Helper) else v for v in value])
        elif isinstance(value, nodes.Expr | nodes.Helper):
            setattr(tree, name, _without_concat(value))
    if isinstance(tree, nodes.Concat):
        items = nodes.List(tree.nodes, lineno=tree.lineno)
        return nodes.Filter(items, "concat", [], [], None, None, lineno=tree.lineno)
    return tree
