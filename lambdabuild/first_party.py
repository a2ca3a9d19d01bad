"""First-party packages: which target the name of a package means, and what that target needs.

A package is a target with an attribute of type pyproject. Names are looked up
among all pyproject.toml files of the workspace, but only the BUILD files of
those that are asked for are evaluated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING, NamedTuple

from lambdabuild.errors import Location, UserError
from lambdabuild.label import Label, TargetPattern
from lambdabuild.rule import Rule, RuleId
from lambdabuild.sources import Kind, View, walk_directories
from lambdabuild.target import Package, Target

if TYPE_CHECKING:  # `packaging` is only for those who have packages
    from lambdabuild.python.package_graph import Node, PackageGraph
    from lambdabuild.python.platforms import Combination
    from lambdabuild.python.project import Project

FILE_NAME = "pyproject.toml"


class Needs(NamedTuple):
    """All that some packages need on a system.

    packages:     first-party ones by target, dependencies first.
    requirements: third-party ones (PEP 508, normal form), sorted.
    """

    packages: tuple[Label, ...]
    requirements: tuple[str, ...]


class FirstParty:
    """The first-party packages of a workspace, found when they are asked for.

    patterns: where pyproject.toml files are looked for.
    owner:    gives the package, if any, in which a directory lies.
    """

    def __init__(
        self,
        tree: View,
        patterns: Sequence[TargetPattern],
        owner: Callable[[str], Package | None],
        rules: Mapping[RuleId, Rule],
    ) -> None:
        self._tree = tree
        self._patterns = patterns
        self._owner = owner
        self._rules = rules
        self._projects: dict[str, Project] = {}
        self._targets: dict[str, Target] = {}
        self._names: dict[Label, str] = {}

    def project(self, target: Target) -> Project:
        """Returns what the pyproject.toml of `target`, a package, says; raises UserError.

        It is an error as well if another package of the workspace has the same name.
        """
        project = self._read(self._pyproject(target))
        self._register(project.name, {target.label: target})
        for name in project.local:
            if self.find(name) is None:
                raise UserError(
                    f"{project.name} requires {name} by a file URL, and no package here is called so",
                    at=Location(project.path),
                    hint="add a python_package for it, or require a version of a published package",
                )
        return project

    def is_package(self, target: Target) -> bool:
        return self._attribute(target, "pyproject") is not None

    def implied(self, target: Target, attribute: str) -> list[tuple[str, Label]]:
        """Returns (attribute, label) of the packages that an attribute leads to beyond what it names."""
        value = target.values[attribute]
        if self._rules[target.rule].attrs[attribute].type == "pyproject":
            from lambdabuild.python.package_graph import Node

            name = self.project(target).name
            self.graph.check([Node(name, "")])
            names = self.graph.own_edges(name)
        else:
            roots = self._nodes(value) if value else []
            names = self.graph.needed_by(roots, by=str(target.label)) if roots else ()
        return [(attribute, self._targets[name].label) for name in names]

    def needs(self, packages: Iterable[tuple[Label, Sequence[str]]], combination: Combination) -> Needs:
        """Returns what `packages` (label, extras), known from `implied` already, need on a system."""
        from lambdabuild.python.platforms import marker_environment

        roots = self._nodes(packages)
        closure = self.graph.closure(roots, partial(marker_environment, combination))
        for name in closure.packages:
            _check_python(self._projects_by_name(name), combination.python)
        labels = tuple(self._targets[name].label for name in closure.packages)
        return Needs(labels, tuple(sorted({wanted.text for wanted in closure.requirements})))

    def find(self, name: str) -> Project | None:
        """Returns the first-party package of that normalised name; None if there is none.

        Raises UserError where two packages have it, or none although a pyproject.toml has.
        """
        if name not in self._targets:
            paths = self._paths.get(name, ())
            if not paths:
                return None
            found = {t.label: t for path in paths for t in self._targets_of(path)}
            if not found:
                raise UserError(
                    f"{name} is a package of this workspace, but no target builds it",
                    at=Location(paths[0]),
                    hint=f"add python_package(…) to the BUILD file in {_directory(paths[0])}, "
                    "or leave the directory out with [python] packages",
                )
            self._register(name, found)
        return self._projects_by_name(name)

    def label(self, name: str) -> Label:
        """Returns the target of a package that was found."""
        return self._targets[name].label

    def name(self, label: Label) -> str:
        """Returns the name of a package that was found."""
        return self._names[label]

    @cached_property
    def graph(self) -> PackageGraph:
        from lambdabuild.python.package_graph import PackageGraph

        return PackageGraph(self.find)

    def _nodes(self, packages: Iterable[tuple[Label, Sequence[str]]]) -> list[Node]:
        from lambdabuild.python.package_graph import Node

        nodes = []
        for label, extras in packages:
            package = self._owner(label.package)
            target = package.targets.get(label.name) if package else None
            if target is None or not self.is_package(target):
                if extras:
                    raise UserError(
                        f"{label} is no python_package, and has no extras", hint="drop the brackets"
                    )
                continue
            name = self.project(target).name
            nodes += [Node(name, extra) for extra in ("", *extras)]
        return nodes

    def _register(self, name: str, found: Mapping[Label, Target]) -> None:
        """Notes the target of a package; raises UserError if there is more than one."""
        every = dict(found)
        if name in self._targets:
            every[self._targets[name].label] = self._targets[name]
        else:
            every |= {t.label: t for path in self._paths.get(name, ()) for t in self._targets_of(path)}
        if len(every) > 1:
            targets = [every[label] for label in sorted(every)]
            raise UserError(
                f"two packages are called {name}: {targets[0].label} and {targets[1].label}",
                at=Location(self._pyproject(targets[0])),
                hint="rename one of them, or leave its directory out with [python] packages",
                details=tuple(f"{self._pyproject(t)}, of {t.label} at {t.at}" for t in targets),
            )
        (self._targets[name],) = every.values()
        self._names[self._targets[name].label] = name

    @cached_property
    def _paths(self) -> Mapping[str, Sequence[str]]:
        """The pyproject.toml files in which a package's name stands, by that name."""
        from lambdabuild.python.project import project_name

        found: dict[str, list[str]] = {}
        for directory in walk_directories(self._tree, ""):
            if self._tree.outline(directory).get(FILE_NAME) in (Kind.FILE, Kind.LINK) and self._searched(
                directory
            ):
                path = f"{directory}/{FILE_NAME}" if directory else FILE_NAME
                name = project_name(self._tree.read(path))
                if name:
                    found.setdefault(name, []).append(path)
        return found

    def _searched(self, directory: str) -> bool:
        searched = False
        for pattern in self._patterns:
            below = pattern.package == "" or f"{directory}/".startswith(f"{pattern.package}/")
            if directory == pattern.package or (pattern.recursive and below):
                searched = not pattern.negative
        return searched

    def _targets_of(self, path: str) -> Iterator[Target]:
        package = self._owner(_directory(path))
        for target in package.targets.values() if package else ():
            if self.is_package(target) and self._pyproject(target) == path:
                yield target

    def _read(self, path: str) -> Project:
        from lambdabuild.python.project import parse_project

        if path not in self._projects:
            self._projects[path] = parse_project(path, self._tree.read(path))
        return self._projects[path]

    def _projects_by_name(self, name: str) -> Project:
        return self._read(self._pyproject(self._targets[name]))

    def _pyproject(self, target: Target) -> str:
        attribute = self._attribute(target, "pyproject")
        assert attribute is not None
        label: Label = target.values[attribute]
        return label.path

    def _attribute(self, target: Target, kind: str) -> str | None:
        attrs = self._rules[target.rule].attrs
        return next((name for name, attr in attrs.items() if attr.type == kind), None)


def _directory(path: str) -> str:
    return path.rpartition("/")[0]


def _check_python(project: Project, python: str) -> None:
    """Raises UserError if no patch release of `python` ("3.12") is one that `project` takes."""
    from packaging.specifiers import SpecifierSet

    specifiers = SpecifierSet(project.requires_python)
    if not any(specifiers.contains(f"{python}.{patch}") for patch in (0, 99)):
        raise UserError(
            f"{project.name} requires Python {project.requires_python}, and the image has {python}",
            at=Location(project.path),
            hint="take a base with another Python, or change requires-python",
        )
