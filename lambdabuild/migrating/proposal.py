"""A tree -> the files that should be written in it, and what is to be said of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lambdabuild.errors import Location, UserError
from lambdabuild.evaluation import Say
from lambdabuild.migrating.existing import Existing, existing
from lambdabuild.migrating.images import (
    ImageDraft,
    Surroundings,
    image_draft,
    image_names,
    target_name,
)
from lambdabuild.migrating.overlay import Overlay
from lambdabuild.migrating.owners import Owners
from lambdabuild.migrating.packages import PackageDraft, package_draft
from lambdabuild.migrating.placing import Targets
from lambdabuild.migrating.proof import failures
from lambdabuild.migrating.reading import Reading, read_dockerfile
from lambdabuild.migrating.rendering import Draft, Files, build_text
from lambdabuild.migrating.sharing import BASES, Shared, shared_bases
from lambdabuild.migrating.survey import Survey, survey
from lambdabuild.migrating.workspace_file import with_images, workspace_text
from lambdabuild.sources import BUILD_FILES, View
from lambdabuild.workspace import FILE_NAME, Workspace, load_workspace

_EMPTY = "Files of this package are named in other BUILD files."


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What could not be declared: its Dockerfile or pyproject.toml, and the reasons.

    reason: of a Dockerfile that cannot be declared as it is, why its image cannot be assembled either.
    """

    path: str
    error: UserError
    reason: UserError | None = None


@dataclass(frozen=True, slots=True)
class Proposal:
    """What should be written.

    files:    path -> text, of files that are new or change.
    before:   path -> text, of those of them that are there.
    drafts:   the targets in them, by label.
    images:   what is to be said of those that are images.
    shared:   the bases among them, and whose they are.
    kept:     BUILD file that stays as it is -> targets that it lacks.
    left_out: what is not declared, and why.
    broken:   files that could not be read, and targets that would not build.
    declared: how many targets were there already.
    """

    files: Mapping[str, str]
    before: Mapping[str, str]
    drafts: tuple[Draft, ...]
    images: tuple[ImageDraft, ...]
    shared: tuple[Shared, ...]
    kept: Mapping[str, tuple[Draft, ...]]
    left_out: tuple[LeftOut, ...]
    broken: tuple[UserError, ...]
    declared: int


def propose(view: View, workspace: Workspace | None, say: Say, *, keep_dockerfiles: bool = False) -> Proposal:
    """Returns what should be written below `view`'s root; `say` gets what BUILD files print.

    workspace: with its settings; None where there is no WORKSPACE.toml.
    keep_dockerfiles: declare every image with its Dockerfile.
    """
    settings = workspace or _settings(view.root, workspace_text(view.root.name))
    found = survey(view)
    there = existing(settings, view, found.build_files, say)
    drafting = _Drafting(view, settings, found, there, keep_dockerfiles)
    drafting.run()
    return _proven(drafting, workspace, say)


@dataclass(slots=True)
class _Drafting:
    """Collects targets; what cannot be one is left out."""

    view: View
    settings: Workspace
    found: Survey
    there: Existing
    keep: bool
    packages: list[PackageDraft] = field(default_factory=list)
    images: list[ImageDraft] = field(default_factory=list)
    shared: tuple[Shared, ...] = ()
    kept: dict[str, list[Draft]] = field(default_factory=dict)
    left_out: list[LeftOut] = field(default_factory=list)
    broken: list[UserError] = field(default_factory=list)
    declared: int = 0
    references: dict[str, str] = field(default_factory=dict)
    readings: dict[str, Reading] = field(default_factory=dict)
    owners: Owners = field(default_factory=lambda: Owners(()))
    targets: Targets = field(init=False)

    def run(self) -> None:
        self.broken += [*self.found.broken, *self.there.broken]
        self._packages()
        homes = {path: self._home(path) for path in self.found.dockerfiles}
        self.owners = Owners(
            {*self.found.build_files, *homes.values(), *(each.draft.package for each in self.packages)}
        )
        marks = {
            f"{each}/BUILD".lstrip("/"): b""
            for each in self.owners.below("")
            if each not in self.found.build_files
        }
        fixed = {each: (self.found.build_files[each], names) for each, names in self.there.targets.items()}
        self.targets = Targets(Overlay(self.view, marks), fixed)
        for package in self.packages:
            self.targets.reserve(package.draft.package, package.draft.name)
        self._images(homes)

    def _packages(self) -> None:
        for path, file in self.found.pyprojects.items():
            directory = path.rpartition("/")[0]
            if directory in self.there.packages:
                self.declared += 1
                continue
            try:
                draft = package_draft(self.view, file, directory)
            except UserError as error:
                self.broken.append(error)
                continue
            if draft and directory in self.found.build_files:
                self.kept.setdefault(self.found.build_files[directory], []).append(draft.draft)
            elif draft:
                self.packages.append(draft)

    def _home(self, path: str) -> str:
        """Returns the package whose BUILD file declares a Dockerfile's image.

        Not its own directory, where a BUILD file would take modules from the package around it.
        """
        directory = path.rpartition("/")[0]
        for package in self.packages:
            if any(f"{directory}/".startswith(f"{root}/") for root in package.roots if root):
                return package.draft.package
        return directory

    def _images(self, homes: Mapping[str, str]) -> None:
        names = self._names(homes)
        first_party = {each.name: each.draft.package for each in self.packages}
        first_party |= self._declared_packages()
        platform = self.settings.platforms[0]
        readings = [
            read_dockerfile(self.view, self.found.dockerfiles[path], first_party, platform, keep=self.keep)
            for path in names
        ]
        self.readings = {each.dockerfile.path: each for each in readings}
        labels = {each.draft.package: each.draft.label for each in self.packages}
        labels |= self.there.packages
        written = {each.name: each.ref for each in self.settings.images.values()}
        self.references = image_names([ref for each in readings for ref in each.references], written)
        free = [each for each in readings if homes[each.dockerfile.path] not in self.found.build_files]
        self._share(free, labels)
        around = Surroundings(self.targets.view, self.owners, self.targets, labels, self.references)
        for reading in readings:
            self._image(around, reading, homes[reading.dockerfile.path], names[reading.dockerfile.path])

    def _names(self, homes: Mapping[str, str]) -> dict[str, str]:
        """Returns the name of each Dockerfile's target, those that are declared left out."""
        names = {}
        for path, home in homes.items():
            name = self.targets.unique(home, target_name(path, home))
            if name in self.there.targets.get(home, ()):
                self.declared += 1
            else:
                names[path] = name
        return names

    def _declared_packages(self) -> dict[str, str]:
        from lambdabuild.python.project import project_name  # only for those who have packages

        found = {}
        for directory in self.there.packages:
            path = f"{directory}/pyproject.toml".lstrip("/")
            if path in self.found.pyprojects and (name := project_name(self.view.read(path))):
                found[name] = directory
        return found

    def _share(self, readings: list[Reading], labels: Mapping[str, str]) -> None:
        there = self.there.targets.get(BASES)
        self.shared = tuple(
            each
            for each in shared_bases(readings, labels, self.references)
            if there is None or each.draft.name in there
        )
        for each in self.shared:
            self.targets.reserve(BASES, each.draft.name)

    def _image(self, around: Surroundings, reading: Reading, home: str, name: str) -> None:
        path = reading.dockerfile.path
        base = next((each.draft for each in self.shared if path in each.dockerfiles), None)
        before = list(self.targets.drafts)
        try:
            self._check_claims(home)
            made = image_draft(around, reading, home, name, base)
        except UserError as error:
            self.left_out.append(LeftOut(path, error.located(Location(path)), reading.reason))  # type: ignore[arg-type]
        else:
            if home not in self.found.build_files:
                self.images.append(made)
                return
            self.kept.setdefault(self.found.build_files[home], []).append(made.draft)
        self.targets.drafts = before

    def _check_claims(self, home: str) -> None:
        """Raises UserError if a new BUILD file in `home` would take files from a target that is there."""
        if home in self.found.build_files:
            return
        for path, package in self.there.sources.items():
            if path.startswith(f"{home}/") and len(package) < len(home):
                raise UserError(
                    f"a BUILD file in {home} would take {path} from {self.found.build_files[package]}",
                    at=Location(self.found.build_files[package]),
                    hint=f"leave {home} out of its globs, and run this again",
                )

    def all_drafts(self) -> list[Draft]:
        bases = [each.draft for each in self.shared if BASES not in self.found.build_files]
        images = [each.draft for each in self.images]
        return [*(each.draft for each in self.packages), *bases, *self.targets.drafts, *images]


def _proven(drafting: _Drafting, workspace: Workspace | None, say: Say) -> Proposal:
    """Returns what is left when all that would not build is taken away."""
    broken = list(drafting.broken)
    drafts = drafting.all_drafts()
    while True:
        drafts = _needed(drafting, drafts)
        files = _files(drafting, drafts, workspace)
        text = files.get(FILE_NAME)
        settings = _settings(drafting.view.root, text) if text else drafting.settings
        data = {path: text.encode() for path, text in files.items()}
        wrong = failures(settings, drafting.view, data, drafts, say)
        if not wrong:
            break
        first = {str(error): error for error in wrong.values()}
        broken += [error for error in first.values() if error not in broken]
        drafts = [each for each in drafts if (each.package, each.name) not in wrong]
    kept = {id(each) for each in drafts}
    shared = tuple(each for each in drafting.shared if id(each.draft) in kept)
    before = {path: _text(drafting.view, path) for path in files if drafting.view.kind(path) is not None}
    return Proposal(
        files=files,
        before=before,
        drafts=tuple(sorted(drafts, key=lambda each: (each.package, each.name))),
        images=tuple(each for each in drafting.images if id(each.draft) in kept),
        shared=shared,
        kept={path: tuple(drafting.kept[path]) for path in sorted(drafting.kept)},
        left_out=tuple(drafting.left_out),
        broken=tuple(broken),
        declared=drafting.declared,
    )


def _needed(drafting: _Drafting, drafts: Iterable[Draft]) -> list[Draft]:
    """Returns the drafts without bases that nothing of them stands on any more."""
    found = list(drafts)
    bases = {id(each.draft) for each in drafting.shared}
    named = {each.attributes.get("base") for each in found}
    return [each for each in found if id(each) not in bases or each.label in named]


def _files(drafting: _Drafting, drafts: Iterable[Draft], workspace: Workspace | None) -> dict[str, str]:
    """Returns path -> text of the BUILD files, and of WORKSPACE.toml if that is new or changes."""
    packages: dict[str, list[Draft]] = {}
    for draft in drafts:
        packages.setdefault(draft.package, []).append(draft)
    files = {_build_path(drafting.view, each): build_text(tuple(made)) for each, made in packages.items()}
    if not packages:
        return {}
    for package in _named_packages(packages) - packages.keys() - drafting.found.build_files.keys():
        files[_build_path(drafting.view, package)] = f"# {_EMPTY}\n"
    needed = _references(drafting, packages)
    if workspace is None:
        files[FILE_NAME] = with_images(workspace_text(drafting.view.root.name), needed)
    else:
        new = {ref: name for ref, name in needed.items() if name not in workspace.images}
        if new:
            files[FILE_NAME] = with_images(_text(drafting.view, FILE_NAME), new)
    return dict(sorted(files.items()))


def _named_packages(packages: Mapping[str, list[Draft]]) -> set[str]:
    """Returns the packages of which `srcs` of the targets name files or targets."""
    named = set()
    for draft in (each for made in packages.values() for each in made):
        srcs = draft.attributes.get("srcs")
        labels = srcs.names if isinstance(srcs, Files) else srcs if isinstance(srcs, Mapping) else ()
        named |= {label[2:].partition(":")[0] for label in labels if label.startswith("//")}
    return named


def _references(drafting: _Drafting, packages: Mapping[str, list[Draft]]) -> dict[str, str]:
    """Returns reference -> name of the external images that the targets name."""
    labels = {draft.attributes.get("base") for made in packages.values() for draft in made}
    built = {(draft.package, draft.name) for made in packages.values() for draft in made}
    paths = {e.dockerfile for e in drafting.images if (e.draft.package, e.draft.name) in built}
    named = {reference for path in paths for reference in drafting.readings[path].references}
    return {
        reference: name
        for reference, name in drafting.references.items()
        if f"@{name}" in labels or reference in named
    }


def _build_path(view: View, package: str) -> str:
    """Returns where a BUILD file goes: beside a `build`, on file systems without case, BUILD.lambda."""
    names = view.listing(package) if view.kind(package) is not None else ()
    collides = any(name.lower() == "build" for name in names)
    return "/".join(filter(None, (package, BUILD_FILES[0] if collides else BUILD_FILES[1])))


def _text(view: View, path: str) -> str:
    return view.read(path).decode(errors="replace")


def _settings(root: Path, text: str) -> Workspace:
    """Returns the settings of a WORKSPACE.toml with that text."""
    return load_workspace(root, env={}, data=text.encode())
