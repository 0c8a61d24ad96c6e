"""`${{ }}`: parse, check, evaluate. Jinja2, strict, sandboxed, bounded, native types."""

from flowrunner.expressions.expression import Expression, ExpressionError, holds_expression, parse
from flowrunner.expressions.names import ANY, Names, Unavailable

__all__ = ["ANY", "Expression", "ExpressionError", "Names", "Unavailable", "holds_expression", "parse"]
