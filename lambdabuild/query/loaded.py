"""The Graph of a workspace: a package is loaded when a query comes to it.

With `keep_going`, what is wrong with packages and targets is collected, and
they count as far as they can be understood.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from lambdabuild.errors import Location, UserError
from lambdabuild.label import EXTERNAL, Label, TargetPattern, parse_label
from lambdabuild.loading import Loader
from lambdabuild.query.graph import SOURCE_FILE, Node
from lambdabuild.query.values import plain
from lambdabuild.rule import COMMON_ATTRS
from lambdabuild.target import Package, Target
from lambdabuild.workspace import FILE_NAME as WORKSPACE_FILE

T = TypeVar("T")


class LoadedGraph:
    """A Graph of what `loader` loads.

    failures: with keep_going, what was wrong, each error once.
    """

    def __init__(self, loader: Loader, *, keep_going: bool = False) -> None:
        self.failures: list[UserError] = []
        self._loader = loader
        self._keep_going = keep_going
        self._edges: dict[Label, Sequence[tuple[str, Label]]] = {}
        self._broken: set[str] = set()

    def match(self, pattern: TargetPattern) -> Sequence[Label]:
        if not pattern.wildcard:
            return self._try(lambda: self._one(pattern.label), [])
        files = pattern.name == "*"
        names: list[str] = self._try(lambda: self._loader.packages(pattern), [])
        found: list[Label] = []
        for name in names:
            package = self._package(name)
            if package is not None:
                found += self._members(package) if files else _targets(package)
        return found

    def kind(self, label: Label) -> str:
        target = self._target(label)
        return f"{target.kind} rule" if target else SOURCE_FILE

    def attributes(self, label: Label) -> dict[str, Any]:
        target = self._target(label)
        if target is None:
            return {}
        rule = self._loader.graph.rules[target.rule]
        own = {name: plain(attr, target.values[name]) for name, attr in rule.attrs.items()}
        tags = list(target.values["tags"])
        return {"name": label.name, "visibility": list(target.visibility), "tags": tags, **own}

    def edges(self, label: Label) -> Sequence[tuple[str, Label]]:
        found = self._edges.get(label)
        if found is None:
            target = self._target(label)
            found = self._edges[label] = self._dependencies(target) if target else ()
        return found

    def siblings(self, package: str) -> Sequence[Label]:
        found = self._package(package)
        return self._members(found) if found else ()

    def build_files(self, package: str) -> Sequence[Label]:
        found = self._package(package)
        if found is None:
            return ()
        loads = [parse_label(load) for load in found.loads]
        paths = {load.package: self._loader.build_file(load.package) for load in loads}
        beside = [Label(name, posixpath.basename(path)) for name, path in paths.items() if path]
        return [_build_file(found), *loads, *beside]

    def loads(self, package: str) -> Sequence[Label]:
        found = self._package(package)
        return [parse_label(load) for load in found.loads] if found else ()

    def node(self, label: Label, *, attributes: bool, edges: bool) -> Node:
        """Returns what an answer tells of `label`."""
        target = self._target(label)
        if target is None:
            return Node(label, SOURCE_FILE, Location(label.path, 1, 1))
        return Node(
            label,
            f"{target.kind} rule",
            target.at,
            self.attributes(label) if attributes else {},
            self._defaults(target) if attributes else frozenset(),
            tuple(self.edges(label)) if edges else (),
        )

    def _one(self, label: Label) -> list[Label]:
        if not self._loader.is_source(label):
            self._loader.target(label)
        return [label]

    def _target(self, label: Label) -> Target | None:
        """Returns the target; None for a file, also for one of a directory that is no package."""
        return self._loader.graph.target(label)

    def _package(self, name: str) -> Package | None:
        """Returns the package; None if it is broken and that is not to stop the query."""
        if name in self._broken:
            return None
        found = self._try(lambda: self._loader.package(name), None)
        if found is None:
            self._broken.add(name)
        return found

    def _members(self, package: Package) -> list[Label]:
        """Returns the targets of a package and its files, as far as its own BUILD file knows them."""
        members = dict.fromkeys(_targets(package))
        for target in package.targets.values():
            for _, label in self._loader.graph.dependencies(target):
                if label.package == package.name and self._loader.is_source(label):
                    members[label] = None
        return sorted({**members, _build_file(package): None})

    def _dependencies(self, target: Target) -> Sequence[tuple[str, Label]]:
        edges = self._try(lambda: self._loader.edges(target), None)
        if edges is None:
            written = self._loader.graph.dependencies(target)
            edges = [(name, label) for name, label in written if self._leads_somewhere(target, name, label)]
        return edges

    def _leads_somewhere(self, target: Target, attribute: str, label: Label) -> bool:
        """Tells whether there is something of that label; notes what is wrong with naming it."""
        self._try(lambda: self._loader.check_edge(target, attribute, label), None)
        package = self._package(label.package)
        return package is not None and (label.name in package.targets or self._loader.is_source(label))

    def _defaults(self, target: Target) -> frozenset[str]:
        attrs = self._loader.graph.rules[target.rule].attrs
        empty = {name: attr.empty() if attr.default is None else attr.default for name, attr in attrs.items()}
        return frozenset(
            {name for name in attrs if target.values[name] == empty[name]}
            | {name for name in COMMON_ATTRS if not target.values[name]}
        )

    def _try(self, work: Callable[[], T], otherwise: T) -> T:
        """Returns what `work` returns; with keep_going, `otherwise` where that is a UserError."""
        try:
            return work()
        except UserError as error:
            if not self._keep_going:
                raise
            if (error.message, error.at) not in [(known.message, known.at) for known in self.failures]:
                self.failures.append(error)
            return otherwise


def _targets(package: Package) -> list[Label]:
    return [package.targets[name].label for name in sorted(package.targets)]


def _build_file(package: Package) -> Label:
    if package.name == EXTERNAL:
        return Label("", WORKSPACE_FILE)
    return Label(package.name, posixpath.basename(package.build_file))
