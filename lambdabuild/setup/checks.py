"""What `lambdabuild doctor` finds: one Check a thing, and how the wrong ones are mended."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at.

    name: what it is, such as "bucket".
    text: what was found; for a wrong one, what is wrong with it.
    mend: the command or the step that mends it, None where nothing is wrong.
    """

    name: str
    text: str
    mend: str | None = None

    @property
    def ok(self) -> bool:
        return self.mend is None
