"""The functions of the query language, and what each takes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """What an argument is."""

    EXPRESSION = "an expression"
    WORD = "a word"
    PATTERN = "a regular expression"
    NUMBER = "a whole number"


@dataclass(frozen=True, slots=True)
class Signature:
    """What a function takes.

    parameters: (name, kind), in order.
    needed:     how many of them have to be given.
    """

    name: str
    parameters: tuple[tuple[str, Kind], ...]
    needed: int

    def __str__(self) -> str:
        names = [name for name, _ in self.parameters]
        optional = "".join(f"[, {name}]" for name in names[self.needed :])
        return f"{self.name}({', '.join(names[: self.needed])}{optional})"

    @property
    def counts(self) -> str:
        """How many arguments it takes, in words."""
        most = len(self.parameters)
        many = str(most) if self.needed == most else f"{self.needed} or {most}"
        return f"{many} argument{'s' * (many != '1')}"


_X = ("x", Kind.EXPRESSION)
_DEPTH = ("depth", Kind.NUMBER)
_REGEX = ("regex", Kind.PATTERN)
_ATTRIBUTE = ("attribute", Kind.WORD)
_ENDS = (("start", Kind.EXPRESSION), ("end", Kind.EXPRESSION))

FUNCTIONS = {
    signature.name: signature
    for signature in (
        Signature("allpaths", _ENDS, 2),
        Signature("allrdeps", (_X, _DEPTH), 1),
        Signature("attr", (_ATTRIBUTE, _REGEX, _X), 3),
        Signature("buildfiles", (_X,), 1),
        Signature("deps", (_X, _DEPTH), 1),
        Signature("filter", (_REGEX, _X), 2),
        Signature("kind", (_REGEX, _X), 2),
        Signature("labels", (_ATTRIBUTE, _X), 2),
        Signature("loadfiles", (_X,), 1),
        Signature("rdeps", (("universe", Kind.EXPRESSION), _X, _DEPTH), 2),
        Signature("same_pkg_direct_rdeps", (_X,), 1),
        Signature("siblings", (_X,), 1),
        Signature("some", (_X, ("count", Kind.NUMBER)), 1),
        Signature("somepath", _ENDS, 2),
    )
}
"""By name. `set` and `let` are no functions: the grammar has them."""
