"""`${{ }}`: parse, check, evaluate. Jinja2, strict, sandboxed, bounded, native types."""

from flowrunner.expressions.expression import Expression, ExpressionError
from flowrunner.expressions.names import ANY, Names, Unavailable
from flowrunner.expressions.parsing import holds_expression, parse

__all__ = ["ANY", "Expression", "ExpressionError", "Names", "Unavailable", "holds_expression", "parse"]
