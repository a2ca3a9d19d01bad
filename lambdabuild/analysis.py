"""Phase 2: a TargetGraph -> ConfiguredTargets: providers and Actions.

Runs each rule's implementation once for each (target, platform) and collects
the actions that it declares. Runs no action and reads no source.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lambdabuild.action import Action, ActionId, ActionOutput, HostFile, Input, SourceFile
from lambdabuild.configured import ConfiguredLabel, ConfiguredTarget, ImageOutputs, LayerOutputs
from lambdabuild.errors import Location, UserError
from lambdabuild.image_tree import ImageTree, check_place
from lambdabuild.label import Label, name_problem, parse_label
from lambdabuild.rule import Attr, AttributeProblem, Rule, Value
from lambdabuild.rulebook import BUNDLED, Rulebook
from lambdabuild.starlark import EvaluationError, Module
from lambdabuild.target import Target, TargetGraph

LABEL_TYPES = ("label", "label_list", "sources")
_EXECUTABLE = {"auto": None, "0644": False, "0755": True}


class Analyzer:
    """Configures targets; one of them at most once for each platform.

    blame:         gives the place of a target's attribute.
    host_platform: that of this machine, for what is made from it.
    """

    def __init__(
        self,
        graph: TargetGraph,
        rulebook: Rulebook,
        blame: Callable[[Target, str], Location],
        host_platform: str,
    ) -> None:
        self.configured: dict[ConfiguredLabel, ConfiguredTarget] = {}
        self.trees: dict[ActionId, ImageTree] = {}
        self._graph = graph
        self._rulebook = rulebook
        self._blame = blame
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
            self._modules[id_] = self._analyze(target, id_, platform)
        except UserError as error:
            self._failures[id_] = error
            raise

    def _analyze(self, target: Target, id_: ConfiguredLabel, platform: str) -> Module:
        if id_ in self._failures:
            raise self._failures[id_]
        rule = self._graph.rules[target.rule]
        dependencies: dict[str, Module] = {}
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
        data = {
            "token": str(id_),
            "label": str(target.label),
            "package": target.label.package,
            "name": target.label.name,
            "platform": platform,
            "values": {n: _to_json(rule.attrs[n], target.values[n]) for n in rule.attrs},
            "label_attrs": {n: a.type for n, a in rule.attrs.items() if a.type in LABEL_TYPES},
            "sources": sources,
        }
        scope = _TargetScope(self, target, platform, self._host_platform)
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
        self.configured[id_] = scope.result
        return module

    def _check_platform(self, target: Target, name: str, dependency: Target, platform: str) -> None:
        named = dependency.values.get("platforms", ())
        if named and platform not in named and not ("host" in named and platform == self._host_platform):
            raise UserError(
                f"{target.label} is built for {platform}, but {dependency.label} is not: it names {', '.join(named)}",
                at=self._blame(target, name),
                hint=f"add {platform!r} to the platforms of {dependency.label} ({dependency.at})",
            )


def _to_json(attr: Attr, value: Value) -> object:
    """Returns a checked attribute value as the prelude takes it: labels as strings."""
    if attr.type == "label":
        return str(value) if isinstance(value, Label) else value
    if attr.type == "label_list":
        return [str(label) for label in value]
    if attr.type == "sources":
        return [[str(label), list(places)] for label, places in value]
    return value


def _in_target(error: UserError, target: Target, rule: Rule) -> UserError:
    """Returns `error` told from the view of the BUILD file: the rule's own lines are details."""
    if isinstance(error, EvaluationError):
        error.message = error.message.replace(
            "key '<prelude>.new' was not found",
            "a dependency does not give a provider that the rule asks for",
        )
        where = f"in the implementation of {rule.name} at {error.at}" if error.at else ""
        error.details = tuple(filter(None, (where, *error.details)))
        error.at = None
    if error.at and error.at.path.startswith(BUNDLED):
        # Told by a bundled rule: the place that can be mended is the target's.
        error.at, error.details = None, ()
    error.message = f"{target.kind} {target.label}: {error.message}"
    return error.located(target.at)  # type: ignore[return-value]


class _TargetScope:
    """What the host functions mean while one target's implementation runs."""

    def __init__(self, analyzer: Analyzer, target: Target, platform: str, host_platform: str) -> None:
        self.result: ConfiguredTarget | None = None
        self._analyzer = analyzer
        self._target = target
        self._platform = platform
        self._host_platform = host_platform
        self._actions: list[Action] = []
        self._names: set[str] = set()
        self._next_tree: ImageTree | None = None
        self.functions: Mapping[str, Callable[..., Any]] = {
            "action": self._action,
            "image_tree": self._image_tree,
            "host_python": self._host_python,
            "check_name": self._check_name,
            "first_of": self._first_of,
            "missing_provider": self._missing_provider,
            "problem": self._problem,
            "done": self._done,
        }

    def _action(
        self,
        token: str,
        tool: str,
        params: Mapping[str, Any],
        inputs: Mapping[str, Any],
        outputs: Sequence[str],
    ) -> int:
        resolved = self._inputs(inputs)
        if tool == "layer":
            for place in resolved:
                check_place(place)
            ImageTree().add(resolved)
        id_ = self._declare(token, tool, params, resolved, outputs)
        if tool == "image" and self._next_tree is not None:
            self._analyzer.trees[id_], self._next_tree = self._next_tree, None
        return id_.number

    def _declare(
        self,
        token: str,
        tool: str,
        params: Mapping[str, Any],
        inputs: Mapping[str, Input],
        outputs: Sequence[str],
        *,
        shareable: bool = True,
    ) -> ActionId:
        if token != f"{self._target.label} ({self._platform})":
            raise UserError("ctx.actions was used after the implementation that it was given to had returned")
        id_ = ActionId(self._target.label, self._platform, len(self._actions))
        # What is made from something that must not leave this machine must not leave it either.
        taken = (i.action for i in inputs.values() if isinstance(i, ActionOutput))
        shareable = shareable and all(self._find(action).shareable for action in taken)
        self._actions.append(Action(id_, tool, params, inputs, tuple(outputs), self._platform, shareable))
        return id_

    def _inputs(self, inputs: Mapping[str, Any]) -> dict[str, Input]:
        return {path: self._input(*reference) for path, reference in inputs.items()}

    def _input(self, kind: str, *rest: Any) -> Input:
        *reference, mode = rest
        executable = _EXECUTABLE[mode]
        if kind == "source":
            return SourceFile(reference[0], executable)
        return self._output(reference, executable)

    def _output(self, reference: Sequence[Any], executable: bool | None = None) -> ActionOutput:
        token, number, name = reference
        label, _, platform = token.partition(" (")
        id_ = ActionId(parse_label(label), platform.rstrip(")"), number)
        return ActionOutput(id_, name, executable)

    def _image_tree(self, token: str, base: Sequence[Any] | None, layers: Sequence[Sequence[Any]]) -> None:
        below = self._analyzer.trees.get(self._output(base[1:]).action) if base else None
        tree = ImageTree(below)
        for reference in layers:
            action = self._find(self._output(reference[1:]).action)
            if action.tool == "layer":
                tree.add(action.inputs)
        self._next_tree = tree

    def _find(self, id_: ActionId) -> Action:
        if (id_.label, id_.platform) == (self._target.label, self._platform):
            return self._actions[id_.number]
        return self._analyzer.configured[ConfiguredLabel(id_.label, id_.platform)].actions[id_.number]

    def _host_python(self, token: str) -> tuple[int, Mapping[str, Any]]:
        # Imported here: looking at the interpreter is for those who ask for it.
        from lambdabuild.python.host import discover

        if self._platform != self._host_platform:
            raise UserError(
                f"a base made from this machine's Python is for {self._host_platform}, not for {self._platform}",
                hint=f'build with --platform {self._host_platform}, or write platforms = ["host"] in WORKSPACE.toml',
            )
        host = discover()
        params = {
            "texts": {
                path: {"content": t.content, "executable": t.executable} for path, t in host.texts.items()
            },
            "links": dict(host.links),
            "directories": {path: f"{mode:04o}" for path, mode in host.dirs.items()},
        }
        inputs = {path: HostFile(str(file.path), file.executable) for path, file in host.files.items()}
        id_ = self._declare(
            token, "host_python", params, inputs, ("layer.json", "layer.tar.gz"), shareable=False
        )
        config = {
            "version": host.version,
            "libc": host.libc,
            "env": dict(host.env),
            "entrypoint": list(host.entrypoint),
            "working_dir": host.working_dir,
        }
        return id_.number, config

    def _check_name(self, token: str, name: str) -> None:
        problem = name_problem(name)
        if problem or name in self._names:
            raise UserError(f"a file cannot be called {name!r}: {problem or 'there is one already'}")
        self._names.add(name)

    def _first_of(self, token: str, manifest: Sequence[Any], places: Sequence[str]) -> str | None:
        tree = self._analyzer.trees.get(self._output(manifest[1:]).action)
        return tree.first_of(places) if tree else None

    def _missing_provider(self, token: str, attribute: str, label: str) -> None:
        dependency = self._analyzer._graph.target(parse_label(label))
        kind = f"{dependency.kind} target" if dependency else "source file"
        doc = self._analyzer._graph.rules[self._target.rule].attrs[attribute].doc
        raise AttributeProblem(
            f"attribute '{attribute}' cannot take {label}, a {kind}",
            attribute,
            hint=f"{attribute}: {doc}" if doc else None,
        )

    def _problem(self, token: str, attribute: str, message: str, hint: str | None) -> None:
        raise AttributeProblem(
            f"{self._target.label}: attribute '{attribute}' {message}", attribute, hint=hint
        )

    def _done(self, token: str, outputs: Mapping[str, Any], image: Sequence[Any] | None) -> None:
        parts = None
        if image is not None:
            manifest, config, layers = image
            pairs = (LayerOutputs(self._output(b[1:]), self._output(d[1:])) for b, d in layers)
            parts = ImageOutputs(self._output(manifest[1:]), self._output(config[1:]), tuple(pairs))
        self.result = ConfiguredTarget(
            self._target.label,
            self._platform,
            self._target.kind,
            self._target.at,
            self._inputs(outputs),
            tuple(self._actions),
            parts,
        )
