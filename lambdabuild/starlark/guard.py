"""Refuses source text that would overflow the evaluator's stack.

The parser and compiler recurse over the syntax tree, so its depth has to be
bounded before they see the text. A tree is no deeper than the brackets around
a place plus the operators since the last comma inside each of them (and the
`lambda`s and `for`s there, which commas do not end), so those are what is
counted. The scan is over tokens and is linear.
"""

from __future__ import annotations

import re

from lambdabuild.errors import Location, UserError

MAX_BYTES = 1 << 20
MAX_BRACKETS = 200
MAX_OPERATORS = 10_000
MAX_ELIFS = 1_000

_TOKEN = re.compile(
    r'''"""(?:\\[\s\S]|[^\\])*?"""|\'\'\'(?:\\[\s\S]|[^\\])*?\'\'\'
    |"(?!"")(?:\\(?:\r\n|[\s\S])|[^"\\\n])*"|'(?!'')(?:\\(?:\r\n|[\s\S])|[^'\\\n])*'
    |(?P<quote>"""|\'\'\'|["'])
    |\#[^\n]*
    |(?P<open>[(\[{])|(?P<close>[)\]}])
    |(?P<newline>\n)|(?P<comma>[,;])
    |(?P<elif>\belif\b)
    |(?P<chain>\b(?:lambda|for)\b)
    |(?P<operator>\b(?:not|if|else|and|or|in)\b|[-+~]|[*/%|&^<>=!.:]+)
    |\w+|\\\r?\n|[ ]+|.''',
    re.VERBOSE,
)
_CLOSES = {")": "(", "]": "[", "}": "{"}


def check_source(name: str, text: str) -> None:
    """Raises UserError where `text` is too large, too deeply nested, or has unpaired brackets or quotes."""
    if len(text) > MAX_BYTES:
        raise UserError(
            f"the file has {len(text):,} characters; at most {MAX_BYTES:,} are read",
            at=Location(name),
            hint="split the package, or move data to files that are sources",
        )
    nesting = _Nesting()
    for token in _TOKEN.finditer(text):
        kind = token.lastgroup
        if kind is None:  # a name, a number, a string, a comment
            continue
        if kind == "quote":
            raise UserError(
                f"the string that {token[0]} begins is never closed", at=_place(name, text, token)
            )
        if kind == "close" and not nesting.pairs_with(token):
            raise UserError(f"{token[0]!r} closes nothing", at=_place(name, text, token))
        nesting.add(kind, token)
        if nesting.too_deep:
            raise UserError(
                f"nested too deeply: at most {MAX_BRACKETS} brackets, {MAX_OPERATORS:,} operators in one "
                f"expression and {MAX_ELIFS:,} elif branches are read",
                at=_place(name, text, token),
                hint="give parts of it names",
            )
    if nesting.brackets:
        bracket = nesting.brackets[-1]
        raise UserError(f"{bracket[0]!r} is never closed", at=_place(name, text, bracket))


class _Nesting:
    """How deep the syntax tree can be at a place.

    brackets: those that are open.
    """

    def __init__(self) -> None:
        self.brackets: list[re.Match[str]] = []
        # For the file and for each open bracket: those since the last comma, and those that no comma ends.
        self._operators = [0]
        self._chains = [0]
        self._pending = 0  # the sum of both
        self._elifs = 0

    @property
    def too_deep(self) -> bool:
        return len(self.brackets) > MAX_BRACKETS or self._pending > MAX_OPERATORS or self._elifs > MAX_ELIFS

    def pairs_with(self, closing: re.Match[str]) -> bool:
        return bool(self.brackets) and self.brackets[-1][0] == _CLOSES[closing[0]]

    def add(self, kind: str, token: re.Match[str]) -> None:
        if kind == "operator":
            self._count(self._operators)
        elif kind == "chain":
            self._count(self._chains)
        elif kind == "elif":
            self._elifs += 1
        elif kind == "open":
            # A call or an index after it nests one deeper: f()()()
            self._count(self._operators)
            self.brackets.append(token)
            self._operators.append(0)
            self._chains.append(0)
        elif kind == "close":
            self.brackets.pop()
            self._pending -= self._operators.pop() + self._chains.pop()
        elif kind == "comma":
            self._forget(self._operators)
        elif not self.brackets:  # a line ends
            self._forget(self._operators)
            self._forget(self._chains)

    def _count(self, counts: list[int]) -> None:
        counts[-1] += 1
        self._pending += 1

    def _forget(self, counts: list[int]) -> None:
        self._pending -= counts[-1]
        counts[-1] = 0


def _place(name: str, text: str, token: re.Match[str]) -> Location:
    before = text[: token.start()]
    return Location(name, before.count("\n") + 1, len(before) - before.rfind("\n"))
