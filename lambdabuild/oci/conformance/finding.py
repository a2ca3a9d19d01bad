"""What a check says of an image: passed, failed, or not checked, and why."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

State: TypeAlias = Literal["passed", "failed", "not checked"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found.

    check:   the check's name, e.g. "gzip-layers".
    message: the first thing found, with layer, path and value, and how many more there are; "" if passed.
    hint:    what to do about it; "" unless it failed.
    """

    check: str
    state: State
    message: str = ""
    hint: str = ""


@dataclass(slots=True)
class Tally:
    """Complaints of one kind. The first is kept and the rest counted: a bad layer has one for each file."""

    first: str = ""
    count: int = 0

    def add(self, text: str) -> None:
        self.first = self.first or text
        self.count += 1

    def merge(self, other: Tally, where: str) -> None:
        if other.count:
            self.first = self.first or f"{where}: {other.first}"
            self.count += other.count

    def __str__(self) -> str:
        return self.first if self.count < 2 else f"{self.first} (and {self.count - 1} more)"


@dataclass(slots=True)
class Verdict:
    """What a check collects. One failure outweighs all that could not be looked at."""

    failures: Tally = field(default_factory=Tally)
    unknowns: Tally = field(default_factory=Tally)

    def fail(self, text: str) -> None:
        """Notes something that Lambda refuses."""
        self.failures.add(text)

    def unknown(self, text: str) -> None:
        """Notes something that could not be looked at."""
        self.unknowns.add(text)

    def merge(self, other: Verdict, where: str) -> None:
        """Adds what another verdict says of the part `where`."""
        self.failures.merge(other.failures, where)
        self.unknowns.merge(other.unknowns, where)

    def finding(self, check: str, hint: str) -> Finding:
        """Returns the verdict as a Finding; `hint` is for a failure."""
        if self.failures.count:
            return Finding(check, "failed", str(self.failures), hint)
        if self.unknowns.count:
            return Finding(check, "not checked", str(self.unknowns))
        return Finding(check, "passed")
