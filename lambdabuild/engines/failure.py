"""A build that did not succeed: which step, and what it printed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from lambdabuild.engines.transcript import Transcript
from lambdabuild.errors import ActionFailed

SHOWN_LINES: Final = 40

MAX_STEP: Final = 100
"""Characters of a step in a message; the lines below it have all of it."""

_STEPS = (
    re.compile(r"^ ?> \[[^\]]*\d+/\d+\] (?P<step>.+?):$"),  # BuildKit's summary
    re.compile(r"building at STEP \"(?P<step>.+)\":"),  # buildah's
)
_CODE = re.compile(r"exit (?:code|status)(?: of)?:? (?P<code>\d+)")
_FOREIGN = "exec format error"


def failure(transcript: Transcript, platform: str) -> ActionFailed:
    """Returns what to say of a build whose engine printed this."""
    lines = transcript.lines
    step, code = _last(_STEPS, lines, "step"), _last((_CODE,), lines, "code")
    said = f"the step {_short(step)!r} of the Dockerfile failed" if step else "the Dockerfile cannot be built"
    return ActionFailed(
        said + (f" with exit code {code}" if code else ""),
        hint=_hint(lines, platform),
        details=tuple(lines[-SHOWN_LINES:]),
    )


def _last(patterns: Sequence[re.Pattern[str]], lines: Sequence[str], group: str) -> str | None:
    for line in reversed(lines):
        for pattern in patterns:
            if found := pattern.search(line):
                return found[group]
    return None


def _short(step: str) -> str:
    return step if len(step) <= MAX_STEP else f"{step[:MAX_STEP]}…"


def _hint(lines: Sequence[str], platform: str) -> str | None:
    if not any(_FOREIGN in line.lower() for line in lines):
        return None
    return (
        f"this machine cannot run programs of {platform}: build with --executor codebuild, "
        "name another --platform, or install emulation (apt-get install qemu-user-static binfmt-support)"
    )
