"""The attribute `allow`: what may leave although the guard finds it.

    "tests/key.pem"              all that is found in that file of the target's package
    "tests/*.pem:private-key"    one kind of it, in the files that a glob matches
    "//lib/data/**"              a path from the workspace's root

Names of sources have no ":", so the first one begins the kind.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from lambdabuild.configured import ConfiguredTarget
from lambdabuild.errors import Location, UserError, did_you_mean
from lambdabuild.guard.kinds import WORDS
from lambdabuild.sources.glob import matcher


@dataclass(frozen=True, slots=True)
class Allowance:
    """One entry. kind: None for all."""

    text: str
    at: Location
    pattern: re.Pattern[str]
    kind: str | None

    def covers(self, path: str, kind: str) -> bool:
        """Tells whether a finding of that kind at a path of the workspace is allowed."""
        return self.kind in (None, kind) and self.pattern.fullmatch(path) is not None


def allowances(target: ConfiguredTarget) -> tuple[Allowance, ...]:
    """Returns what a target allows; raises UserError for an entry that cannot mean anything."""
    return tuple(_allowance(text, target) for text in dict.fromkeys(target.allow))


def entry_for(target: ConfiguredTarget, path: str, kind: str) -> str:
    """Returns the entry that allows one finding, as the target's BUILD file would write it."""
    prefix = f"{target.label.package}/".lstrip("/")
    shown = path.removeprefix(prefix) if path.startswith(prefix) else f"//{path}"
    return f"{shown}:{kind}"


def _allowance(text: str, target: ConfiguredTarget) -> Allowance:
    path, colon, kind = text.partition(":")
    if colon and kind not in WORDS:
        raise UserError(
            f"{target.label}: allow cannot have {text!r}: there is no kind {kind!r}",
            at=target.at,
            hint=did_you_mean(kind, WORDS) or f"there are {', '.join(WORDS)}",
        )
    package = target.label.package
    whole = path[2:] if path.startswith("//") else f"{package}/{path}" if package else path
    try:
        return Allowance(text, target.at, matcher(whole), kind or None)
    except UserError as error:
        raise UserError(
            f"{target.label}: allow cannot have {text!r}: {error.message}", at=target.at, hint=error.hint
        ) from None
