"""Phase 2: a TargetGraph -> ConfiguredTargets: providers and Actions.

Runs each rule's implementation once for each (target, platform) and collects
the actions that it declares. Runs no action and reads no source.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from lambdabuild.action import ActionId, ActionOutput
from lambdabuild.configured import ConfiguredLabel, ConfiguredTarget
from lambdabuild.dockerfile_targets import Dockerfiles
from lambdabuild.errors import Location, UserError
from lambdabuild.first_party import FirstParty
from lambdabuild.image_tree import ImageTree
from lambdabuild.label import Label
from lambdabuild.rule import Attr, AttributeProblem, Rule, Value
from lambdabuild.rulebook import BUNDLED, Rulebook
from lambdabuild.starlark import Module
from lambdabuild.target import Target, TargetGraph
from lambdabuild.target_scope import OutputName, TargetScope
from lambdabuild.third_party import ThirdParty
from lambdabuild.tracing import span

LABEL_TYPES = ("label", "label_list", "sources", "packages", "pyproject", "dockerfile")


class Analyzer:
    """Configures targets; one of them at most once for each platform.

    blame:         gives the place of a target's attribute.
    first_party, third_party: where Python packages come from.
    dockerfiles:   what Dockerfiles say.
    host_platform: that of this machine, for what is made from it.
    bytecode:      [python] bytecode.
    notes:         what users should know of targets although nothing is wrong.
    """

    def __init__(
        self,
        graph: TargetGraph,
        rulebook: Rulebook,
        blame: Callable[[Target, str], Location],
        *,
        first_party: FirstParty,
        third_party: ThirdParty,
        dockerfiles: Dockerfiles,
        host_platform: str,
        bytecode: str = "",
    ) -> None:
        self.configured: dict[ConfiguredLabel, ConfiguredTarget] = {}
        self.notes: dict[ConfiguredLabel, tuple[str, ...]] = {}
        self._trees: dict[ActionId, ImageTree] = {}
        self._outputs: dict[OutputName, ActionOutput] = {}
        self._graph = graph
        self._rulebook = rulebook
        self._blame = blame
        self._first_party = first_party
        self._third_party = third_party
        self._dockerfiles = dockerfiles
        self._bytecode = bytecode
        self._host_platform = host_platform
        self._modules: dict[ConfiguredLabel, Module] = {}
        self._failures: dict[ConfiguredLabel, UserError] = {}

    def configure(self, target: Target, platform: str) -> None:
        """Analyses `target`, whose dependencies have been analysed for `platform` already.

        Raises UserError, the same one again for a target that failed or depends on one that did.
        """
        id_ = ConfiguredLabel(target.label, platform)
        if id_ in self._modules:
            return
        try:
            with span("analysis", target.label, rule=target.kind, platform=platform):
                self._modules[id_] = self._analyze(target, id_, platform)
        except UserError as error:
            self._failures[id_] = error
            raise

    def _analyze(self, target: Target, id_: ConfiguredLabel, platform: str) -> Module:
        if id_ in self._failures:
            raise self._failures[id_]
        rule = self._graph.rules[target.rule]
        dependencies: dict[str, Module] = {}
        needed: dict[Label, None] = {}
        sources: dict[str, tuple[str, str]] = {}
        for name, label in self._graph.dependencies(target):
            dependency = self._graph.target(label)
            if dependency is None:
                sources[str(label)] = (label.path, label.name)
                continue
            self._check_platform(target, name, dependency, platform)
            below = ConfiguredLabel(label, platform)
            if below in self._failures:
                raise self._failures[below]
            dependencies[str(label)] = self._modules[below]
            needed[label] = None
        data = {
            "token": str(id_),
            "label": str(target.label),
            "package": target.label.package,
            "name": target.label.name,
            "platform": platform,
            "values": {n: _to_json(rule.attrs[n], target.values[n]) for n in rule.attrs},
            "label_attrs": {n: a.type for n, a in rule.attrs.items() if a.type in LABEL_TYPES},
            "sources": sources,
            "implied": _implied(self._graph.implied.get(target.label, ())),
            "bytecode": self._bytecode,
        }
        scope = TargetScope(
            target,
            platform,
            self._graph,
            self.configured,
            self._trees,
            self._outputs,
            self._first_party,
            self._third_party,
            self._dockerfiles,
            self._host_platform,
        )
        try:
            with self._rulebook.scope(scope.functions):
                module = self._rulebook.analyze(target.rule, data, dependencies)
        except AttributeProblem as error:
            error.at = self._blame(target, error.attribute)
            error.details = ()
            raise
        except UserError as error:
            raise _in_target(error, target, rule) from None
        assert scope.result is not None
        self.configured[id_] = replace(scope.result, dependencies=tuple(needed))
        if scope.notes:
            self.notes[id_] = tuple(scope.notes)
        return module

    def _check_platform(self, target: Target, name: str, dependency: Target, platform: str) -> None:
        named = dependency.values.get("platforms", ())
        if named and platform not in named and not ("host" in named and platform == self._host_platform):
            raise UserError(
                f"{target.label} is built for {platform}, but {dependency.label} is not: "
                f"it names {', '.join(named)}",
                at=self._blame(target, name),
                hint=f"add {platform!r} to the platforms of {dependency.label} ({dependency.at})",
            )


def _to_json(attr: Attr, value: Value) -> object:
    """Returns a checked attribute value as the prelude takes it: labels as strings."""
    if attr.type in ("label", "pyproject", "dockerfile"):
        return str(value) if isinstance(value, Label) else value
    if attr.type == "label_list":
        return [str(label) for label in value]
    if attr.type in ("sources", "packages"):
        return [[str(label), list(words)] for label, words in value]
    return value


def _implied(pairs: Iterable[tuple[str, Label]]) -> dict[str, list[str]]:
    """Returns attribute -> the labels that it implies."""
    found: dict[str, list[str]] = {}
    for name, label in pairs:
        found.setdefault(name, []).append(str(label))
    return found


def _in_target(error: UserError, target: Target, rule: Rule) -> UserError:
    """Returns `error` told from the view of the BUILD file: the rule's own lines are details."""
    error.message = error.message.replace(
        "key '<prelude>.new' was not found", "a dependency does not give a provider that the rule asks for"
    )
    if error.at is None or error.at.path.startswith(BUNDLED):
        error.at, error.details = target.at, ()
    elif error.at.path.endswith(".bzl"):
        error.details = (f"in the implementation of {rule.name} at {error.at}", *error.details)
        error.at = target.at
    error.message = f"{target.kind} {target.label}: {error.message}"
    return error
