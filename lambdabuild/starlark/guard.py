"""Refuses source text that would overflow the evaluator's stack.

The parser and compiler recurse over the syntax tree, so its depth has to be
bounded before they see the text. A tree is no deeper than the brackets around
a place plus the operators since the last comma inside each of them, so those
are what is counted. The scan is over tokens and is linear.
"""

from __future__ import annotations

import re

from lambdabuild.errors import Location, UserError

MAX_BYTES = 1 << 20
MAX_BRACKETS = 200
MAX_OPERATORS = 10_000
MAX_ELIFS = 1_000

_TOKEN = re.compile(
    r'''(?P<string>[rbf]{0,2}(?:"""(?:\\[\s\S]|[^\\])*?"""|\'\'\'(?:\\[\s\S]|[^\\])*?\'\'\'
                 |"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'))
    |(?P<comment>\#[^\n]*)
    |(?P<open>[(\[{])|(?P<close>[)\]}])
    |(?P<newline>\n)|(?P<break>[,;])
    |(?P<elif>\belif\b)
    |(?P<operator>\b(?:not|lambda|if|else|and|or|in|for)\b|[-+*/%|&^~<>=!.:]+)
    |\w+|\\\n|.''',
    re.VERBOSE,
)
_CLOSES = {")": "(", "]": "[", "}": "{"}


def check_source(name: str, text: str) -> None:
    """Raises UserError where `text` is too large, too deeply nested, or has unpaired brackets."""
    if len(text) > MAX_BYTES:
        raise UserError(
            f"the file has {len(text):,} characters; at most {MAX_BYTES:,} are read",
            at=Location(name),
            hint="split the package, or move data to files that are sources",
        )
    stack: list[tuple[str, int]] = []  # bracket, offset
    operators = [0]  # since the last comma, for each open bracket
    pending = elifs = 0
    for token in _TOKEN.finditer(text):
        kind = token.lastgroup
        if kind is None or kind in ("string", "comment"):
            continue
        if kind == "open":
            stack.append((token[0], token.start()))
            operators.append(0)
            # A call, an index or an attribute after it nests one deeper: f()()()
            operators[-2] += 1
            pending += 1
        elif kind == "close":
            if not stack or stack[-1][0] != _CLOSES[token[0]]:
                raise UserError(f"{token[0]!r} closes nothing", at=_place(name, text, token.start()))
            stack.pop()
            pending -= operators.pop()
        elif kind == "break" or (kind == "newline" and not stack):
            pending -= operators[-1]
            operators[-1] = 0
        elif kind == "operator":
            operators[-1] += 1
            pending += 1
        elif kind == "elif":
            elifs += 1
        if len(stack) > MAX_BRACKETS or pending > MAX_OPERATORS or elifs > MAX_ELIFS:
            raise UserError(
                f"nested too deeply: at most {MAX_BRACKETS} brackets, {MAX_OPERATORS:,} operators in one "
                f"expression and {MAX_ELIFS:,} elif branches are read",
                at=_place(name, text, token.start()),
                hint="give parts of it names",
            )
    if stack:
        bracket, offset = stack[-1]
        raise UserError(f"{bracket!r} is never closed", at=_place(name, text, offset))


def _place(name: str, text: str, offset: int) -> Location:
    before = text[:offset]
    return Location(name, before.count("\n") + 1, offset - before.rfind("\n"))
