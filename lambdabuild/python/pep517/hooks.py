"""Sources, backend and environment -> a wheel.

Two hooks of PEP 517 run, each in a process of its own: get_requires_for_build_wheel,
whose answer has to be in the environment already, and build_wheel. "Why the first":
without it a backend fails later, in words that say less.

Absent: config_settings, and metadata without a wheel.
"""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pyproject_hooks
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from pyproject_hooks import BackendUnavailable, BuildBackendHookCaller

from lambdabuild.errors import ActionFailed, UserError
from lambdabuild.oci.tar import MTIME
from lambdabuild.python.pep517 import outcome, process
from lambdabuild.python.pep517.environment import Environment
from lambdabuild.python.pep517.user import hand_over, open_way, take

_ADD_HINT: Final = "add {} to [build-system] requires in pyproject.toml, then: lambdabuild lock"


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """What a wheel is built from.

    name:         normalised.
    source:       its directory; the backend may write there.
    backend:      as [build-system] build-backend has it.
    backend_path: likewise; directories below `source` that have the backend itself.
    variables:    of the backend's environment; the fixed ones win.
    """

    name: str
    source: Path
    backend: str
    backend_path: Sequence[str] = ()
    variables: Mapping[str, str] = field(default_factory=dict)


def build_wheel(
    project: Project,
    environment: Environment,
    scratch: Path,
    check: Callable[[], None],
    user: int | None = None,
) -> Path:
    """Returns the wheel that the project's backend makes, below `scratch`, under the name it gave it.

    scratch: an empty directory outside `project.source`, or the name of one to make.
    check:   raises to kill the backend, with all that it started in its session.
    user:    whom the backend runs as, if not as this process, which then has to be root's. It
             gets the sources for its own; the interpreter has to be within its reach.

    Raises ActionFailed, with the end of what the backend printed, if there is no
    wheel in the end; UserError for a backend path outside the project. The wheel is
    not looked into.
    """
    return _Backend(project, environment, scratch, check, user).build()


class _Backend:
    def __init__(
        self,
        project: Project,
        environment: Environment,
        scratch: Path,
        check: Callable[[], None],
        user: int | None,
    ) -> None:
        self._project, self._environment, self._check = project, environment, check
        self._scratch, self._user = scratch, user
        self._wheels, self._output = scratch / "wheels", scratch / "output.txt"
        self._variables = _variables(project, environment, scratch)
        for directory in (scratch, self._wheels, *self._own_places()):
            directory.mkdir(exist_ok=True)
        if user is not None:
            self._let_in(user)
        try:
            self._hooks = BuildBackendHookCaller(
                str(project.source), project.backend, project.backend_path, self._run, str(environment.python)
            )
        except ValueError as error:
            paths = ", ".join(project.backend_path)
            raise UserError(
                f"the backend-path of {project.name} cannot be used: {paths}: {error}",
                hint="name directories within the project, relative to its pyproject.toml",
            ) from None

    def build(self) -> Path:
        self._check_requirements(self._call(self._hooks.get_requires_for_build_wheel))
        name = self._call(lambda: self._hooks.build_wheel(str(self._wheels)))
        if not isinstance(name, str) or name != os.path.basename(name) or name in ("", ".", ".."):
            raise self._failed(f"says that it made {str(name)[:200]!r}, which is no file name")
        wheel = self._wheels / name
        if self._user is not None:
            taken = self._scratch / "taken"
            taken.mkdir(exist_ok=True)
            if take(wheel, taken / name):
                return taken / name
        elif wheel.is_file() and not wheel.is_symlink():
            return wheel
        raise self._failed(f"says that it made {name!r}, and did not")

    def _let_in(self, user: int) -> None:
        """Gives `user` what the backend writes to, and the way to what it reads."""
        for tree in (self._project.source, self._wheels, *self._own_places()):
            hand_over(tree, user)
        root = self._environment.python.parents[1]
        root.chmod(0o755)
        for place in (self._scratch, self._project.source, root):
            open_way(place)

    def _own_places(self) -> tuple[Path, ...]:
        return Path(self._variables["HOME"]), Path(self._variables["TMPDIR"])

    def _call(self, hook: Callable[[], object]) -> object:
        """Returns what a hook of the backend returns."""
        # Else they would come out on the terminal. The category is for them alone.
        if category := getattr(pyproject_hooks, "BuildBackendWarning", None):
            warnings.filterwarnings("ignore", category=category)
        name, backend = self._project.name, self._project.backend
        self._output.unlink(missing_ok=True)
        try:
            return hook()
        except subprocess.CalledProcessError as error:
            if error.returncode < 0:
                raise self._failed(f"was killed by signal {-error.returncode}") from None
            raise outcome.failed(name, backend, self._project.source, self._said()) from None
        except BackendUnavailable as error:
            raise ActionFailed(
                f"{backend} cannot be imported, and is to build {name}",
                hint=_ADD_HINT.format("the package that has it"),
                details=outcome.last_lines(error.traceback),
            ) from None
        except (FileNotFoundError, ValueError):  # of the file that brings the answer
            raise self._failed("ended before it gave an answer") from None

    def _run(
        self, cmd: Sequence[str], cwd: str | None = None, extra_environ: Mapping[str, str] | None = None
    ) -> None:
        """Runs a hook's process, as BuildBackendHookCaller wants it."""
        assert cwd is not None
        env = {**self._variables, **(extra_environ or {})}
        if self._user is not None:
            cmd = self._within_reach(cmd, self._user)
        code = process.run(
            cmd, cwd=Path(cwd), env=env, output=self._output, check=self._check, user=self._user
        )
        if code:
            raise subprocess.CalledProcessError(code, cmd)
        answer = Path(cmd[-1]) / "output.json"
        if not stat.S_ISREG(answer.lstat().st_mode):
            raise ValueError("the answer is no file")

    def _within_reach(self, cmd: Sequence[str], user: int) -> Sequence[str]:
        """Returns the command of a hook for another user: python, script, hook, directory of the answer."""
        python, script, hook, directory = cmd
        readable = self._scratch / "hook.py"
        shutil.copyfile(script, readable)
        readable.chmod(0o644)
        hand_over(Path(directory), user)
        return [python, str(readable), hook, directory]

    def _check_requirements(self, wanted: object) -> None:
        """Raises ActionFailed for the first requirement that the environment does not satisfy."""
        held = dict(self._environment.packages)
        for text in wanted if isinstance(wanted, list) else [wanted]:
            try:
                requirement = Requirement(str(text))
                applies = requirement.marker is None or requirement.marker.evaluate()
            except (InvalidRequirement, ValueError, LookupError):
                raise self._failed(f"asks for {str(text)[:200]!r}, which is no requirement") from None
            version = held.get(canonicalize_name(requirement.name))
            if applies and not (version and requirement.specifier.contains(version, prereleases=True)):
                raise ActionFailed(
                    f"{self._project.backend} asks for {requirement} as well, to build {self._project.name}",
                    hint=_ADD_HINT.format("it"),
                )

    def _failed(self, what: str) -> ActionFailed:
        return ActionFailed(
            f"{self._project.backend} {what}, for {self._project.name}",
            hint="it is a fault of the build backend: see [build-system] in pyproject.toml",
            details=outcome.last_lines(self._said()),
        )

    def _said(self) -> str:
        return outcome.read_tail(self._output) if self._output.exists() else ""


def _variables(project: Project, environment: Environment, scratch: Path) -> dict[str, str]:
    """Returns the whole environment of a backend: nothing in it is the caller's."""
    fixed = {
        "HOME": str(scratch / "home"),
        "LC_ALL": "C.UTF-8",
        "PATH": os.pathsep.join([*map(str, environment.path), os.defpath]),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",
        "PYTHONNOUSERSITE": "1",
        "SOURCE_DATE_EPOCH": str(MTIME),
        "TMPDIR": str(scratch / "tmp"),
        "TZ": "UTC",
    }
    return {**project.variables, **fixed}
