"""What the BUILD files that are there declare: they are never written, and what they say is respected."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from lambdabuild.errors import UserError
from lambdabuild.evaluation import Say, make_loader
from lambdabuild.loading import Loader
from lambdabuild.rulebook import Rulebook
from lambdabuild.sources import View
from lambdabuild.starlark import Beat, isolated
from lambdabuild.starlark.isolate import Emit
from lambdabuild.target import Target
from lambdabuild.workspace import Workspace


class Base(NamedTuple):
    """What a base_image is made of: the label of its base, its platforms, its packages with extras."""

    below: str
    platforms: tuple[str, ...]
    packages: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Existing:
    """What is declared already.

    targets:  package -> the names of its targets.
    packages: directory of a pyproject.toml -> label of the target that builds it.
    sources:  file that a target names -> package in which it counts.
    bases:    what a base_image that holds packages and nothing else is made of -> its label.
    broken:   what was wrong with BUILD files that say nothing for that.
    """

    targets: Mapping[str, frozenset[str]] = field(default_factory=dict)
    packages: Mapping[str, str] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)
    bases: Mapping[Base, str] = field(default_factory=dict)
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
    bases: dict[Base, str] = {}
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
            if base := _base(target):
                bases[base] = target.label.short
            for attribute, label in loader.graph.dependencies(target):
                sources[label.path] = label.package
                kind = loader.graph.rules[target.rule].attrs[attribute].type
                if kind == "pyproject":
                    packages[label.path.rpartition("/")[0]] = target.label.short
    return Existing(targets, packages, sources, bases, tuple(broken))


_SAID = {"name", "visibility", "base", "packages", "platforms", "repository", "tags"}


def _base(target: Target) -> Base | None:
    """Returns what a target is made of if it is a base_image of packages alone."""
    values = target.values
    if target.kind != "base_image" or not values["packages"]:
        return None
    if any(value for name, value in values.items() if name not in _SAID):
        return None
    packages = (label.short + extras_text(extras) for label, extras in values["packages"])
    return Base(str(values["base"]), tuple(values["platforms"]), tuple(sorted(packages)))


def extras_text(extras: Iterable[str]) -> str:
    """Returns extras as they stand after a package's label: "[full]", or nothing."""
    names = sorted(extras)
    return f"[{','.join(names)}]" if names else ""
