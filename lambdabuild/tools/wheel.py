"""wheel: the sources of a Python package -> its wheel, made by its own build backend.

The key holds the sources and the locked build requirements, with the files of all
systems: which of them this machine takes is found when the tool runs. So a wheel
has to be the same whoever builds it, unless the key names the host as well.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from lambdabuild.action import Made, ToolCall
from lambdabuild.errors import ActionFailed, UserError

if TYPE_CHECKING:
    from lambdabuild.python.index import Index
    from lambdabuild.python.pep517.environment import Environments

PACKAGE = "package.whl"
_PROJECT = "project/"
_SDIST = "sdist/"


class WheelTool:
    """Puts out `package.whl`.

    Inputs: `project/<path>`, the project's files with pyproject.toml among them,
    or a single `sdist/<file name>`, a source distribution.

    Parameters: `project`, its normalised name; `backend` and `backend_path` as in
    [build-system], or empty for what the sources say; `build_lock`, the document of
    a BuildLock; `variables` for the backend; `host`: null, and the wheel has to be
    for any machine, or what names this one, and it has to fit that.

    environments: where build environments are kept.
    index:        gives the package index; asked only when there is something to fetch.
    user:         whom backends run as; None: as this process.
    """

    name = "wheel"
    version = 1

    def __init__(self, environments: Path, index: Callable[[], Index], user: int | None = None) -> None:
        self._directory, self._index, self._user = environments, index, user
        self._guard = threading.Lock()
        self._environments: Environments | None = None

    def run(self, call: ToolCall) -> Mapping[str, Made]:
        from lambdabuild.python.build_lock import BuildLock
        from lambdabuild.python.pep517.hooks import Project, build_wheel  # for those who build wheels
        from lambdabuild.python.selection import select_for_host

        params = cast("Mapping[str, Any]", call.params)
        wheels = select_for_host(BuildLock.from_document(params["build_lock"]))
        environment = self._kept().get(wheels, call.check)
        source = call.scratch / "project"
        _write_sources(call, params["project"], source)
        backend, backend_path = params["backend"], tuple(params["backend_path"])
        if not backend:
            backend, backend_path = _own_backend(source, params["project"])
        project = Project(
            name=params["project"],
            source=source,
            backend=backend,
            backend_path=backend_path,
            variables=params["variables"],
        )
        wheel = build_wheel(project, environment, call.scratch / "build", call.check, self._user)
        _check_name(wheel, params["project"], host=params["host"] is not None)
        return {PACKAGE: Made(wheel)}

    def _kept(self) -> Environments:
        from lambdabuild.python.pep517.environment import Environments

        with self._guard:
            if self._environments is None:
                self._environments = Environments(self._directory, self._index)
            return self._environments


def _write_sources(call: ToolCall, project: str, into: Path) -> None:
    from lambdabuild.python.pep517.sdist import unpack_sdist
    from lambdabuild.python.pep517.sources import SourceTree

    sdists = [path for path in call.inputs if path.startswith(_SDIST)]
    if sdists:
        (path,) = sdists
        archive = call.scratch / path.removeprefix(_SDIST)
        with open(archive, "wb") as out:
            out.writelines(call.contents(call.inputs[path].digest))
        unpack_sdist(archive, into)
        return
    if f"{_PROJECT}pyproject.toml" not in call.inputs:
        raise UserError(f"the sources of {project} have no pyproject.toml", hint="add it to srcs")
    tree = SourceTree(into)
    for path, node in call.inputs.items():
        call.check()
        tree.add(path.removeprefix(_PROJECT), call.contents(node.digest), node.executable)
    tree.finish()


def _own_backend(source: Path, project: str) -> tuple[str, tuple[str, ...]]:
    """Returns backend and backend path of the sources' own pyproject.toml, which may be missing (PEP 517)."""
    from lambdabuild.python.build_system import build_system
    from lambdabuild.toml_file import TomlFile

    file = source / "pyproject.toml"
    data = file.read_bytes() if file.is_file() else b""
    system = build_system(TomlFile.parse(f"{project}/pyproject.toml", data, hint="take another version"))
    return system.backend, system.backend_path


def _check_name(wheel: Path, project: str, *, host: bool) -> None:
    """Raises ActionFailed unless the wheel's name fits the project, the machine, and what is inside."""
    from packaging.utils import InvalidWheelFilename, parse_wheel_filename

    from lambdabuild.python.pep517.wheel_name import name_from_inside

    built = f"what was built of {project}, {wheel.name}"
    try:
        parsed = parse_wheel_filename(wheel.name)
    except (InvalidWheelFilename, ValueError):
        raise _bad(f"{built}, has no name of a wheel") from None
    try:
        inside = name_from_inside(wheel)
    except ValueError as error:
        raise _bad(f"{built}, {error}") from None
    if parse_wheel_filename(inside) != parsed:
        raise _bad(f"{built}, is {inside} by what is in it")
    if parsed[0] != project:
        raise ActionFailed(
            f"the sources of {project} make a wheel of {parsed[0]}",
            hint="give [project] name and the target the same name",
        )
    _check_tags(sorted(map(str, parsed[3])), project, host=host)


def _check_tags(tags: Sequence[str], project: str, *, host: bool) -> None:
    if not host:
        if odd := [tag for tag in tags if not tag.endswith("-none-any")]:
            raise ActionFailed(
                f"{project} makes a wheel for {odd[0]}, and only -none-any wheels are independent of the "
                "machine that builds",
                hint=f"say native = True on the target of {project}",
            )
        return
    from packaging.tags import sys_tags

    if not {*tags} & {*map(str, sys_tags())}:
        raise _bad(f"{project} makes a wheel for {tags[0]}, which this machine cannot use")


def _bad(message: str) -> ActionFailed:
    return ActionFailed(
        message, hint="it is a fault of the build backend: see [build-system] in pyproject.toml"
    )
