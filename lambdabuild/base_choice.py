"""Which base an image with `base = "auto"` stands on: a pure function of what it needs and what there is.

The base wins that holds most of what is needed, by bytes. A third-party package
counts with the size of its locked wheel; a first-party one with a fixed size,
whatever it holds, so that no edit of a source moves an image to another base.
Of equals the one wins that holds least beside, then the first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lambdabuild.errors import UserError

FIRST_PARTY_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Candidate:
    """A base that can be chosen.

    needed:  name -> bytes of all that the image would need on it.
    holds:   names of the packages inside.
    problem: why it cannot be chosen, or "".
    """

    label: str
    needed: Mapping[str, int]
    holds: frozenset[str]
    problem: str = ""

    @property
    def covered(self) -> int:
        """Bytes of what is needed that the base holds."""
        return sum(size for name, size in self.needed.items() if name in self.holds)

    @property
    def beside(self) -> int:
        """How many packages it holds that are not needed."""
        return len(self.holds - self.needed.keys())


@dataclass(frozen=True, slots=True)
class Choice:
    """A base, and why it is that one, as a sentence."""

    label: str
    reason: str


def choose(candidates: Sequence[Candidate]) -> Choice:
    """Returns the choice; raises UserError where none of the candidates can be one."""
    usable = [candidate for candidate in candidates if not candidate.problem]
    if not usable:
        raise UserError(
            "none of the bases in [images] auto can be used",
            hint="name one that fits, or drop what they contradict",
            details=tuple(f"{each.label}: {each.problem}" for each in candidates),
        )
    best = max(usable, key=lambda each: (each.covered, -each.beside))  # max gives the first of equals
    missing = sorted(best.needed.keys() - best.holds)
    total = sum(best.needed.values())
    reason = f"{best.label} holds {_size(best.covered)} of the {_size(total)} that are needed"
    if missing:
        reason += f", and lacks {', '.join(missing[:5])}{', …' if len(missing) > 5 else ''}"
    others = [
        f"{each.label}: {each.problem or _size(each.covered)}" for each in candidates if each is not best
    ]
    return Choice(best.label, reason + (f" ({'; '.join(others)})" if others else ""))


def _size(count: int) -> str:
    return f"{count / 1_000_000:.1f} MB" if count >= 1_000_000 else f"{count / 1000:.0f} kB"
