"""What the BUILD files that are there declare: they are never written, and what they say is respected."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from lambdabuild.errors import UserError
from lambdabuild.evaluation import Say, make_loader
from lambdabuild.loading import Loader
from lambdabuild.rulebook import Rulebook
from lambdabuild.sources import View
from lambdabuild.starlark import Beat, isolated
from lambdabuild.starlark.isolate import Emit
from lambdabuild.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Existing:
    """What is declared already.

    targets:  package -> the names of its targets.
    packages: directory of a pyproject.toml -> label of the target that builds it.
    sources:  file that a target names -> package in which it counts.
    broken:   what was wrong with BUILD files that say nothing for that.
    """

    targets: Mapping[str, frozenset[str]] = field(default_factory=dict)
    packages: Mapping[str, str] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)
    broken: tuple[UserError, ...] = ()


def existing(workspace: Workspace, view: View, packages: Iterable[str], say: Say) -> Existing:
    """Returns what the BUILD files of `packages` declare."""
    names = sorted(packages)
    if not names:
        return Existing()

    def work(beat: Beat, emit: Emit) -> Existing:
        rulebook = Rulebook(view, beat=beat, say=lambda text, at: emit((text, at)))
        return _read(make_loader(workspace, view, rulebook, pinned=False), names)

    return isolated(work, on_event=lambda event: say(*event))


def _read(loader: Loader, names: Iterable[str]) -> Existing:
    targets: dict[str, frozenset[str]] = {}
    packages: dict[str, str] = {}
    sources: dict[str, str] = {}
    broken: list[UserError] = []
    for name in names:
        try:
            package = loader.package(name)
        except UserError as error:
            broken.append(error)
            targets[name] = frozenset()
            continue
        targets[name] = frozenset(package.targets)
        for target in package.targets.values():
            for attribute, label in loader.graph.dependencies(target):
                sources[label.path] = label.package
                kind = loader.graph.rules[target.rule].attrs[attribute].type
                if kind == "pyproject":
                    packages[label.path.rpartition("/")[0]] = target.label.short
    return Existing(targets, packages, sources, tuple(broken))
