"""Target, Package, TargetGraph: what the BUILD files said, checked.

Plain data, without Starlark: it can be pickled, kept, and asked questions of.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from lambdabuild.errors import Location
from lambdabuild.label import EXTERNAL, Label
from lambdabuild.rule import MANUAL, Rule, RuleId, Value

PUBLIC = "//visibility:public"
PRIVATE = "//visibility:private"


@dataclass(frozen=True, slots=True)
class Target:
    """One call of a rule in a BUILD file.

    values:     checked attribute values by name, defaults filled in.
    at:         the call in the BUILD file (of the macro, if a macro made it).
    visibility: normal form: PUBLIC, or absolute `//p:__pkg__` / `//p:__subpackages__`; () is private.
    """

    label: Label
    rule: RuleId
    kind: str
    values: Mapping[str, Value]
    visibility: tuple[str, ...]
    at: Location

    @property
    def manual(self) -> bool:
        """Tells whether wildcards leave it out."""
        return MANUAL in self.values.get("tags", ())

    def visible_from(self, package: str) -> bool:
        """Tells whether a target of `package` may depend on this one."""
        if package == self.label.package or PUBLIC in self.visibility:
            return True
        for grant in self.visibility:
            granted, _, what = grant[2:].partition(":")
            if package == granted:
                return True
            if what == "__subpackages__" and (not granted or package.startswith(granted + "/")):
                return True
        return False


@dataclass(frozen=True, slots=True)
class Package:
    """What one BUILD file defines.

    build_file: its workspace-relative path.
    loads:      the .bzl files it stands on, transitively, as labels of load().
    """

    name: str
    build_file: str
    targets: Mapping[str, Target]
    loads: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TargetGraph:
    """The packages that a question needed, with their rules.

    implied: (attribute, label) of what targets depend on without naming it.
    """

    packages: Mapping[str, Package]
    rules: Mapping[RuleId, Rule] = field(default_factory=dict)
    implied: Mapping[Label, Sequence[tuple[str, Label]]] = field(default_factory=dict)

    def target(self, label: Label) -> Target | None:
        """Returns the target of that label; None for a source file."""
        package = self.packages.get(label.package)
        return package.targets.get(label.name) if package else None

    def dependencies(self, target: Target) -> Iterator[tuple[str, Label]]:
        """Yields (attribute, label) of all that `target` names, in written order, then what is implied."""
        for name, attr in self.rules[target.rule].attrs.items():
            for label in attr.labels(target.values[name]):
                yield name, label
        yield from self.implied.get(target.label, ())


Face: TypeAlias = tuple[tuple[str, str, bool, tuple[str, ...], tuple[str, ...]], ...]
"""Of each target of a package its name, its rule, whether it is manual, its platforms, and where
it is a Python package the labels of its pyproject.toml."""


def faces(graph: TargetGraph) -> Mapping[str, Face]:
    """Returns, of each package of files, what can be known of it without naming a target of it.

    Patterns, labels of files and names of Python packages are looked up in this; all else
    that a target says is for those that depend on it.
    """
    return {
        name: tuple(_face(graph, each) for _, each in sorted(package.targets.items()))
        for name, package in graph.packages.items()
        if name != EXTERNAL
    }


def _face(graph: TargetGraph, target: Target) -> tuple[str, str, bool, tuple[str, ...], tuple[str, ...]]:
    attrs = graph.rules[target.rule].attrs
    projects = [str(target.values[name]) for name, attr in attrs.items() if attr.type == "pyproject"]
    platforms = tuple(target.values.get("platforms") or ())
    return (
        target.label.name,
        f"{target.rule.file}%{target.rule.number}",
        target.manual,
        platforms,
        tuple(projects),
    )
