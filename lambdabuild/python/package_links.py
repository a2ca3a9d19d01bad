"""The requirements of first-party packages, one by one: which of them are first-party, and can they be met.

Absent: what follows from them together, which is the graph's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from lambdabuild.errors import Location, UserError, did_you_mean
from lambdabuild.python.project import Project
from lambdabuild.python.requirements import applies, extras_of, parse_requirement

Environment = Callable[[str], Mapping[str, str]]
"""Gives the value of every variable of markers, for an extra, "" for none."""


class Node(NamedTuple):
    """What can be asked of a package. package: normalised. extra: normalised; "" for the package itself."""

    package: str
    extra: str

    def __str__(self) -> str:
        return f"{self.package}[{self.extra}]" if self.extra else self.package


@dataclass(frozen=True, slots=True)
class Link:
    """One requirement of a node.

    owner: the project that has it. extra: of the owner, "" for the package itself.
    text:  in normal form; `requirement` is the same, parsed.
    nodes: what it asks of first-party packages, sorted; None if it is third-party.
    """

    owner: Project
    extra: str
    text: str
    requirement: Requirement
    nodes: tuple[Node, ...] | None

    @property
    def name(self) -> str:
        """Of the package that is required, normalised."""
        return canonicalize_name(self.requirement.name)

    @property
    def at(self) -> Location:
        return Location(self.owner.path, self.owner.lines.get((self.extra, self.text), 0))

    @property
    def asker(self) -> str:
        """Who requires it, for messages."""
        return self.owner.path + (f" [{self.extra}]" if self.extra else "")


class PackageLinks:
    """Reads the links of nodes, each node once.

    project_of: normalised name -> its project, or None if it is third-party. It is
                called when a name is first seen, and once only; its UserErrors pass.
    """

    def __init__(self, project_of: Callable[[str], Project | None]) -> None:
        self._project_of = project_of
        self._projects: dict[str, Project | None] = {}
        self._links: dict[Node, tuple[Link, ...]] = {}

    def check(self, nodes: Iterable[Node], by: str) -> None:
        """Raises UserError if one of `nodes`, which `by` asks for, does not exist."""
        for node in sorted(nodes):
            project = self._find(node.package)
            if project is None:
                raise UserError(
                    f"{by} asks for {node}, and no package of the workspace is named {node.package!r}",
                    hint=f'name = "{node.package}" in [project] of a pyproject.toml makes it one',
                )
            if node.extra and node.extra not in project.extras:
                raise _no_extra(by, node, project)

    def of(self, node: Node) -> tuple[Link, ...]:
        """Returns the links of a node, which must exist.

        Raises UserError for extras and, where there is no marker, versions that
        first-party packages do not have.
        """
        if node not in self._links:
            owner = self._find(node.package)
            assert owner is not None
            texts = owner.extras[node.extra] if node.extra else owner.requires
            self._links[node] = tuple(self._link(owner, node.extra, text) for text in texts)
        return self._links[node]

    def holding(self, node: Node, environment: Environment) -> tuple[Link, ...]:
        """Returns those links of a node whose marker is true; raises UserError for their versions too."""
        found = []
        for link in self.of(node):
            try:
                holds = applies(link.requirement, environment(node.extra))
            except UserError as error:
                raise error.located(link.at) from None
            if holds:
                self._check_version(link)
                found.append(link)
        return tuple(found)

    def _find(self, name: str) -> Project | None:
        if name not in self._projects:
            self._projects[name] = self._project_of(name)
        return self._projects[name]

    def _link(self, owner: Project, extra: str, text: str) -> Link:
        requirement = parse_requirement(text)
        name = canonicalize_name(requirement.name)
        other = self._find(name)
        if other is None:
            return _third_party(Link(owner, extra, text, requirement, None))
        extras = extras_of(requirement)
        nodes = {Node(name, each) for each in extras}
        if name != owner.name or not (extras or extra):
            nodes.add(Node(name, ""))
        link = Link(owner, extra, text, requirement, tuple(sorted(nodes)))
        for each in sorted(extras):
            if each not in other.extras:
                raise _no_extra(link.asker, Node(name, each), other).located(link.at)
        if requirement.marker is None:
            self._check_version(link)
        return link

    def _check_version(self, link: Link) -> None:
        other = self._find(link.name)
        specifier = link.requirement.specifier
        if other is None or other.version is None or specifier.contains(other.version, prereleases=True):
            return
        raise UserError(
            f"{link.asker} requires {other.name}{specifier}, and {other.path} has version {other.version}",
            at=link.at,
            hint=f"require a version that it has, e.g. {other.name}>={other.version}, or none",
        )


def _third_party(link: Link) -> Link:
    """Returns `link`; raises UserError if it was a file URL.

    A package index may have something else by that name.
    """
    if link.name in link.owner.local:
        raise UserError(
            f"{link.name} is required by a file URL, and no package of the workspace is named so",
            at=link.at,
            hint=f"add {link.name} to the workspace, or drop the URL to take it from the package index",
        )
    return link


def _no_extra(asker: str, node: Node, project: Project) -> UserError:
    known = sorted(project.extras)
    return UserError(
        f"{asker} asks for {node}, and {project.path} has no extra {node.extra!r}",
        hint=did_you_mean(node.extra, known) or f"the extras there are: {', '.join(known) or 'none'}",
    )
