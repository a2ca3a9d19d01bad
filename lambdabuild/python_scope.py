"""What ctx.actions means for Python while one target is analysed: wheels, layers of packages, bases."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from lambdabuild.action import ActionId, Input
from lambdabuild.base_choice import FIRST_PARTY_BYTES, Candidate, choose
from lambdabuild.configured import ConfiguredLabel, ConfiguredTarget
from lambdabuild.digest import Canonical
from lambdabuild.errors import Location, UserError
from lambdabuild.first_party import FirstParty, Needs
from lambdabuild.label import Label, parse_label
from lambdabuild.rule import AttributeProblem
from lambdabuild.target import Target
from lambdabuild.third_party import Declare, ThirdParty, declare_layer, host_combination, host_identity

if TYPE_CHECKING:
    from lambdabuild.python.platforms import Combination
    from lambdabuild.python.project import Project
    from lambdabuild.python.selection import LockedWheel

# An image has at most 127 layers: with more packages than this, neighbours share one.
_MAX_PACKAGE_LAYERS = 40

WHEEL = "package.whl"


class PythonScope:
    """Host functions about Python for one target and platform.

    declare: declares actions of the target.
    note:    takes what a user should know of the target although nothing is wrong.
    """

    def __init__(
        self,
        target: Target,
        platform: str,
        configured: Mapping[ConfiguredLabel, ConfiguredTarget],
        first_party: FirstParty,
        third_party: ThirdParty,
        declare: Declare,
        note: Callable[[str], None],
    ) -> None:
        self._target = target
        self._platform = platform
        self._configured = configured
        self._first_party = first_party
        self._third_party = third_party
        self._declare = declare
        self._note = note

    def wheel(self, files: Mapping[str, Input], version: str | None, native: bool) -> tuple[str, ActionId]:
        """Declares the build of the target's own package from `files` (path -> file).

        Returns its name and the action. Raises UserError for files that pyproject.toml names and
        nothing declares, and for a version that only git would know.
        """
        project = self._first_party.project(self._target)
        for key, path in project.files:
            if path not in files:
                raise AttributeProblem(
                    f"{self._target.label}: attribute 'srcs' lacks {path}, "
                    f"which {project.path} names as {key}",
                    "srcs",
                    hint=f"add {path!r} to srcs",
                )
        variables = _version_variables(self._target, project, version)
        params: dict[str, Canonical] = {
            "project": project.name,
            "backend": project.build_backend,
            "backend_path": list(project.backend_path),
            "build_lock": self._third_party.build_lock(project.build_requires),
            "variables": variables,
            "host": host_identity() if native else None,
        }
        inputs = {f"project/{path}": file for path, file in files.items()}
        return project.name, self._declare("wheel", params, inputs, (WHEEL,), shareable=not native)

    def packages(
        self,
        roots: Sequence[tuple[str, Sequence[str]]],
        requirements: Sequence[str],
        system: Sequence[str],
        have: Sequence[Mapping[str, str]],
        bytecode: str,
    ) -> tuple[list[int], dict[str, str], dict[str, str]]:
        """Declares the layers of what is needed and the base does not have.

        roots:  (label, extras) of first-party packages.
        system: version of Python, C library.
        have:   name -> version, and name -> label, of what the base has.

        Returns the actions' numbers, bottom layer first, and what the image needs in the form of `have`.
        Raises UserError for what the base has in another version.
        """
        combination = self._combination(system)
        needs, selected = self._needed(roots, requirements, combination)
        problem = _contradiction(selected, have[0])
        if problem:
            raise UserError(
                problem, hint="give both the same requirements, or lock them together: lambdabuild lock"
            )
        new = [wheel for wheel in selected if wheel.name not in have[0]]
        made, note = self._third_party.layers(new, bytecode, self._declare)
        if note:
            self._note(note)
        names = {str(label): name for name, label in self._names(needs)}
        missing = [label for label in needs.packages if names[str(label)] not in have[1]]
        made += self._own_layers(missing, combination, bytecode)
        return (
            [id_.number for id_ in made],
            {wheel.name: wheel.version for wheel in selected},
            {name: label for label, name in names.items()},
        )

    def choose_base(
        self,
        roots: Sequence[tuple[str, Sequence[str]]],
        requirements: Sequence[str],
        candidates: Sequence[tuple[str, Sequence[str | None], Mapping[str, str], Mapping[str, str]]],
    ) -> str:
        """Returns which of `candidates` (label, system, wheels, packages) holds most of what is needed."""
        described = [
            self._candidate(label, system, wheels, packages, roots, requirements)
            for label, system, wheels, packages in candidates
        ]
        choice = choose(described)
        self._note(f"its base is chosen: {choice.reason}")
        return choice.label

    def _candidate(
        self,
        label: str,
        system: Sequence[str | None],
        wheels: Mapping[str, str],
        packages: Mapping[str, str],
        roots: Sequence[tuple[str, Sequence[str]]],
        requirements: Sequence[str],
    ) -> Candidate:
        python, libc = system
        holds = frozenset({*wheels, *packages})
        if not python or not libc:
            return Candidate(label, {}, holds, "it does not say which Python it holds")
        try:
            needs, selected = self._needed(roots, requirements, self._combination((python, libc)))
        except UserError as error:
            return Candidate(label, {}, holds, error.message)
        sizes = {wheel.name: wheel.file.size for wheel in selected}
        sizes |= {name: FIRST_PARTY_BYTES for name, _ in self._names(needs)}
        return Candidate(label, sizes, holds, _contradiction(selected, wheels) or "")

    def _combination(self, system: Sequence[str]) -> Combination:
        from lambdabuild.python.platforms import Combination

        python, libc = system
        return Combination.of(python, libc, self._platform)

    def _needed(
        self,
        roots: Sequence[tuple[str, Sequence[str]]],
        requirements: Sequence[str],
        combination: Combination,
    ) -> tuple[Needs, tuple[LockedWheel, ...]]:
        for text in requirements:
            self._check_third_party(text)
        needs = self._first_party.needs(
            [(parse_label(label), extras) for label, extras in roots], combination
        )
        return needs, self._third_party.select([*requirements, *needs.requirements], combination)

    def _check_third_party(self, text: str) -> None:
        """Raises UserError for a requirement that names a package of this workspace."""
        from packaging.utils import canonicalize_name

        from lambdabuild.python.requirements import parse_requirement

        name = canonicalize_name(parse_requirement(text).name)
        if self._first_party.find(name):
            label = self._first_party.label(name)
            raise UserError(
                f"{name} is a package of this workspace, and requirements are of third parties",
                hint=f"put {label.short!r} in packages instead",
            )

    def _names(self, needs: Needs) -> Iterable[tuple[str, Label]]:
        for label in needs.packages:
            yield self._first_party.name(label), label

    def _own_layers(self, labels: Sequence[Label], combination: Combination, bytecode: str) -> list[ActionId]:
        run = -(-len(labels) // _MAX_PACKAGE_LAYERS) or 1
        made = []
        for start in range(0, len(labels), run):
            inputs: dict[str, Input] = {}
            for label in labels[start : start + run]:
                configured = self._configured[ConfiguredLabel(label, self._platform)]
                assert configured.wheel is not None  # `implied` gives packages alone
                if not configured.action_of(configured.wheel).shareable:
                    _check_native(label, combination)
                inputs[f"built/{self._first_party.name(label)}.whl"] = configured.wheel
            made.append(declare_layer(inputs, bytecode, self._declare))
        return made


def _contradiction(selected: Iterable[LockedWheel], have: Mapping[str, str]) -> str | None:
    """Returns what a base has in another version than it is needed, as a sentence."""
    for wheel in selected:
        held = have.get(wheel.name, wheel.version)
        if held != wheel.version:
            return f"{wheel.name} {wheel.version} is needed, and the base holds {wheel.name} {held}"
    return None


def _check_native(label: Label, combination: Combination) -> None:
    """Raises UserError unless a wheel made by this machine's Python runs on `combination`."""
    host = host_combination()
    if not host.serves(combination):
        raise UserError(
            f"{label} is native: built on this machine it is for {host} or newer, not for {combination}",
            hint=f"build on a machine like {combination}, or make the package pure Python",
        )


def _version_variables(target: Target, project: Project, version: str | None) -> dict[str, str]:
    """Returns the variables that tell the backend the version; raises AttributeProblem."""
    from lambdabuild.python.git_versions import version_variable

    asks = project.version_from_git
    if version is None and asks is None:
        return {}
    if version is None:
        raise AttributeProblem(
            f"{target.label}: {asks} would ask git for the version, "
            "and wheels are built from declared files alone",
            "name",
            hint='say version = "1.2.3" on the target, or write the version into pyproject.toml',
        )
    if asks is None:
        raise AttributeProblem(
            f"{target.label}: attribute 'version' is for backends that ask git, "
            f"and that of {project.path} does not",
            "version",
            hint="drop it",
        )
    variable = version_variable(asks)
    if variable is None:
        raise UserError(
            f"{asks} takes a version from git alone",
            at=Location(project.path),
            hint="take setuptools-scm or hatch-vcs",
        )
    _check_version(target, version)
    return {variable: version}


def _check_version(target: Target, version: str) -> None:
    from packaging.version import InvalidVersion, Version

    try:
        Version(version)
    except InvalidVersion:
        raise AttributeProblem(
            f"{target.label}: attribute 'version' is {version!r}, which is no version (PEP 440)",
            "version",
            hint='write it like "1.2.3"',
        ) from None
