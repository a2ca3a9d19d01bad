"""The Dockerfiles that targets name: read through the view, planned, and the images that they stand on.

An image in a Dockerfile means the external image of WORKSPACE.toml whose `ref`
is the same one, so that a digest is pinned for it. Nothing is built here.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from lambdabuild.dockerfile import ArgumentProblem, BuildPlan, ImageUse, MissingSource, parse, plan
from lambdabuild.dockerfile.go_match import matches
from lambdabuild.errors import Location, UserError
from lambdabuild.label import Label
from lambdabuild.oci.registry.reference import Reference, parse_reference
from lambdabuild.sources import Kind, View
from lambdabuild.target import Package, Target

IGNORE_FILE = ".dockerignore"


@dataclass(frozen=True, slots=True)
class DockerfileSettings:
    """What a workspace has for Dockerfiles.

    platforms: those of targets that name none.
    secrets:   ids of the secrets that there are.
    strict:    whether an image that WORKSPACE.toml does not declare is an error.
    """

    platforms: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    strict: bool = True


class Dockerfiles:
    """What the Dockerfiles of targets say, each read when it is asked for.

    external: gives the package of external images.
    owner:    gives the name of the package in which a directory lies.
    blame:    gives the place of a target's attribute.
    """

    def __init__(
        self,
        tree: View,
        settings: DockerfileSettings,
        external: Callable[[], Package],
        owner: Callable[[str], str | None],
        blame: Callable[[Target, str], Location],
    ) -> None:
        self.secrets = settings.secrets
        self._tree = tree
        self._settings = settings
        self._external = external
        self._owner = owner
        self._blame = blame
        self._plans: dict[tuple[Label, str], BuildPlan] = {}

    def plan(self, target: Target, platform: str) -> BuildPlan:
        """Returns what the target's Dockerfile takes; raises UserError at its line, or at the attribute's."""
        key = (target.label, platform)
        if key not in self._plans:
            try:
                self._plans[key] = self._planned(target, platform)
            except ArgumentProblem as error:
                raise error.located(self._blame(target, error.attribute)) from None
        return self._plans[key]

    def implied(self, target: Target, attribute: str) -> list[tuple[str, Label]]:
        """Returns (attribute, label) of the external images that the target's Dockerfile names."""
        found: dict[Label, None] = {}
        for platform in self._platforms(target):
            for use in self.plan(target, platform).images:
                label = self.image(use.reference)
                if label is not None:
                    found[label] = None
                elif self._settings.strict:
                    raise self._undeclared(target, platform, use)
        return [(attribute, label) for label in found]

    def image(self, reference: str) -> Label | None:
        """Returns the external image that a Dockerfile calls `reference`; None for none."""
        wanted = _normal(reference)
        return self._images.get(wanted) if wanted else None

    @cached_property
    def _images(self) -> Mapping[Reference | None, Label]:
        """What the reference of an external image means -> the first that has it."""
        found: dict[Reference | None, Label] = {}
        package = self._external()
        for name, target in package.targets.items():
            found.setdefault(_normal(target.values["ref"]), Label(package.name, name))
        return found

    def ignored(self, target: Target) -> list[str]:
        """Returns the .dockerignore files that docker would have looked at for the target's Dockerfile."""
        path = dockerfile_of(target).path
        directory = posixpath.dirname(path)
        names = dict.fromkeys((posixpath.join(directory, IGNORE_FILE), path + IGNORE_FILE, IGNORE_FILE))
        return [name for name in names if self._tree.kind(name) is Kind.FILE]

    def exists(self, pattern: str) -> bool:
        """Tells whether the workspace has a file or directory that a pattern of COPY matches."""
        found = [""]
        for part in pattern.split("/"):
            directories = [each for each in found if self._tree.kind(each) is Kind.DIRECTORY]
            found = [
                f"{directory}/{name}" if directory else name
                for directory in directories
                for name in self._tree.listing(directory)
                if matches(part, name)
            ]
        return bool(found)

    def missing(self, target: Target, error: MissingSource) -> MissingSource:
        """Returns `error` with the line that is to be added to srcs, as far as it can be told."""
        hint = self._line_to_add(target, error.source)
        error.hint = f"add it to {target.label.short}: {hint}" if hint.startswith("srcs") else hint
        return error

    def _planned(self, target: Target, platform: str) -> BuildPlan:
        path = dockerfile_of(target).path
        kind = self._tree.kind(path)
        if kind is not Kind.FILE:
            raise UserError(f"{path} is no file of the workspace", hint='write dockerfile = "Dockerfile"')
        try:
            text = self._tree.read(path).decode()
        except UnicodeDecodeError:
            raise UserError("the file is not UTF-8", at=Location(path), hint="save it as UTF-8") from None
        return plan(
            parse(path, text),
            build_args=target.values.get("build_args", {}),
            target=target.values.get("target", ""),
            base=bool(target.values.get("base")),
            platform=platform,
        )

    def _platforms(self, target: Target) -> Iterable[str]:
        named = [each for each in target.values.get("platforms", ()) if each != "host"]
        return dict.fromkeys((*named, *(() if named else self._settings.platforms))) or ("linux/amd64",)

    def _undeclared(self, target: Target, platform: str, use: ImageUse) -> UserError:
        """Returns what is wrong with an image that nothing pins, with the command that pins all such."""
        unpinned = [each for each in self.plan(target, platform).images if self.image(each.reference) is None]
        taken = set(self._external().targets)
        options = []
        for each in unpinned:
            name = _name_for(each.reference, taken)
            taken.add(name)
            options.append(f"--image {name}={each.reference}")
        at = Location(dockerfile_of(target).path, use.line)
        if _normal(use.reference) is None:
            return UserError(f"{use.reference[:120]!r} is no stage of the file, and no image's name", at=at)
        return UserError(
            f"{use.reference} is not pinned: WORKSPACE.toml declares no such image",
            at=at,
            hint=" ".join(("lambdabuild lock", *options)),
        )

    def _line_to_add(self, target: Target, source: str) -> str:
        package = target.label.package
        fixed, *pattern = re.split(r"[*?\[]", source, maxsplit=1)
        if pattern:
            return self._pattern_to_add(package, source, fixed.rpartition("/")[0])
        kind = self._tree.kind(source)
        if kind is Kind.DIRECTORY:
            return self._pattern_to_add(package, f"{source}/**" if source else "**", source)
        if kind is None:
            return self._nowhere(package, source)
        owner = self._owner(posixpath.dirname(source))
        if owner is None:
            return f"add a BUILD file above {source}, and its label to srcs"
        label = Label(owner, source.removeprefix(f"{owner}/") if owner else source)
        return f'srcs = [..., "{label.name if owner == package else label}"]'

    def _pattern_to_add(self, package: str, pattern: str, directory: str) -> str:
        """Returns the line for all that `pattern` matches, whose fixed part is `directory`."""
        owner = self._owner(directory)
        if owner == package:
            return f'srcs = glob(["{pattern.removeprefix(package + "/") if package else pattern}"])'
        where = f"//{owner}" if owner is not None else "a package there"
        inside = pattern.removeprefix(f"{owner}/") if owner else pattern
        return f'add files(name = "…", srcs = glob(["{inside}"])) to {where}, and its label to srcs'

    def _nowhere(self, package: str, source: str) -> str:
        inside = f"{package}/{source}" if package else source
        if package and self._tree.kind(inside) is not None:
            return (
                f"paths in a Dockerfile begin at the workspace's root: write {inside}, and declare it in srcs"
            )
        return "there is no such file in the workspace: correct the path, which begins at its root"


def dockerfile_of(target: Target) -> Label:
    """Returns the Dockerfile that a target names."""
    label: Label = target.values["dockerfile"]
    return label


def _normal(reference: str) -> Reference | None:
    """Returns what a reference means, with what docker fills in; None for what is none."""
    try:
        found = parse_reference(reference)
    except UserError:
        return None
    if found.digest:
        return Reference(found.host, found.repository, None, found.digest)
    return Reference(found.host, found.repository, found.version)


def _name_for(reference: str, taken: Iterable[str]) -> str:
    """Returns a name for an image that is not `taken`: python, or python-3.12."""
    found = _normal(reference)
    last = found.repository.rpartition("/")[2] if found else "image"
    version = found.version.removeprefix("sha256:")[:12] if found else ""
    for name in (last, f"{last}-{version}"):
        if name not in taken:
            return name[:64]
    return f"{last}-{version}-2"[:64]
