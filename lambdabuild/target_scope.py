"""What ctx means while one target's implementation runs: the actions it declares, and its outcome."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias, cast

from lambdabuild.action import ANY_PLATFORM, Action, ActionId, ActionOutput, HostFile, Input, SourceFile
from lambdabuild.configured import ConfiguredLabel, ConfiguredTarget, FunctionSpec, ImageOutputs, LayerOutputs
from lambdabuild.digest import Canonical
from lambdabuild.docker_scope import DockerScope
from lambdabuild.dockerfile_targets import Dockerfiles
from lambdabuild.errors import UserError
from lambdabuild.first_party import FirstParty
from lambdabuild.image_tree import ImageTree, check_place
from lambdabuild.label import is_relative_path, name_problem, parse_label
from lambdabuild.python_scope import PythonScope
from lambdabuild.rule import AttributeProblem
from lambdabuild.target import Target, TargetGraph
from lambdabuild.third_party import PLACE, ThirdParty
from lambdabuild.tools import PER_PLATFORM

OutputName: TypeAlias = tuple[str, int, str, bool | None]
"""How rules name an output: target and platform, number of the action, name, and its mode."""

_EXECUTABLE = {"auto": None, "0644": False, "0755": True}


class TargetScope:
    """Host functions for one target and platform.

    configured: the targets that were analysed before, its dependencies among them.
    first_party, third_party: where Python packages come from.
    notes:      what a user should know of the target although nothing is wrong.
    warnings:   what is likely to be a mistake although it builds.
    trees:      the declared files of each image, by the action that makes it.
    outputs:    those of other targets that were named before.
    functions:  what the prelude may call.
    result:     the configured target, once the implementation has returned.
    """

    def __init__(
        self,
        target: Target,
        platform: str,
        graph: TargetGraph,
        configured: Mapping[ConfiguredLabel, ConfiguredTarget],
        trees: dict[ActionId, ImageTree],
        outputs: dict[OutputName, ActionOutput],
        first_party: FirstParty,
        third_party: ThirdParty,
        dockerfiles: Dockerfiles,
        host_platform: str,
    ) -> None:
        self.notes: list[str] = []
        self.warnings: list[str] = []
        self.result: ConfiguredTarget | None = None
        self._target = target
        self._graph = graph
        self._configured = configured
        self._trees = trees
        self._outputs = outputs
        self._platform = platform
        self._host_platform = host_platform
        self._actions: list[Action] = []
        self._names: set[str] = set()
        self._next_tree: ImageTree | None = None
        self._python = PythonScope(
            target, platform, configured, first_party, third_party, self._declared, self.notes.append
        )
        self._docker = DockerScope(target, platform, graph, configured, dockerfiles, self._declared)
        self.functions: Mapping[str, Callable[..., Any]] = {
            "action": self._action,
            "image_tree": self._image_tree,
            "host_python": self._host_python,
            "wheel": self._wheel,
            "packages": self._packages,
            "dockerfile": self._dockerfile,
            "choose_base": lambda token, *rest: self._python.choose_base(*rest),
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
            self._trees[id_], self._next_tree = self._next_tree, None
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
        self._check_token(token)
        return self._declared(tool, params, inputs, outputs, shareable=shareable)

    def _check_token(self, token: str) -> None:
        if token != f"{self._target.label} ({self._platform})":
            raise UserError("ctx.actions was used after the implementation that it was given to had returned")

    def _declared(
        self,
        tool: str,
        params: Mapping[str, Canonical],
        inputs: Mapping[str, Input],
        outputs: Sequence[str],
        *,
        shareable: bool = True,
    ) -> ActionId:
        id_ = ActionId(self._target.label, self._platform, len(self._actions))
        # What is made from something that must not leave this machine must not leave it either.
        taken = (i.action for i in inputs.values() if isinstance(i, ActionOutput))
        shareable = shareable and all(self._action_of(action).shareable for action in taken)
        platform = self._platform if tool in PER_PLATFORM else ANY_PLATFORM
        self._actions.append(Action(id_, tool, params, inputs, tuple(outputs), platform, shareable))
        return id_

    def _inputs(self, inputs: Mapping[str, Any]) -> dict[str, Input]:
        return {path: self._input(*reference) for path, reference in inputs.items()}

    def _input(self, kind: str, *rest: Any) -> Input:
        *reference, mode = rest
        executable = _EXECUTABLE[mode]
        if kind == "source":
            if not is_relative_path(reference[0]):
                raise UserError(f"{reference[0]!r} is no file of the workspace")
            return SourceFile(reference[0], executable)
        return self._output(reference, executable)

    def _output(self, reference: Sequence[Any], executable: bool | None = None) -> ActionOutput:
        token, number, name = reference
        output = self._outputs.get((token, number, name, executable))
        if output is None:
            label, _, platform = token.rpartition(" (")
            id_ = ActionId(parse_label(label), platform.removesuffix(")"), number)
            action = self._find(id_)
            if action is None or (name not in action.outputs):
                raise UserError(
                    f"{name!r} is no output of {token}", hint="take Files from ctx and its actions"
                )
            output = ActionOutput(id_, name, executable)
            if (id_.label, id_.platform) != (self._target.label, self._platform):
                self._outputs[token, number, name, executable] = output
        return output

    def _image_tree(
        self,
        token: str,
        base: Sequence[Any] | None,
        layers: Sequence[Sequence[Any]],
        modules: Mapping[str, Sequence[str]],
        packages: bool,
    ) -> tuple[list[str], list[str]]:
        """Notes the declared files of the image that comes next.

        Returns those where packages go, if it has any, and which `modules` (name -> places) none of them is.
        """
        below = self._trees.get(self._output(base[1:]).action) if base else None
        tree = ImageTree(below)
        for reference in layers:
            action = self._action_of(self._output(reference[1:]).action)
            if action.tool == "wheels":
                continue  # what is in wheels, the image tool finds out
            tree.add(action.inputs)
            # A host_python action puts texts and links beside its inputs.
            params = cast("Mapping[str, Any]", action.params)
            others = [*params.get("texts", ()), *params.get("links", ())]
            tree.add({path: HostFile(f"/{path} of the host's Python") for path in others})
            tree.reserve(params.get("directories", ()))
        self._next_tree = tree
        missing = [name for name, places in modules.items() if tree.first_of(places) is None]
        return sorted(tree.below(PLACE)) if packages else [], missing

    def _find(self, id_: ActionId) -> Action | None:
        if (id_.label, id_.platform) == (self._target.label, self._platform):
            actions: Sequence[Action] = self._actions
        else:
            target = self._configured.get(ConfiguredLabel(id_.label, id_.platform))
            actions = target.actions if target else ()
        return actions[id_.number] if 0 <= id_.number < len(actions) else None

    def _action_of(self, id_: ActionId) -> Action:
        action = self._find(id_)
        assert action is not None  # _output has checked
        return action

    def _host_python(self, token: str) -> tuple[int, Mapping[str, Any]]:
        # Imported here: looking at the interpreter is for those who ask for it.
        from lambdabuild.python.host import discover

        if self._platform != self._host_platform:
            raise UserError(
                f"this machine's Python makes bases for {self._host_platform}, not for {self._platform}",
                hint=f'say --platform {self._host_platform}, or platforms = ["host"] in WORKSPACE.toml',
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

    def _wheel(
        self, token: str, files: Mapping[str, Any], version: str | None, native: bool
    ) -> tuple[str, int]:
        self._check_token(token)
        if native and self._platform != self._host_platform:
            raise UserError(
                f"{self._target.label} is native: this machine builds it for {self._host_platform} alone, "
                f"not for {self._platform}",
                hint=f"say --platform {self._host_platform}, or build it on a machine of the other kind",
            )
        name, id_ = self._python.wheel(self._inputs(files), version, native)
        return name, id_.number

    def _packages(self, token: str, *rest: Any) -> tuple[list[int], dict[str, str], dict[str, str]]:
        self._check_token(token)
        return self._python.packages(*rest)

    def _dockerfile(
        self, token: str, context: Mapping[str, Any]
    ) -> tuple[int, str, int, list[Any], list[str | None]]:
        """Declares the build of the target's Dockerfile.

        Returns the action's number, the root, the count of layers that it may add, the root's layers
        as pairs of references, and what an external root says of Python and C library.
        """
        self._check_token(token)
        made = self._docker.build(self._inputs(context))
        self.notes += made.notes
        self.warnings += made.warnings
        below = self._trees.get(made.base.manifest.action) if made.base else None
        self._trees[made.id] = ImageTree(below)
        layers = [[_reference(layer.blob), _reference(layer.descriptor)] for layer in made.root_layers]
        return made.id.number, made.root, made.max_layers, layers, list(made.system)

    def _check_name(self, token: str, name: str) -> None:
        problem = name_problem(name)
        if problem or name in self._names:
            raise UserError(f"a file cannot be called {name!r}: {problem or 'there is one already'}")
        self._names.add(name)

    def _first_of(self, token: str, manifest: Sequence[Any], places: Sequence[str]) -> str | None:
        tree = self._trees.get(self._output(manifest[1:]).action)
        return tree.first_of(places) if tree else None

    def _missing_provider(self, token: str, attribute: str, label: str) -> None:
        dependency = self._graph.target(parse_label(label))
        kind = f"{dependency.kind} target" if dependency else "source file"
        doc = self._graph.rules[self._target.rule].attrs[attribute].doc
        raise AttributeProblem(
            f"attribute '{attribute}' cannot take {label}, a {kind}",
            attribute,
            hint=f"{attribute}: {doc}" if doc else None,
        )

    def _problem(self, token: str, attribute: str, message: str, hint: str | None) -> None:
        raise AttributeProblem(
            f"{self._target.label}: attribute '{attribute}' {message}", attribute, hint=hint
        )

    def _done(
        self,
        token: str,
        outputs: Mapping[str, Any],
        image: Sequence[Any] | None,
        wheel: Sequence[Any] | None,
    ) -> None:
        for path in outputs:
            if not is_relative_path(path):
                raise UserError(
                    f"{path!r} cannot be the path of an output",
                    hint="DefaultInfo(files = {...}) takes relative paths without empty, '.' or '..' parts",
                )
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
            self._output(wheel[1:]) if wheel else None,
            repository=_text(self._target.values.get("repository")),
            handlers=_handlers(self._target),
            warnings=tuple(self.warnings),
            functions=_functions(self._target),
            allow=_strings(self._target.values.get("allow")),
        )


def _reference(output: ActionOutput) -> list[Any]:
    """Returns an output as the prelude keeps it."""
    id_ = output.action
    return ["output", f"{id_.label} ({id_.platform})", id_.number, output.name]


def _handlers(target: Target) -> tuple[str, ...]:
    """Returns the handlers that a lambda_image names, each once."""
    if target.kind != "lambda_image":
        return ()
    functions = target.values.get("functions")
    named = [target.values.get("handler"), *(functions.values() if isinstance(functions, Mapping) else ())]
    return tuple(dict.fromkeys(text for each in named if (text := _text(each))))


def _functions(target: Target) -> tuple[FunctionSpec, ...]:
    """Returns the functions of Lambda that a lambda_image names."""
    functions = target.values.get("functions")
    if target.kind != "lambda_image" or not isinstance(functions, Mapping):
        return ()
    own = target.values.get("handler")
    return tuple(FunctionSpec(name, handler, handler == own) for name, handler in functions.items())


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _strings(value: object) -> tuple[str, ...]:
    return tuple(each for each in value if isinstance(each, str)) if isinstance(value, tuple) else ()
