"""Words and variables as BuildKit's little shell has them: quotes, escapes, $NAME and ${NAME:-word}.

Absent: patterns (${NAME#…}), which are refused, and everything that needs a
real shell, which only RUN has.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from lambdabuild.errors import UserError

HERE = re.compile(r"(\d*)<<(-?)([^<]+)")
"""A word that begins a heredoc."""

Lookup = Callable[[str], str | None]
"""Gives the value of a variable, or None if it is not set."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|[0-9]+|[@*#?!$-]", re.ASCII)
_MAX_DEPTH = 20


def raw_words(text: str, escape: str) -> Iterator[str]:
    """Yields the words of `text`, split at blanks outside quotes, as they are written."""
    word, quote, skip = "", "", False
    for char in text:
        if skip:
            word, skip = word + char, False
        elif char == escape and quote != "'":
            word, skip = word + char, True
        elif quote:
            word, quote = word + char, "" if char == quote else quote
        elif char in " \t\v\f\r\n":
            if word:
                yield word
            word = ""
        else:
            word, quote = word + char, char if char in "\"'" else ""
    if word:
        yield word


def heredoc_name(match: re.Match[str], escape: str) -> str:
    """Returns what ends the heredoc, without its quotes."""
    return match[3].replace('"', "").replace("'", "").replace(escape, "")


def expand(word: str, lookup: Lookup, escape: str = "\\") -> str:
    """Returns `word` without quotes and escapes, variables replaced; raises UserError, without a place."""
    reader = _Reader(word, lookup, escape)
    return reader.until("")


class _Reader:
    def __init__(self, text: str, lookup: Lookup, escape: str) -> None:
        self._text = text
        self._at = 0
        self._depth = 0
        self._lookup = lookup
        self._escape = escape

    def until(self, stop: str) -> str:
        """Returns what comes before `stop`, which is skipped; before the end, for ""."""
        out: list[str] = []
        while self._at < len(self._text):
            char = self._next()
            if char == stop:
                return "".join(out)
            if char == "'":
                out.append(self._single())
            elif char == '"':
                out.append(self._double())
            elif char == "$":
                out.append(self._dollar())
            elif char == self._escape:
                out.append(self._next())
            else:
                out.append(char)
        if stop:
            raise self._unfinished("${")
        return "".join(out)

    def _next(self) -> str:
        char = self._text[self._at : self._at + 1]
        self._at += 1
        return char

    def _single(self) -> str:
        end = self._text.find("'", self._at)
        if end < 0:
            raise self._unfinished("'")
        text, self._at = self._text[self._at : end], end + 1
        return text

    def _double(self) -> str:
        out: list[str] = []
        while self._at < len(self._text):
            char = self._next()
            if char == '"':
                return "".join(out)
            if char == "$":
                out.append(self._dollar())
            elif char == self._escape and self._text[self._at : self._at + 1] in ('"', "$", self._escape):
                out.append(self._next())
            else:
                out.append(char)
        raise self._unfinished('"')

    def _dollar(self) -> str:
        braced = self._text[self._at : self._at + 1] == "{"
        match = _NAME.match(self._text, self._at + braced)
        if match is None:
            if braced:
                raise UserError(f"{self._text[:80]!r} is no use of a variable", hint="write ${NAME}")
            return "$"
        self._at = match.end()
        # Outside braces $10 is $1 and a zero.
        name = match[0] if braced or not match[0].isdigit() else match[0][0]
        self._at -= len(match[0]) - len(name)
        return self._modified(name) if braced else self._lookup(name) or ""

    def _modified(self, name: str) -> str:
        """Returns the value of ${name…}, whose name was read."""
        char = self._next()
        if char == "}":
            return self._lookup(name) or ""
        or_empty = char == ":"
        operator = self._next() if or_empty else char
        if not operator:
            raise self._unfinished("${")
        if operator not in "-+?":
            raise UserError(
                f"${{{name}{':' * or_empty}{operator}…}} is more than can be told without running the build",
                hint="there are ${NAME}, ${NAME:-word}, ${NAME:+word} and ${NAME:?word}, or without ':'",
            )
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise UserError(f"variables are nested more than {_MAX_DEPTH} deep")
        word = self.until("}")
        self._depth -= 1
        value = self._lookup(name)
        there = value is not None and not (or_empty and not value)
        if operator == "+":
            return word if there else ""
        if operator == "?" and not there:
            raise UserError(f"{name} is not set: {word[:80]}", hint=f"give it in build_args: {name}")
        return value or "" if there else word

    def _unfinished(self, what: str) -> UserError:
        return UserError(
            f"{self._text[:80]!r} has {what} that does not end", hint="close it on the same line"
        )
