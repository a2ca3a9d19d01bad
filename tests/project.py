"""A small workspace on disk, and lambdabuild run in it: the builder that most tests use."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from lambdabuild import cli, noop
from lambdabuild.configured import ConfiguredGraph
from lambdabuild.errors import Location
from lambdabuild.evaluation import Evaluation, Question
from lambdabuild.execution import Event
from lambdabuild.keys import KeyTable
from lambdabuild.label import parse_pattern
from lambdabuild.oci.registry.client import Client
from lambdabuild.oci.registry.settings import read_settings as read_registry_settings
from lambdabuild.python.index import Index, config_files, read_settings
from lambdabuild.report import BuildReport
from lambdabuild.session import Session
from lambdabuild.workspace import load_workspace

WORKSPACE = '[workspace]\nname = "test"\nplatforms = ["linux/amd64"]\n'


@dataclass(frozen=True)
class Ran:
    """What one invocation of the command line came to."""

    code: int
    out: str
    err: str


class Project:
    """A workspace at `root` with a cache of its own.

    workspace: whether to write a WORKSPACE.toml, or to leave the one that is there.
    said: what BUILD files printed.
    """

    def __init__(
        self,
        root: Path,
        cache: Path,
        files: Mapping[str, str | bytes] | None = None,
        *,
        workspace: bool = True,
    ) -> None:
        self.root = root
        self.cache = cache
        self.said: list[tuple[str, Location | None]] = []
        root.mkdir(parents=True, exist_ok=True)
        self.write(({"WORKSPACE.toml": WORKSPACE} if workspace else {}) | dict(files or {}))

    def write(self, files: Mapping[str, str | bytes]) -> None:
        for path, content in files.items():
            target = self.root / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content.encode() if isinstance(content, str) else content)

    def session(self) -> Session:
        workspace = load_workspace(self.root, env={})
        return Session(
            workspace,
            self.cache,
            index=_index,
            client=lambda: Client(read_registry_settings(os.environ, Path.home())),
            say=lambda text, at: self.said.append((text, at)),
            environ=os.environ,
        )

    def question(self, *patterns: str, keep_going: bool = False, platforms: tuple[str, ...] = ()) -> Question:
        return Question(tuple(map(parse_pattern, patterns or ("//...",))), platforms, keep_going)

    def build(
        self,
        *patterns: str,
        keep_going: bool = False,
        jobs: int = 2,
        full: bool = False,
        on_event: Callable[[Event], None] = lambda event: None,
    ) -> BuildReport:
        session = self.session()
        evaluation = session.evaluate(self.question(*patterns, keep_going=keep_going))
        return session.build(evaluation, jobs=jobs, keep_going=keep_going, full=full, on_event=on_event)

    def statuses(self, *patterns: str, keep_going: bool = False) -> dict[str, str]:
        """Builds; returns what became of each target, by short label."""
        report = self.build(*patterns, keep_going=keep_going)
        return {target.id.label.short: target.status for target in report.targets}

    def evaluate(self, *patterns: str) -> Evaluation:
        return self.session().evaluate(self.question(*patterns))

    def graph(self, *patterns: str) -> ConfiguredGraph:
        return self.evaluate(*patterns).graph

    def keys(self, *patterns: str, platforms: tuple[str, ...] = ()) -> tuple[Evaluation, KeyTable]:
        session = self.session()
        evaluation = session.evaluate(self.question(*patterns, platforms=platforms))
        return evaluation, session.keys(evaluation)

    def hashes(self, *patterns: str, platforms: tuple[str, ...] = ()) -> dict[str, str]:
        """Returns the hash of each target, by short label (one platform) or label and platform."""
        evaluation, keys = self.keys(*patterns, platforms=platforms)
        several = len({root.platform for root in evaluation.roots}) > 1
        return {str(root) if several else root.label.short: keys.hashes[root] for root in evaluation.roots}

    def run(self, *arguments: str) -> Ran:
        """Runs the command line in this process, as if started in the workspace's root."""
        out, err = io.StringIO(), _Stderr()
        with self.environment(), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = cli.run(arguments)
        return Ran(code, out.getvalue(), err.getvalue())

    def ask(self, *arguments: str) -> Ran:
        """Answers a command line as the program does, with what it knows of earlier answers."""
        streams = [io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2)]
        redirected = contextlib.redirect_stdout(streams[0]), contextlib.redirect_stderr(streams[1])
        with self.environment(), redirected[0], redirected[1]:
            answer = noop.answer(arguments, time.monotonic())
            code = answer if isinstance(answer, int) else cli.run(arguments, answer)
        out, err = (stream.buffer.getvalue().decode() for stream in streams)
        return Ran(code, out, err)

    @contextlib.contextmanager
    def environment(self) -> Iterator[None]:
        """Makes this the working directory and the cache for a while."""
        before = dict(os.environ)
        with contextlib.chdir(self.root):
            os.environ["XDG_CACHE_HOME"] = str(self.cache.parent)
            try:
                yield
            finally:
                os.environ.clear()
                os.environ.update(before)

    def stored(self) -> set[str]:
        """Returns the files of the cache and the outputs, temporary ones left out."""
        found = {str(path) for kind in ("cas", "ac", "keys") for path in (self.cache / kind).rglob("*")}
        return found | {str(path) for path in (self.root / "lambdabuild-out").rglob("*")}


def _index() -> Index:
    """Returns the index that pip is configured for on this machine."""
    home = Path.home()
    return Index(read_settings(os.environ, home, config_files(os.environ, home, Path(sys.prefix))))


class _Stderr(io.StringIO):
    """Text that also takes bytes, as sys.stderr does through its buffer."""

    @property
    def buffer(self) -> _Stderr:  # type: ignore[override]
        return self

    def write(self, text: str | bytes) -> int:
        return super().write(text.decode() if isinstance(text, bytes) else text)


PYTHON = sys.executable
