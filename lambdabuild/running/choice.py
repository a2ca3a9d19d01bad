"""Which runner to take."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from lambdabuild.errors import ExternalError, UserError, did_you_mean
from lambdabuild.running.bubblewrap import Bubblewrap
from lambdabuild.running.chroot import Chroot
from lambdabuild.running.docker import Docker
from lambdabuild.running.runc import Runc
from lambdabuild.running.runner import Runner

_INSTALL = {
    "docker": "apt-get install docker.io",
    "bwrap": "apt-get install bubblewrap",
    "runc": "apt-get install runc",
}


def runners() -> tuple[Runner, ...]:
    """Returns all runners, the one that resembles Lambda most and shuts in best first."""
    return Docker(), Bubblewrap(), Runc(), Chroot()


def choose_runner(name: str | None = None, among: Sequence[Runner] | None = None) -> Runner:
    """Returns the runner called `name`, or the first that works; each is tried for real.

    Raises UserError for a name that is none, ExternalError if it, or none, works here.
    """
    known = {runner.name: runner for runner in (runners() if among is None else among)}
    if name is not None and name not in known:
        hint = did_you_mean(name, known) or f"choose one of {', '.join(known)}"
        raise UserError(f"{name!r} is no way to start an image", hint=hint)
    problems: list[str] = []
    for each in known.values() if name is None else [known[name]]:
        problem = each.problem()
        if problem is None:
            return each
        problems.append(f"{each.name}: {problem}")
    if name is not None:
        raise ExternalError(f"cannot start images with {problems[0]}", hint=_INSTALL.get(name))
    raise ExternalError(
        "nothing on this machine can start an image",
        hint=_INSTALL["bwrap"] if sys.platform == "linux" else "start Docker Desktop",
        details=tuple(problems),
    )
