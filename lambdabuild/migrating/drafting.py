"""What was found in a tree -> the targets that should be declared, and what cannot be one."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from lambdabuild.errors import Location, UserError
from lambdabuild.migrating.existing import Existing
from lambdabuild.migrating.first_party import FirstParty
from lambdabuild.migrating.images import ImageDraft, Surroundings, image_draft, image_names, target_name
from lambdabuild.migrating.overlay import Overlay
from lambdabuild.migrating.owners import Owners
from lambdabuild.migrating.packages import PackageDraft, package_draft, plain_requires
from lambdabuild.migrating.placing import Targets
from lambdabuild.migrating.reading import Reading, read_dockerfile
from lambdabuild.migrating.rendering import Draft
from lambdabuild.migrating.sharing import BASES, Shared, shared_bases
from lambdabuild.migrating.survey import PYPROJECT, Survey
from lambdabuild.sources import View
from lambdabuild.workspace import Workspace


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What could not be declared: its Dockerfile or pyproject.toml, and the reasons.

    reason: of a Dockerfile that cannot be declared as it is, why its image cannot be assembled either.
    """

    path: str
    error: UserError
    reason: UserError | None = None


@dataclass(slots=True)
class Drafting:
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
        first_party = self._first_party()
        platform = self.settings.platforms[0]
        readings = [
            read_dockerfile(
                self.view, self.found.dockerfiles[path], first_party.directories, platform, keep=self.keep
            )
            for path in names
        ]
        self.readings = {each.dockerfile.path: each for each in readings}
        written = {each.name: each.ref for each in self.settings.images.values()}
        self.references = image_names([ref for each in readings for ref in each.references], written)
        free = [each for each in readings if homes[each.dockerfile.path] not in self.found.build_files]
        self._share(free, first_party)
        around = Surroundings(self.targets.view, self.owners, self.targets, first_party, self.references)
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

    def _first_party(self) -> FirstParty:
        """Returns the packages that are declared, and those that will be."""
        from lambdabuild.python.project import parse_project  # only for those who have packages

        names = {each.name: each.draft.package for each in self.packages}
        labels = {each.draft.package: each.draft.label for each in self.packages} | dict(self.there.packages)
        required = {each.draft.package: each.requires for each in self.packages}
        for directory in self.there.packages:
            path = f"{directory}/{PYPROJECT}".lstrip("/")
            with contextlib.suppress(UserError):  # who builds it will be told
                project = parse_project(path, self.view.read(path))
                names[project.name] = directory
                required[directory] = plain_requires(project)
        requires = {
            directory: {names[name] for name in wanted if name in names}
            for directory, wanted in required.items()
        }
        return FirstParty(names, labels, requires)

    def _share(self, readings: list[Reading], packages: FirstParty) -> None:
        free = BASES not in self.found.build_files
        self.shared = shared_bases(readings, packages, self.references, self.there.bases, new=free)
        for each in self.shared:
            if each.draft:
                self.targets.reserve(BASES, each.draft.name)

    def _image(self, around: Surroundings, reading: Reading, home: str, name: str) -> None:
        path = reading.dockerfile.path
        base = next((each.label for each in self.shared if path in each.dockerfiles), "")
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
        bases = [each.draft for each in self.shared if each.draft]
        images = [each.draft for each in self.images]
        return [*(each.draft for each in self.packages), *bases, *self.targets.drafts, *images]
