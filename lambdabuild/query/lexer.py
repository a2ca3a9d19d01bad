"""Text of the query language -> tokens.

A word is all up to white space, a quote or one of `( ) , = + ^`. It may hold `-`,
but not begin with it. Quotes, single or double, keep a word together and make it
a word whatever it is; there are no escapes.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from lambdabuild.query.errors import wrong

MAX_CHARACTERS = 1 << 20

OPERATORS = {"+": "union", "^": "intersect", "-": "except"}
KEYWORDS = frozenset({*OPERATORS.values(), "let", "in", "set"})

WORD, END = "word", "end"

_WORD = r"""[^\s()^+,="'-][^\s()^+,="']*"""
_TOKEN = re.compile(
    rf"""\s* (?: (?P<quoted> "[^"]*" | '[^']*' ) | (?P<sign> [()^+,=-] ) | (?P<word> {_WORD} ) )""",
    re.VERBOSE,
)
_SPACE = re.compile(r"\s*")


class Token(NamedTuple):
    """A piece of the text.

    kind:   WORD, END, a keyword, or a sign; operators are keywords however they are written.
    text:   of a word, without its quotes.
    quoted: whether it has quotes: then it is no function's name and no variable.
    """

    kind: str
    text: str
    start: int
    end: int
    quoted: bool = False


def tokens(text: str) -> list[Token]:
    """Returns the tokens of `text`, the last of kind END; raises QueryError."""
    if len(text) > MAX_CHARACTERS:
        raise wrong(
            f"the expression has {len(text):,} characters; at most {MAX_CHARACTERS:,} are taken",
            text,
            0,
            1,
            hint="ask for packages (//a/...) in place of single targets",
        )
    found = []
    place = 0
    while match := _TOKEN.match(text, place):
        found.append(_token(match))
        place = match.end()
    space = _SPACE.match(text, place)
    place = space.end() if space else place
    if place < len(text):
        raise wrong("a quote is opened and not closed", text, place, place + 1)
    return [*found, Token(END, "", place, place)]


def is_word(text: str) -> bool:
    """Tells whether `text` is a word without quotes."""
    return re.fullmatch(_WORD, text) is not None and text not in KEYWORDS


def _token(match: re.Match[str]) -> Token:
    kind = match.lastgroup or ""
    piece, start, end = match[kind], match.start(kind), match.end(kind)
    if kind == "quoted":
        return Token(WORD, piece[1:-1], start, end, quoted=True)
    if kind == "sign":
        return Token(OPERATORS.get(piece, piece), piece, start, end)
    return Token(piece if piece in KEYWORDS else WORD, piece, start, end)
