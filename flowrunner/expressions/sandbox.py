"""Jinja2, with only what the language offers of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache, wraps
from itertools import islice
from typing import Any, NoReturn, cast

from jinja2 import StrictUndefined, TemplateSyntaxError, Undefined, nodes
from jinja2.lexer import TokenStream
from jinja2.parser import Parser
from jinja2.runtime import LoopContext, Macro
from jinja2.sandbox import ImmutableSandboxedEnvironment

from flowrunner.errors import near
from flowrunner.expressions.allowed import METHODS, STANDARD, TESTS
from flowrunner.expressions.arithmetic import combine, noun_of, signed
from flowrunner.expressions.filters import FUNCTIONS, OWN, join, matches, replace
from flowrunner.expressions.limits import LARGEST, bounded, spend, toll
from flowrunner.expressions.split import CLOSE, OPEN
from flowrunner.expressions.words import Word, Words, misplaced, read


class Missing(StrictUndefined):
    """A name that is not there; using it says so, and `default` stands in for it."""

    @property
    def _undefined_message(self) -> str:
        name = self._undefined_name
        if isinstance(self._undefined_obj, Mapping):
            return f"there is no '{name}' here: {near(str(name), map(str, self._undefined_obj))}"
        if self._undefined_hint:
            return str(self._undefined_hint)
        return f"there is no '{name}'"


def complain(missing: Undefined) -> NoReturn:
    """Say that it is not there.

    Raises:
        UndefinedError: always.
    """
    missing._fail_with_undefined_error()


def settled(value: Any) -> Any:
    """What an operation gave, as plain data.

    Raises:
        TooLarge: it is too large.
        UndefinedError: something in it is not there.
    """
    if isinstance(value, Iterator):
        value = list(islice(value, LARGEST + 1))
    spend(bounded(value))
    for item in value if isinstance(value, list | tuple) else value.values() if isinstance(value, Mapping) else ():
        if isinstance(item, Undefined):
            complain(item)
    return value


def metered(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` with all that it takes in and gives counted."""
    given = 1 if hasattr(function, "jinja_pass_arg") else 0  # what Jinja2 hands over itself

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        toll()
        for value in (*args[given:], *kwargs.values()):
            spend(value)
        return settled(function(*args, **kwargs))

    return call


class Sandbox(ImmutableSandboxedEnvironment):
    """Keys before attributes, methods of text only, bounded operations."""

    intercepted_binops = frozenset(("*", "**", "%", "+", "-", "/", "//"))
    intercepted_unops = frozenset(("+", "-"))

    def __init__(self) -> None:
        super().__init__(
            variable_start_string=OPEN, variable_end_string=CLOSE, undefined=Missing, autoescape=False, cache_size=0,
            keep_trailing_newline=True, optimized=False,
        )  # fmt: skip
        own = {name: function for name, (function, _) in OWN.items()}
        filters: dict[str, Any] = {**{name: self.filters[name] for name in STANDARD}, **own, CONCAT: join}
        tests: dict[str, Any] = {**{name: self.tests[name] for name in TESTS}, "matches": matches}
        self.filters = {name: metered(function) for name, function in filters.items()}
        self.tests = {name: metered(function) for name, function in tests.items()}
        self.globals = {name: metered(function) for name, (function, _) in FUNCTIONS.items()}
        self._read: tuple[str | None, list[Word]] = (None, [])

    def getattr(self, obj: Any, attribute: str) -> Any:
        if isinstance(obj, Mapping):
            return obj[attribute] if attribute in obj else self.undefined(obj=obj, name=attribute)
        if isinstance(obj, str) and attribute in METHODS:
            return getattr(obj, attribute)
        if isinstance(obj, Undefined):
            return obj
        return self.undefined(f"{noun_of(obj)} has no '{attribute}' that can be used here", obj=obj, name=attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        if isinstance(obj, str | list | tuple) and isinstance(argument, int | slice):
            try:
                return obj[argument]
            except IndexError:
                return self.undefined(f"there is no item {argument}: it has {len(obj)}", obj=obj, name=str(argument))
        if isinstance(obj, Mapping):
            return obj[argument] if argument in obj else self.undefined(obj=obj, name=argument)
        if isinstance(obj, Undefined):
            return obj
        return self.undefined(f"{noun_of(obj)} has no '{argument}' that can be used here", obj=obj, name=str(argument))

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        return isinstance(obj, str) and attr in METHODS

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        return combine(operator, left, right)

    def call_unop(self, context: Any, operator: str, arg: Any) -> Any:
        return signed(operator, arg)

    def call(self, context: Any, obj: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if isinstance(obj, Undefined):
            complain(obj)
        if isinstance(obj, Macro | LoopContext) or any(obj is function for function in self.globals.values()):
            return settled(obj(*args, **kwargs))
        owner, name = getattr(obj, "__self__", None), getattr(obj, "__name__", "")
        if not isinstance(owner, str) or name not in METHODS:
            raise TypeError(f"{noun_of(obj)} cannot be called")
        for value in (owner, *args, *kwargs.values()):
            spend(value)
        guarded = _GUARDED.get(name)
        result = settled(guarded(owner, *args, **kwargs) if guarded else obj(*args, **kwargs))
        return list(result) if isinstance(result, tuple) else result

    def words(self, source: str) -> list[Word]:
        """The words of one expression.

        Raises:
            NotAnExpression: a character that cannot stand there.
        """
        known, words = self._read
        if known != source:
            words = read(self.lexer, source)
            self._read = (source, words)
        return words

    def _tokenize(self, source: str, name: Any, filename: Any = None, state: str | None = None) -> TokenStream:
        return Words(self.words(source)) if state == "variable" else super()._tokenize(source, name, filename, state)

    def tree(self, source: str) -> nodes.Expr:
        """The tree of one expression.

        Raises:
            NotAnExpression: it is none.
        """
        parser = Parser(self, source, state="variable")
        stream = cast("Words", parser.stream)
        try:
            tree = parser.parse_expression()
        except TemplateSyntaxError as error:
            raise misplaced(self.words(source), stream.position, source) from error
        if not stream.eos:
            raise misplaced(self.words(source), stream.position, source)
        return tree

    def function(self, tree: nodes.Expr) -> Callable[[Mapping[str, Any]], Any]:
        """What evaluates `tree`, given the names."""
        body: list[nodes.Node] = [nodes.Assign(nodes.Name("result", "store"), _without_concat(tree), lineno=1)]
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


CONCAT = "~"
"""The filter that does what the operator does: no author can name it."""

_GUARDED: Mapping[str, Callable[..., Any]] = {
    "replace": replace,
    "join": lambda text, values: join(values, text),
}
"""Methods of text that are bounded before they are called."""


def _without_concat(tree: Any) -> Any:
    """The tree with the filter for each `~`, of which Jinja2 has no bounded kind."""
    for name in tree.fields:
        value = getattr(tree, name)
        if isinstance(value, list):
            setattr(tree, name, [_without_concat(v) if isinstance(v, nodes.Expr | nodes.Helper) else v for v in value])
        elif isinstance(value, nodes.Expr | nodes.Helper):
            setattr(tree, name, _without_concat(value))
    if isinstance(tree, nodes.Concat):
        items = nodes.List(tree.nodes, lineno=tree.lineno)
        return nodes.Filter(items, CONCAT, [], [], None, None, lineno=tree.lineno)
    return tree
