"""Everything lambdabuild can complain about, by whose turn it is to act.

LambdaBuildError
├── UserError      a BUILD file, WORKSPACE.toml, a source or a flag is wrong   exit 2
│   └── CycleError
├── ActionFailed   a declared step ran and did not succeed                     exit 1
└── ExternalError  disk, network, daemon or store said no; retry may help      exit 3

Anything else that escapes is a bug in lambdabuild and keeps its traceback.
Errors are data: only `ui` renders them. They survive pickling, because BUILD
files are evaluated in a process of their own.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Location:
    """A place in a file. `line` and `column` count from 1; 0 means "not known"."""

    path: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        parts = [self.path]
        if self.line:
            parts.append(str(self.line))
            if self.column:
                parts.append(str(self.column))
        return ":".join(parts)


class LambdaBuildError(Exception):
    """One clear sentence, the place it speaks of, and what can be done about it.

    message: lower case, no full stop, names in full.
    at:      where the user has to look, or None.
    hint:    what to do, a command where there is one, or None.
    details: further lines shown indented below (a traceback of BUILD frames,
             the output of a failed step).
    """

    exit_code: ClassVar[int] = 2

    def __init__(
        self,
        message: str,
        *,
        at: Location | None = None,
        hint: str | None = None,
        details: tuple[str, ...] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.at = at
        self.hint = hint
        self.details = details

    def __reduce__(self) -> tuple[object, ...]:
        return (_revive, (type(self), self.__dict__))

    def located(self, at: Location | None) -> LambdaBuildError:
        """Returns this error, with `at` as its place if it had none."""
        if self.at is None:
            self.at = at
        return self


def _revive(kind: type[LambdaBuildError], state: dict[str, object]) -> LambdaBuildError:
    error = kind.__new__(kind)
    Exception.__init__(error, state["message"])
    error.__dict__.update(state)
    return error


class UserError(LambdaBuildError):
    """Something the user wrote, named or typed is wrong."""

    exit_code = 2


class CycleError(UserError):
    """Targets or .bzl files that depend on themselves.

    `path` lists the cycle once, in dependency order; its last member depends
    on its first.
    """

    def __init__(
        self, path: tuple[str, ...], *, at: Location | None = None, details: tuple[str, ...] = ()
    ) -> None:
        first, last = path[0], path[-1]
        hint = f"drop {first} from {last}, or move what both need into a third target"
        if len(path) == 1:
            hint = f"drop {first} from its own attributes"
        super().__init__(
            "dependency cycle: " + " -> ".join((*path, first)), at=at, hint=hint, details=details
        )
        self.path = path


class ActionFailed(LambdaBuildError):
    """A declared step ran and did not succeed."""

    exit_code = 1


class ExternalError(LambdaBuildError):
    """The world outside said no: disk, network, a daemon, a damaged cache."""

    exit_code = 3


def escaped(text: str) -> str:
    """Returns `text` with escapes for what does not print: it came from outside, and goes to a terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def did_you_mean(name: str, known: Iterable[str]) -> str | None:
    """Returns a hint that names the member of `known` nearest to `name`, or None."""
    near = difflib.get_close_matches(name, list(known), 1, cutoff=0.6)
    return f"did you mean {near[0]!r}?" if near else None
