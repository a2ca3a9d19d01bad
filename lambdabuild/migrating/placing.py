"""Sources with their places in an image -> the attribute `srcs`, and `files` targets where it takes them.

A file of another package is named by its label. A directory is a glob, one for
each package that has a part of it; in another package, or at another place than
its own, that glob is a `files` target.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from lambdabuild.errors import Location, UserError
from lambdabuild.migrating.context import Taken
from lambdabuild.migrating.first_party import FirstParty
from lambdabuild.migrating.ignoring import Ignored
from lambdabuild.migrating.owners import Owners
from lambdabuild.migrating.recipe import TASK_ROOT, Placed
from lambdabuild.migrating.rendering import Draft, Files, Glob, Value, target_text
from lambdabuild.sources import Kind, View, glob

_OWN_FILES = ("Dockerfile", "Dockerfile.*", "*.Dockerfile", ".dockerignore")


@dataclass(frozen=True, slots=True)
class _Part:
    """What one package has of a tree: a glob in it, and the directory that places are relative to."""

    package: str
    directory: str
    glob: Glob


class Targets:
    """The names and `files` targets of all packages, those that are there and those to be written.

    fixed: package -> (its BUILD file, the names in it), of packages whose BUILD file is there.
    """

    def __init__(self, view: View, fixed: Mapping[str, tuple[str, frozenset[str]]]) -> None:
        self.view = view
        self.fixed = fixed
        self.drafts: list[Draft] = []
        self._names: dict[str, set[str]] = {}

    def unique(self, package: str, name: str) -> str:
        """Returns `name`, or it with a number, so that nothing else in the package is called so."""
        taken = self._names.setdefault(package, set())
        known = set(self.view.listing(package)) if self.view.kind(package) is not None else set()
        found, number = name, 2
        while found in taken or (found in known and self.view.kind(_joined(package, found)) is Kind.FILE):
            found, number = f"{name}_{number}", number + 1
        taken.add(found)
        return found

    def reserve(self, package: str, name: str) -> None:
        self._names.setdefault(package, set()).add(name)

    def files(self, package: str, name: str, attributes: Mapping[str, Value]) -> str:
        """Returns the label of a `files` target with those attributes; raises UserError if none can be."""
        for draft in self.drafts:
            if (draft.package, draft.attributes) == (package, attributes):
                return f"//{package}:{draft.name}"
        if package in self.fixed:
            path, names = self.fixed[package]
            if name in names:
                return f"//{package}:{name}"
            text = target_text(Draft(package, name, "files", attributes))
            raise UserError(
                f"{path} is there already, and lacks a target that would be needed",
                at=Location(path),
                hint="add it, and run this again",
                details=tuple(text.rstrip().split("\n")),
            )
        draft = Draft(package, self.unique(package, name), "files", attributes)
        self.drafts.append(draft)
        return f"//{package}:{draft.name}"


@dataclass(slots=True)
class Placing:
    """Makes `srcs` of the image `name` of `package`."""

    owners: Owners
    targets: Targets
    package: str
    name: str
    ignored: Ignored

    def of_places(self, placed: Sequence[Placed]) -> Value:
        """Returns srcs for an image without Dockerfile; raises UserError."""
        places: dict[str, list[str]] = {}
        natural: set[str] = set()
        globs: list[Glob] = []
        labels: list[str] = []
        for each in _last(placed):
            if each.what.tree:
                self._place_tree(each, globs, labels)
                continue
            label = self.owners.label(each.what.path, self.package)
            if each.target == f"{TASK_ROOT}/{self._own_place(label)}":
                natural.add(label)
            places.setdefault(label, []).append(_place(each.target))
        renamed = {label for label in places if label not in natural or len(set(places[label])) > 1}
        if renamed and not globs and not labels:
            return {label: _one_or_many(places[label]) for label in places}
        if renamed:
            own = {label: _one_or_many(places[label]) for label in sorted(renamed)}
            labels.append(self.targets.files(self.package, f"{self.name}_renamed", {"srcs": own}))
        names = [*places.keys() - renamed - self._matched(globs), *labels]
        return Files(tuple(globs), tuple(sorted({self._short(label) for label in names})))

    def of_context(self, found: Sequence[Taken], packages: FirstParty) -> tuple[Value, list[str]]:
        """Returns srcs and packages for an image with a Dockerfile; raises UserError."""
        globs: list[Glob] = []
        labels: list[str] = []
        needed: set[str] = set()
        for each in found:
            if not each.tree:
                labels.append(self.owners.label(each.path, self.package))
                continue
            for part in self._parts(each):
                if (
                    part.package in packages.labels
                    and part.directory == part.package
                    and each.pattern == "**"
                ):
                    needed.add(part.package)
                elif part.package == self.package:
                    globs.append(part.glob)
                else:
                    name = _files_name(part)
                    labels.append(self.targets.files(part.package, name, {"srcs": part.glob}))
        names = tuple(sorted({self._short(label) for label in labels} - self._matched(globs)))
        return Files(_merged(globs), names), sorted(
            packages.labels[each] for each in needed - packages.needless(needed)
        )

    def _place_tree(self, each: Placed, globs: list[Glob], labels: list[str]) -> None:
        for part in self._parts(each.what):
            inner = posixpath.relpath(part.directory or ".", each.what.path or ".")
            place = posixpath.normpath(posixpath.join(each.target, inner))
            own = posixpath.relpath(part.directory or ".", part.package or ".")
            if part.package == self.package and place == posixpath.normpath(f"{TASK_ROOT}/{own}"):
                globs.append(part.glob)
                continue
            attributes: dict[str, Value] = {"srcs": part.glob, "strip_prefix": part.directory}
            if place != TASK_ROOT:
                attributes["dest"] = place.lstrip("/") or "/"
            labels.append(self.targets.files(part.package, _files_name(part), attributes))

    def _parts(self, what: Taken) -> Iterator[_Part]:
        """Yields what each package has of a tree, those without files left out."""
        owner = self.owners.of(f"{what.path}/x" if what.path else "x")
        below = [each for each in self.owners.below(what.path) if each != owner]
        for package in [owner, *(below if what.pattern == "**" else ())]:
            directory = what.path if package == owner else package
            inner = directory[len(package) :].strip("/")
            include = _joined(inner, what.pattern)
            part = Glob((include,), self.ignored.below(directory, inner))
            exclude = tuple(_joined(inner, name) for name in _OWN_FILES)
            if glob(self.targets.view, package, part.include, (*part.exclude, *exclude)):
                shown = [e for e in exclude if glob(self.targets.view, package, (e,))]
                yield _Part(package, directory, Glob(part.include, (*part.exclude, *shown)))

    def _matched(self, globs: Sequence[Glob]) -> set[str]:
        """Returns the files of the package that globs give: to name one again would be an error."""
        view = self.targets.view
        return {path for each in globs for path in glob(view, self.package, each.include, each.exclude)}

    def _own_place(self, label: str) -> str:
        return label.rpartition(":")[2] if label.startswith("//") else label

    def _short(self, label: str) -> str:
        return (
            label.replace(f"//{self.package}:", ":", 1) if label.startswith(f"//{self.package}:") else label
        )


def _last(placed: Sequence[Placed]) -> list[Placed]:
    """Returns what is placed, without files that later ones replace."""
    files = {each.target: each for each in placed if not each.what.tree}
    return [each for each in placed if each.what.tree or files[each.target] is each]


def _place(target: str) -> str:
    """Returns how a place in an image is written: below /var/task, or else absolute."""
    return target.removeprefix(f"{TASK_ROOT}/") if target.startswith(f"{TASK_ROOT}/") else target


def _one_or_many(places: Sequence[str]) -> str | tuple[str, ...]:
    several = tuple(sorted(set(places)))
    return several[0] if len(several) == 1 else several


def _merged(globs: Sequence[Glob]) -> tuple[Glob, ...]:
    """Returns the globs, those without exclude as one."""
    plain = tuple(sorted({pattern for each in globs if not each.exclude for pattern in each.include}))
    rest = tuple(dict.fromkeys(each for each in globs if each.exclude))
    return (*((Glob(plain),) if plain else ()), *rest)


def _files_name(part: _Part) -> str:
    inner = part.directory[len(part.package) :].strip("/").replace("/", "_")
    return f"{inner}_files" if inner else "files"


def _joined(directory: str, path: str) -> str:
    return "/".join(filter(None, (directory, path)))
