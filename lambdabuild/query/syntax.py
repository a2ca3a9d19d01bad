"""Expressions of the query language, as data.

`start` and `end` say which characters of the text an expression is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from lambdabuild.label import TargetPattern


@dataclass(frozen=True, slots=True)
class Word:
    """A target pattern, or an argument that is no expression: a regular expression, an attribute's name."""

    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Pattern:
    """The targets, or the one file, that a target pattern names."""

    pattern: TargetPattern
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Variable:
    """What `let` gave a name."""

    name: str


@dataclass(frozen=True, slots=True)
class SetOf:
    """`set(a b c)`: the union of what some patterns name."""

    members: tuple[Pattern, ...]


@dataclass(frozen=True, slots=True)
class Call:
    """A function of FUNCTIONS, with arguments of the kinds that its signature says."""

    function: str
    arguments: tuple[Argument, ...]
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Operation:
    """Operators of one precedence, applied from left to right.

    Flat, since a chain can be longer than a stack is deep.

    rest: "union", "intersect" or "except", and what stands behind it.
    """

    first: Expression
    rest: tuple[tuple[str, Expression], ...]


@dataclass(frozen=True, slots=True)
class Let:
    """`let name = value in body`."""

    name: str
    value: Expression
    body: Expression


Expression: TypeAlias = Pattern | Variable | SetOf | Call | Operation | Let
Argument: TypeAlias = Expression | Word | int
