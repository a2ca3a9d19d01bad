"""Which engine to take: asked once, when the first Dockerfile is built, and said then."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias

from lambdabuild.engines.buildah import find_buildah
from lambdabuild.engines.docker import find_docker
from lambdabuild.engines.engine import Engine
from lambdabuild.engines.process import environment
from lambdabuild.errors import ExternalError

AUTO: Final = "auto"

Find: TypeAlias = Callable[[Mapping[str, str]], "Engine | str"]
"""Gives an engine that works with these variables, or why it does not."""

ENGINES: Final[Mapping[str, Find]] = {"docker": find_docker, "buildah": find_buildah}

_INSTALL: Final = {
    "docker": "apt-get install docker.io, and start its daemon",
    "buildah": "apt-get install buildah",
}


def choose_engine(wish: str, environ: Mapping[str, str], engines: Mapping[str, Find] = ENGINES) -> Engine:
    """Returns the engine called `wish`, or, for AUTO, the first that works here.

    Raises ExternalError with what is wrong with each where none works.
    """
    env = environment(environ)
    problems: list[str] = []
    names: Sequence[str] = tuple(engines) if wish == AUTO else (wish,)
    for name in names:
        found = engines[name](env)
        if not isinstance(found, str):
            return found
        problems.append(f"{name}: {found}")
    raise ExternalError(
        "nothing on this machine can build a Dockerfile"
        if wish == AUTO
        else f"{wish} cannot build Dockerfiles here",
        hint=_install(names),
        details=tuple(problems),
    )


def _install(names: Sequence[str]) -> str:
    if sys.platform != "linux":
        return "start Docker Desktop, or build with --executor codebuild"
    return f"{'; or '.join(_INSTALL[name] for name in names)}; or build with --executor codebuild"


class ChosenEngine:
    """Chooses when it is first called, from whichever thread, and says what it chose."""

    def __init__(self, wish: str, environ: Mapping[str, str], say: Callable[[str], None]) -> None:
        self._wish, self._environ, self._say = wish, environ, say
        self._guard = threading.Lock()
        self._engine: Engine | None = None

    def __call__(self) -> Engine:
        """Returns the engine; raises as `choose_engine` does."""
        with self._guard:
            if self._engine is None:
                self._engine = choose_engine(self._wish, self._environ)
                self._say(f"Dockerfiles are built with {self._engine.describe()}")
            return self._engine
