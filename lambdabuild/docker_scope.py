"""What ctx.actions means for Dockerfiles: the context, what it stands on, and the action that builds it."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from lambdabuild.action import ActionId, ActionOutput, Input, SourceFile
from lambdabuild.configured import ConfiguredLabel, ConfiguredTarget, ImageOutputs, LayerOutputs
from lambdabuild.digest import Canonical
from lambdabuild.dockerfile import BASE, BASE_ARG, BuildPlan, ImageUse, MissingSource, check_context
from lambdabuild.dockerfile_targets import Dockerfiles, dockerfile_of
from lambdabuild.errors import Location, UserError, did_you_mean
from lambdabuild.label import Label
from lambdabuild.rule import AttributeProblem
from lambdabuild.target import Target, TargetGraph
from lambdabuild.third_party import Declare
from lambdabuild.tools.dockerfile import CONTEXT, DOCKERFILE, DockerfileTool
from lambdabuild.tools.pull import PullTool

_SECRET_NAME = re.compile(r"TOKEN|PASSW|SECRET|API_?KEY|PRIVATE_?KEY|CREDENTIAL", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class DockerfileBuild:
    """The action that builds a Dockerfile, and what is known of its image.

    base:        the image that BASE_IMAGE_URI names, if it is what the image stands on.
    root:        BASE ("base"), "scratch", or the reference of the image that it stands on.
    root_layers: the layers of that.
    system:      versions of Python and C library that an external root is known to have.
    """

    id: ActionId
    base: ImageOutputs | None
    root: str
    root_layers: tuple[LayerOutputs, ...]
    max_layers: int
    system: tuple[str | None, str | None]
    notes: tuple[str, ...]
    warnings: tuple[str, ...]


class DockerScope:
    """Host functions about Dockerfiles for one target and platform.

    declare: declares actions of the target.
    """

    def __init__(
        self,
        target: Target,
        platform: str,
        graph: TargetGraph,
        configured: Mapping[ConfiguredLabel, ConfiguredTarget],
        dockerfiles: Dockerfiles,
        declare: Declare,
    ) -> None:
        self._target = target
        self._platform = platform
        self._graph = graph
        self._configured = configured
        self._dockerfiles = dockerfiles
        self._declare = declare

    def build(self, sources: Mapping[str, Input]) -> DockerfileBuild:
        """Declares the build of the target's Dockerfile; its context is `sources` and those of its packages.

        Raises UserError for a COPY of what is not among them, at its line, and for secrets that are
        not declared.
        """
        plan = self._dockerfiles.plan(self._target, self._platform)
        self._check_secrets(plan)
        packages = self._packages()
        context = _merged(sources, packages)
        try:
            unused = check_context(plan, context.keys(), self._dockerfiles.exists)
        except MissingSource as error:
            raise self._dockerfiles.missing(self._target, error) from None
        images = self._images(plan)
        places = {reference: f"images/{number:03}" for number, reference in enumerate(images)}
        params = self._params(plan, places)
        inputs = self._inputs(context, {places[reference]: label for reference, label in images.items()})
        base = self._base_label()
        root = base if plan.root == BASE else images.get(plan.root)
        image = self._image(root) if root else None
        return DockerfileBuild(
            self._declare(DockerfileTool.name, params, inputs, _outputs(plan.max_layers)),
            image if plan.root == BASE else None,
            plan.root,
            image.layers if image else (),
            plan.max_layers,
            self._system(images.get(plan.root)),
            tuple(self._notes()),
            tuple(self._warnings(plan, sources, packages, frozenset(unused))),
        )

    def _params(self, plan: BuildPlan, places: Mapping[str, str]) -> dict[str, Canonical]:
        values = self._target.values
        return {
            "build_args": dict(values.get("build_args", {})),
            "target": values.get("target", ""),
            "secrets": sorted(values.get("secrets", ())),
            "images": dict(places),
            "root": places.get(plan.root, plan.root),
            "max_layers": plan.max_layers,
        }

    def _inputs(self, context: Mapping[str, Input], images: Mapping[str, Label]) -> dict[str, Input]:
        inputs: dict[str, Input] = {DOCKERFILE: SourceFile(dockerfile_of(self._target).path, False)}
        inputs |= {f"{CONTEXT}{path}": file for path, file in context.items()}
        base = self._base_label()
        for place, label in {**({BASE: base} if base else {}), **images}.items():
            inputs |= self._image_inputs(place, self._image(label))
        return inputs

    def _image_inputs(self, place: str, image: ImageOutputs) -> Iterator[tuple[str, Input]]:
        """Yields the parts of an image; layers of external images are left in their registry."""
        yield f"{place}/manifest.json", image.manifest
        yield f"{place}/config.json", image.config
        made = [layer for layer in image.layers if not self._is_pulled(layer.blob)]
        for number, layer in enumerate(made):
            yield f"{place}/layers/{number:03}.json", layer.descriptor
            yield f"{place}/layers/{number:03}.tar.gz", layer.blob

    def _is_pulled(self, output: ActionOutput) -> bool:
        id_ = output.action
        maker = self._configured[ConfiguredLabel(id_.label, id_.platform)]
        return maker.action_of(output).tool == PullTool.name

    def _image(self, label: Label) -> ImageOutputs:
        image = self._configured[ConfiguredLabel(label, self._platform)].image
        assert image is not None  # the attribute takes images alone, and so does the package of external ones
        return image

    def _base_label(self) -> Label | None:
        base = self._target.values.get("base")
        return base if isinstance(base, Label) else None

    def _images(self, plan: BuildPlan) -> dict[str, Label]:
        """Returns reference -> external image of what needed stages name beside the base."""
        found = {}
        for use in plan.images:
            label = self._dockerfiles.image(use.reference)
            if label is None or ConfiguredLabel(label, self._platform) not in self._configured:
                raise UserError(
                    f"{use.reference} is named for {self._platform} alone, which the target does not name",
                    at=Location(plan.path, use.line),
                    hint=f'add platforms = ["{self._platform}"] to the target',
                )
            self._check_triggers(plan, use, label)
            found[use.reference] = label
        return found

    def _check_triggers(self, plan: BuildPlan, use: ImageUse, label: Label) -> None:
        """Raises UserError for an image with ONBUILD: its steps would run here, and nobody has read them."""
        target = self._graph.target(label)
        config = json.loads(target.values["configs"].get(self._platform, "{}")) if target else {}
        if (config.get("config") or {}).get("OnBuild"):
            raise UserError(
                f"{use.reference} has ONBUILD steps, which would run as if they stood in this file",
                at=Location(plan.path, use.line),
                hint="take an image without them, and write the steps into the file",
            )

    def _system(self, root: Label | None) -> tuple[str | None, str | None]:
        target = self._graph.target(root) if root else None
        if target is None:
            return None, None
        values = target.values
        return values["python"].get(self._platform), values["libc"].get(self._platform)

    def _packages(self) -> dict[Label, dict[str, Input]]:
        """Returns, for each package that the target names or these need, its sources by workspace path."""
        labels = [label for name, label in self._graph.dependencies(self._target) if name == "packages"]
        found: dict[Label, dict[str, Input]] = {}
        while labels:
            label = labels.pop()
            if label not in found:
                found[label] = dict(self._sources_of(label))
                target = self._graph.target(label)
                below = self._graph.dependencies(target) if target else ()
                labels += [each for _, each in below if self._is_package(each)]
        return {label: found[label] for label in sorted(found)}

    def _is_package(self, label: Label) -> bool:
        configured = self._configured.get(ConfiguredLabel(label, self._platform))
        return configured is not None and configured.wheel is not None

    def _sources_of(self, label: Label) -> Iterator[tuple[str, Input]]:
        configured = self._configured[ConfiguredLabel(label, self._platform)]
        target = self._graph.target(label)
        if configured.wheel is None or target is None:
            raise AttributeProblem(
                f"{self._target.label}: attribute 'packages' names {label}, and requirements are not "
                "installed into an image from a Dockerfile",
                "packages",
                hint="install them in the Dockerfile, or drop dockerfile",
            )
        directory = posixpath.dirname(target.values["pyproject"].path)
        for path, file in configured.action_of(configured.wheel).inputs.items():
            yield posixpath.join(directory, path.removeprefix("project/")), file

    def _check_secrets(self, plan: BuildPlan) -> None:
        given = self._target.values.get("secrets", ())
        for id_ in given:
            if id_ not in self._dockerfiles.secrets:
                raise AttributeProblem(
                    f"{self._target.label}: attribute 'secrets' names {id_!r}, "
                    "which WORKSPACE.toml does not declare",
                    "secrets",
                    hint=did_you_mean(id_, self._dockerfiles.secrets)
                    or f'add [secrets.{id_}] with env = "VARIABLE" or file = "~/path" to WORKSPACE.toml',
                )
        for id_, line in plan.secret_lines.items():
            if id_ not in given:
                raise UserError(
                    f"RUN mounts the secret {id_[:64]!r}, which the target does not name",
                    at=Location(plan.path, line),
                    hint=f'add secrets = ["{id_[:64]}"] to {self._target.label}',
                )

    def _notes(self) -> Iterator[str]:
        for name, value in self._target.values.get("build_args", {}).items():
            if value and _SECRET_NAME.search(name):
                yield f"the value of the build argument {name} is in the image's history; use secrets"

    def _warnings(
        self,
        plan: BuildPlan,
        sources: Mapping[str, Input],
        packages: Mapping[Label, Mapping[str, Input]],
        unused: frozenset[str],
    ) -> Iterator[str]:
        for path in sorted(unused & sources.keys()):
            yield f"{path} is declared, and no COPY or ADD of {plan.path} takes it"
        for label, files in packages.items():
            if files and files.keys() <= unused:
                yield f"no COPY or ADD of {plan.path} takes any source of {label.short}, which is declared"
        for id_ in self._target.values.get("secrets", ()):
            if id_ not in plan.secrets:
                yield f"the secret {id_!r} is named, and no RUN of {plan.path} mounts it"
        if self._base_label() and not plan.uses_base:
            yield f"base is given, and no stage of {plan.path} that is needed says FROM ${{{BASE_ARG}}}"
        for path in self._dockerfiles.ignored(self._target):
            yield f"{path} is not looked at: the context is what is declared"


def _merged(sources: Mapping[str, Input], packages: Mapping[Label, Mapping[str, Input]]) -> dict[str, Input]:
    context = dict(sources)
    for label, files in packages.items():
        for path, file in files.items():
            if context.setdefault(path, file) != file:
                raise UserError(f"srcs and {label} put different files at {path}", hint="drop one of them")
    return context


def _outputs(max_layers: int) -> tuple[str, ...]:
    layers = (f"layers/{number:03}.{end}" for number in range(max_layers) for end in ("json", "tar.gz"))
    return ("config.json", "manifest.json", *layers)
