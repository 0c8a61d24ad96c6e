"""Find the expressions in a scalar, and check them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from jinja2 import nodes

from flowrunner.errors import PipelineErrors, Span
from flowrunner.expressions.applied import misapplied
from flowrunner.expressions.check import KEYWORDS, Problem, chains, problems
from flowrunner.expressions.expression import Code, Expression, ExpressionError, Reference
from flowrunner.expressions.infer import Typer
from flowrunner.expressions.limits import DEEPEST, LONGEST, MOST_NODES
from flowrunner.expressions.names import Names
from flowrunner.expressions.sandbox import sandbox
from flowrunner.expressions.split import CLOSE, OPEN, Part, Place, Unclosed, split
from flowrunner.expressions.words import NotAnExpression, Word
from flowrunner.model import Type


def holds_expression(text: str) -> bool:
    """Whether there is an expression in `text`."""
    return OPEN in text


def parse(text: str, where: Span, *, source: str | None = None, names: Names | None = None) -> Expression:
    """The expression in `text`, a scalar's value at `where`; `source` is the file's text, for exact places.

    With `names` every name is checked.

    Raises:
        PipelineErrors: what is wrong with it, each at its place.
    """
    place = Place(text, where, source)
    try:
        parts = split(text)
    except Unclosed as error:
        span = place.span(error.offset, error.offset + len(OPEN))
        what = f"'{OPEN}' is not closed"
        help = f"close it with '{CLOSE}', and each quote in it"
        raise PipelineErrors([ExpressionError(what, code="syntax", where=span, help=help)]) from error
    if place.is_block and len(parts) == 2 and parts[0].code and not parts[1].text.strip("\n"):
        parts = parts[:1]  # a block scalar ends with a line break, whatever the author meant
    found: list[str | Code] = []
    wrong: list[Problem] = []
    kinds: list[Type] = []
    for part in parts:
        if not part.code:
            found.append(part.text)
            continue
        code, kind, said = _read(part, names)
        wrong += said
        if code is not None:
            found.append(code)
            kinds.append(kind)
    if wrong:
        raise PipelineErrors(
            ExpressionError(one.what, code=one.code, where=place.span(one.start, one.end), help=one.help)
            for one in wrong
        )
    return _expression(text, where, tuple(found), kinds, place, names)


def _expression(
    text: str, where: Span, parts: tuple[str | Code, ...], kinds: list[Type], place: Place, names: Names | None
) -> Expression:
    references = [one for part in parts if isinstance(part, Code) for one in part.references]
    inputs = (names or {}).get("inputs")
    secret = {name for name, kind in inputs.items() if kind == "secret"} if isinstance(inputs, Mapping) else set()
    sensitive = any(
        one.words[0] == "secrets" or (one.words[0] == "inputs" and (len(one.words) == 1 or one.words[1] in secret))
        for one in references
        if one.words[0] == "secrets" or secret
    )
    kind: Type = kinds[0] if len(parts) == 1 and kinds else "string"
    return Expression(
        text,
        where,
        "secret" if sensitive and kind in ("string", "any") else kind,
        tuple((".".join(one.words), place.span(one.offsets[0][0], one.offsets[-1][1])) for one in references),
        sensitive,
        parts,
        place,
    )


def _read(part: Part, names: Names | None) -> tuple[Code | None, Type, list[Problem]]:
    """One expression, its type, and what is wrong with it; offsets are those in the scalar."""
    try:
        words = sandbox().words(part.text)
        tree = _tree(part.text)
    except NotAnExpression as error:
        what = f"this is no expression: {error.what}"
        return (
            None,
            "any",
            [Problem(what, "expression-syntax", part.start + error.start, part.start + error.end, error.help)],
        )
    found = [*misapplied(tree, words), *problems(words, names)]
    start, end = words[0].offset, words[-1].end
    typer = Typer(names or {})
    kind = typer.type_of(tree)
    if not found:
        found = [Problem(clash, "wrong-type", start, end, "convert one with a filter") for clash in typer.clashes[:1]]
    moved = [Problem(p.what, p.code, part.start + p.start, part.start + p.end, p.help) for p in found]
    return Code(tree, part.start + start, part.start + end, tuple(_references(words, part.start))), kind, moved


def _references(words: Sequence[Word], start: int) -> Iterator[Reference]:
    for chain in chains(words):
        offsets = tuple((start + word.offset, start + word.end) for word in chain)
        yield Reference(tuple(word.name for word in chain), offsets)


def _tree(source: str) -> nodes.Expr:
    """The tree of one expression.

    Raises:
        NotAnExpression: it is none, or a larger one than there may be.
    """
    lead = len(source) - len(source.lstrip())
    if len(source) > LONGEST:
        raise NotAnExpression(f"it may have {LONGEST} characters", lead, len(source.rstrip()), "split it")
    try:
        tree = sandbox().tree(source)
    except RecursionError as error:
        raise NotAnExpression("it is nested too deep", lead, len(source.rstrip()), "split it") from error
    count, level = 0, [(tree, 1)]
    while level:
        node, depth = level.pop()
        count += 1
        if count > MOST_NODES or depth > DEEPEST:
            what = f"it may have {MOST_NODES} parts, {DEEPEST} levels deep"
            raise NotAnExpression(what, lead, len(source.rstrip()), "split it")
        name = node.name if isinstance(node, nodes.Name) else node.key if isinstance(node, nodes.Keyword) else ""
        if name in KEYWORDS:
            what = f"'{name}' is a word of the language, and no name"
            raise NotAnExpression(what, lead, len(source.rstrip()), "put text in quotes")
        level += [(child, depth + 1) for child in node.iter_child_nodes()]  # type: ignore[misc]
    return tree
