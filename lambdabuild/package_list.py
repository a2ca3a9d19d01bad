"""The first-party packages of a workspace, and who needs whom, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lambdabuild.evaluation import Say, make_loader
from lambdabuild.first_party import FirstParty
from lambdabuild.label import parse_pattern
from lambdabuild.rulebook import Rulebook
from lambdabuild.sources import WorkingTree
from lambdabuild.starlark import Beat, isolated
from lambdabuild.starlark.isolate import Emit
from lambdabuild.workspace import Workspace


@dataclass(frozen=True, slots=True)
class PackageEntry:
    """A first-party package.

    path:         of its directory in the workspace.
    version:      None where only the backend knows it.
    dependencies: first-party packages that it requires itself, by name.
    transitive:   these, and what they require in turn.
    dependents:   first-party packages that require it themselves.
    requirements: third-party requirements of its own, in normal form.
    extras:       for each of its extras the requirements, first-party ones as well.
    """

    name: str
    label: str
    path: str
    version: str | None
    dependencies: tuple[str, ...]
    transitive: tuple[str, ...]
    dependents: tuple[str, ...]
    requirements: tuple[str, ...]
    extras: Mapping[str, tuple[str, ...]]

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "label": self.label,
            "path": self.path,
            "version": self.version,
            "dependencies": list(self.dependencies),
            "transitive_dependencies": list(self.transitive),
            "dependents": list(self.dependents),
            "requirements": list(self.requirements),
            "extras": {name: list(texts) for name, texts in self.extras.items()},
        }


def list_packages(workspace: Workspace, say: Say) -> tuple[PackageEntry, ...]:
    """Returns all first-party packages, each after what it requires; raises UserError."""

    def work(beat: Beat, emit: Emit) -> tuple[PackageEntry, ...]:
        tree = WorkingTree(workspace.root, workspace.ignore)
        rulebook = Rulebook(tree, beat=beat, say=lambda text, at: emit((text, at)))
        loader = make_loader(workspace, tree, rulebook)
        targets = [loader.target(label) for label in loader.match(parse_pattern("//..."))]
        packages = [target for target in targets if loader.first_party.is_package(target)]
        return _entries(loader.first_party, [loader.first_party.project(each).name for each in packages])

    return isolated(work, on_event=lambda event: say(*event))


def _entries(first_party: FirstParty, names: list[str]) -> tuple[PackageEntry, ...]:
    if not names:
        return ()
    from packaging.utils import canonicalize_name

    from lambdabuild.python.requirements import parse_requirement

    graph = first_party.graph
    dependents = graph.dependents(names)
    entries = []
    for name in graph.order(names):
        project = first_party.find(name)
        assert project is not None
        third_party = [
            text
            for text in project.requires
            if first_party.find(canonicalize_name(parse_requirement(text).name)) is None
        ]
        entries.append(
            PackageEntry(
                name,
                str(first_party.label(name)),
                project.path.rpartition("/")[0],
                project.version,
                graph.own_edges(name),
                graph.transitive(name),
                dependents[name],
                tuple(third_party),
                {extra: tuple(project.extras[extra]) for extra in sorted(project.extras)},
            )
        )
    return tuple(entries)
