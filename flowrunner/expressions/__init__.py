"""`${{ }}`: parse, check, evaluate. Jinja2, strict, sandboxed, bounded, native types."""

from flowrunner.expressions.expression import Expression, ExpressionError

__all__ = ["Expression", "ExpressionError"]
