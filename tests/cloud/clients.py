"""Clients of the command line that start at once: each is forked from a process that has all imported.

Otherwise they are like any: processes of their own, with an environment, a directory
and a cache of their own, that a signal ends as it ends others.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from types import MappingProxyType

from tests.cloud import forked
from tests.cloud.remote import Ran, Team

SECONDS = 300
"""A client that takes longer hangs."""

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["tests.cloud.preloaded", forked.__name__])


@dataclass(frozen=True)
class Client:
    """A client that runs. out, err: the files that it writes to."""

    process: ForkServerProcess
    out: Path
    err: Path

    def ended(self) -> Ran:
        """Returns what it came to; its code is negative where a signal ended it."""
        self.process.join(SECONDS)
        if self.process.exitcode is None:
            self.process.kill()
            raise AssertionError(f"a client hangs: {self.err.read_text()}")
        return Ran(self.process.exitcode, self.out.read_text(), self.err.read_text())

    def kill(self) -> None:
        """Ends it with SIGKILL. For any thread; `ended` is for one."""
        assert self.process.pid
        os.kill(self.process.pid, signal.SIGKILL)

    def interrupt(self) -> None:
        """Does what Ctrl-C does."""
        assert self.process.pid
        os.kill(self.process.pid, signal.SIGINT)


def start(
    team: Team,
    *arguments: str,
    client: str = "alice",
    cache: str = "",
    before: Callable[[], object] | None = None,
) -> Client:
    """Starts a build of everything, answering JSON; arguments: more than that. The rest: see `begin`."""
    return begin(team, "build", "//...", "--json", *arguments, client=client, cache=cache, before=before)


def begin(
    team: Team,
    *arguments: str,
    client: str = "alice",
    cache: str = "",
    before: Callable[[], object] | None = None,
    variables: Mapping[str, str] = MappingProxyType({}),
) -> Client:
    """Starts the command line. Once it is there, a signal may be sent.

    client:    whose access key it signs with.
    cache:     the name of its cache; that of `client` if it is not said.
    before:    is called in the new process first; a function of a module.
    variables: more of its environment.
    """
    directory = Path(tempfile.mkdtemp(dir=team.caches.parent))
    environ = {**os.environ, **team.cloud.environment(client), **variables}
    environ["XDG_CACHE_HOME"] = str(team.caches / (cache or client))
    made = Client(
        _context.Process(
            target=forked.main,
            args=(arguments, team.root, environ, directory, before),
        ),
        directory / "out",
        directory / "err",
    )
    for each in (made.out, made.err):
        each.touch()
    made.process.start()
    return made


def build(team: Team, client: str = "alice", cache: str = "") -> Ran:
    """Builds everything, undisturbed by the test."""
    return start(team, client=client, cache=cache).ended()
