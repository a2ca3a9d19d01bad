"""Errors that point into a query: the text around the place, and a caret below it."""

from __future__ import annotations

from lambdabuild.errors import UserError

_BEFORE, _AFTER = 50, 40
"""Characters of the text that are shown on both sides of the place."""


class QueryError(UserError):
    """An expression is wrong; `details` show where."""


def pointer(text: str, start: int, end: int) -> tuple[str, str]:
    """Returns the part of `text` around [start, end), and a line of carets below it."""
    first, last = max(0, start - _BEFORE), min(len(text), max(end, start + 1) + _AFTER)
    before, after = "…" if first else "", "…" if last < len(text) else ""
    shown = "".join(c if c.isprintable() else " " for c in text[first:last])
    carets = "^" * max(1, min(end, last) - start)
    return f"{before}{shown}{after}", " " * (len(before) + start - first) + carets


def wrong(message: str, text: str, start: int, end: int, *, hint: str | None = None) -> QueryError:
    """Returns the error for what stands at [start, end) of `text`."""
    return QueryError(message, hint=hint, details=pointer(text, start, min(end, start + _AFTER)))
