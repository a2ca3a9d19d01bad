"""Phase 1: BUILD files -> a TargetGraph.

Only the packages that a question needs are evaluated. What is checked here:
that labels lead to targets or files, that they may be seen, and that nothing
depends on itself. What the files contain is not looked at.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence

from lambdabuild.build_file import BuildFile, attribute_place
from lambdabuild.dockerfile_targets import Dockerfiles, DockerfileSettings
from lambdabuild.errors import CycleError, Location, UserError, did_you_mean
from lambdabuild.first_party import FirstParty
from lambdabuild.label import EXTERNAL, Label, TargetPattern
from lambdabuild.rulebook import Rulebook, decode
from lambdabuild.sources import BUILD_FILES, Kind, View, not_a_file, walk_directories
from lambdabuild.sources.seen import EVERYBODY, asking
from lambdabuild.target import Package, Target, TargetGraph
from lambdabuild.tracing import span


class Loader:
    """Loads packages on demand.

    auto:        what the word "auto" means for an attribute that takes it.
    search:      where first-party packages are looked for by name.
    external:    gives the package of external images; asked when one of them is named.
    dockerfiles: what there is for Dockerfiles.
    graph:       all that was loaded so far.
    first_party: the Python packages of the workspace.
    """

    def __init__(
        self,
        tree: View,
        rulebook: Rulebook,
        *,
        auto: Sequence[Label] = (),
        search: Sequence[TargetPattern] = (),
        external: Callable[[], Package] = lambda: Package(EXTERNAL, "WORKSPACE.toml", {}),
        dockerfiles: DockerfileSettings = DockerfileSettings(),  # noqa: B008 - it is frozen
    ) -> None:
        self._tree = tree
        self._rulebook = rulebook
        self._auto = auto
        self._external = external
        self._packages: dict[str, Package] = {}
        self._checked: dict[Label, list[Label]] = {}
        self._implied: dict[Label, list[tuple[str, Label]]] = {}
        self.graph = TargetGraph(self._packages, rulebook.rules, self._implied)
        self.first_party = FirstParty(tree, search, self._owner, rulebook.rules)
        self.dockerfiles = Dockerfiles(
            tree, dockerfiles, lambda: self.package(EXTERNAL), self._owner_name, self.blame
        )

    def package(self, name: str, *, at: Location | None = None) -> Package:
        """Returns the package; raises UserError where there is none."""
        if name not in self._packages:
            with asking(EVERYBODY if name == EXTERNAL else name), span("loading", f"//{name}"):
                self._packages[name] = self._external() if name == EXTERNAL else self._load(name, at)
        return self._packages[name]

    def _load(self, name: str, at: Location | None) -> Package:
        path = self.build_file(name)
        if path is None:
            raise self._no_package(name, at)
        build_file = BuildFile(self._tree, name, path, decode(path, self._tree.read(path)))
        with self._rulebook.scope(build_file.scope(self._rulebook.rules)):
            loads = self._rulebook.build_file(path, name, build_file.text)
        return Package(name, path, build_file.finished(), loads)

    def match(self, pattern: TargetPattern) -> list[Label]:
        """Returns the targets that `pattern` names, sorted; raises UserError if it names nothing."""
        if not pattern.wildcard:
            if not pattern.negative:
                self.target(pattern.label)
            return [pattern.label]
        return [
            Label(name, target)
            for name in self.packages(pattern)
            for target in sorted(self.package(name).targets)
        ]

    def names_something(self, pattern: TargetPattern) -> bool:
        """Tells whether there is what `pattern` names; loads at most one package, which may be broken."""
        if pattern.recursive:
            where = pattern.package
            here = not self._inner_workspace(where) and self._tree.kind(where) is Kind.DIRECTORY
            return here and any(map(self.build_file, walk_directories(self._tree, where)))
        if pattern.package != EXTERNAL and not self.build_file(pattern.package):
            return False
        return pattern.wildcard or pattern.name in self.package(pattern.package).targets

    def packages(self, pattern: TargetPattern) -> list[str]:
        """Returns the names of the packages that `pattern` speaks of, sorted, without loading them.

        Raises UserError if there is none below a directory.
        """
        if not pattern.recursive:
            return [pattern.package]
        if inner := self._inner_workspace(pattern.package):
            raise UserError(f"{pattern} is in another workspace, {inner}", hint=f"build there: -C {inner}")
        if self._tree.kind(pattern.package) is not Kind.DIRECTORY:
            raise UserError(f"{pattern} matches nothing: there is no directory {pattern.package}")
        packages = [p for p in walk_directories(self._tree, pattern.package) if self.build_file(p)]
        if not packages and not pattern.negative:
            where = pattern.package or "the workspace"
            raise UserError(f"{pattern} matches nothing: there is no BUILD file in {where} or below")
        return sorted(packages)

    def closure(self, root: Label, done: dict[Label, Target]) -> list[Target]:
        """Adds `root` and all targets it depends on to `done`, dependencies first; returns the new ones.

        Raises CycleError, and UserError for a label that leads to nothing or must not be named.
        """
        before = len(done)
        path: dict[Label, None] = {}
        # Without recursion, since chains can be long. None: all below the last of `path` is done.
        todo: list[Label | None] = [root]
        while todo:
            label = todo.pop()
            if label is None:
                finished, _ = path.popitem()
                done[finished] = self.target(finished)
            elif label in path:
                raise self._cycle([*path], label)
            elif label not in done:
                path[label] = None
                todo.append(None)
                todo.extend(reversed(self._target_dependencies(self.target(label))))
        return list(done.values())[before:]

    def target(self, label: Label) -> Target:
        """Returns the target; raises UserError where there is none."""
        package = self.package(label.package)
        target = package.targets.get(label.name)
        if target is None:
            if label.external:
                raise _no_image(label, package)
            if self._tree.kind(label.path) is Kind.FILE:
                raise UserError(f"{label} is a source file, not a target", hint="name a target that uses it")
            raise UserError(
                f"no target {label}",
                at=Location(package.build_file),
                hint=_nearest(label, package) or f"//{label.package} has {_few(package.targets)}",
            )
        return target

    def edges(self, target: Target) -> list[tuple[str, Label]]:
        """Returns (attribute, label) of all that `target` depends on, files as well, after checking it."""
        self._target_dependencies(target)
        return list(self.graph.dependencies(target))

    def check_edge(self, target: Target, attribute: str, label: Label) -> None:
        """Raises UserError, at the attribute's place, if `target` must not name `label` there."""
        with self._blaming(target, attribute):
            self._is_target(target, label, self.graph.rules[target.rule].attrs[attribute].allow_files)

    def is_source(self, label: Label) -> bool:
        """Tells whether `label` is a file of its package and no target; raises UserError if no package is."""
        if label.external or label.name in self.package(label.package).targets or self._inner_package(label):
            return False
        return self._tree.kind(label.path) is Kind.FILE

    def _target_dependencies(self, target: Target) -> list[Label]:
        """Returns the targets that `target` names, after checking all that it names."""
        if target.label not in self._checked:
            with asking(target.label.package):
                self._checked[target.label] = self._check(target)
        return self._checked[target.label]

    def _check(self, target: Target) -> list[Label]:
        rule = self.graph.rules[target.rule]
        found = []
        for name, label in self.graph.dependencies(target):
            with self._blaming(target, name):
                if self._is_target(target, label, rule.attrs[name].allow_files):
                    found.append(label)
        implied = self._all_implied(target)
        if implied:
            named = {label for _, label in self.graph.dependencies(target)}
            for name, label in implied:
                with self._blaming(target, name):
                    self._is_target(target, label, False)
                if label not in named:
                    found.append(label)
            self._implied[target.label] = [(name, label) for name, label in implied if label not in named]
        return found

    def _all_implied(self, target: Target) -> list[tuple[str, Label]]:
        """Returns (attribute, label) of what `target` depends on without naming it."""
        found = []
        for name, attr in self.graph.rules[target.rule].attrs.items():
            if attr.type == "label" and target.values[name] == "auto":
                if not self._auto:
                    raise UserError(
                        f'{target.label} says {name} = "auto", and there is nothing to choose from',
                        at=self.blame(target, name),
                        hint='name bases in WORKSPACE.toml: [images] auto = ["//bases:…"]',
                    )
                found += [(name, label) for label in self._auto]
            elif attr.type in ("packages", "pyproject"):
                with self._blaming(target, name), asking(EVERYBODY):
                    found += self.first_party.implied(target, name)
            elif attr.type == "dockerfile" and target.values[name]:
                with self._blaming(target, name):
                    if not self.is_source(target.values[name]):
                        raise UserError(
                            f"{target.values[name]} is a target, and a Dockerfile is a source file",
                            hint='write dockerfile = "Dockerfile"',
                        )
                    found += self.dockerfiles.implied(target, name)
        return found

    @contextlib.contextmanager
    def _blaming(self, target: Target, attribute: str) -> Iterator[None]:
        """Gives errors the place of an attribute, if they have none."""
        try:
            yield
        except UserError as error:
            error.located(self.blame(target, attribute))
            raise

    def _owner(self, directory: str) -> Package | None:
        """Returns the package that `directory` is or lies in."""
        name = self._owner_name(directory)
        return None if name is None else self.package(name)

    def _owner_name(self, directory: str) -> str | None:
        """Returns the name of that package, and loads nothing."""
        while not self.build_file(directory):
            if not directory:
                return None
            directory = directory.rpartition("/")[0]
        return directory

    def blame(self, target: Target, attribute: str) -> Location:
        """Returns where `attribute` of `target` stands in its BUILD file."""
        package = self._packages[target.label.package]
        return attribute_place(
            decode(package.build_file, self._tree.read(package.build_file)), target.at, attribute
        )

    def _is_target(self, user: Target, label: Label, allow_files: bool | tuple[str, ...]) -> bool:
        """Tells a target from a source file; raises UserError for what `user` must not name."""
        package = self.package(label.package)
        target = package.targets.get(label.name)
        if target is not None:
            if not target.visible_from(user.label.package):
                raise UserError(
                    f"{label} is not visible from {user.label}",
                    hint=f"add //{user.label.package}:__pkg__ to its visibility ({target.at})",
                )
            return True
        if label.external:
            raise _no_image(label, package)
        self._check_file(user, label, package, allow_files)
        return False

    def _check_file(
        self, user: Target, label: Label, package: Package, allow_files: bool | tuple[str, ...]
    ) -> None:
        inner = self._inner_package(label)
        if inner:
            name = label.path.removeprefix(inner + "/")
            raise UserError(
                f"{label} lies in another package, //{inner}", hint=f"name it by its own: //{inner}:{name}"
            )
        kind = self._tree.kind(label.path)
        if kind is None:
            directory, _, name = label.path.rpartition("/")
            if self._tree.kind(directory) is Kind.DIRECTORY and name in self._tree.listing(directory):
                raise UserError(f"{label.path} is a link that leads nowhere", hint="point it at a file")
            missing = "target or file" if allow_files else "target"
            raise UserError(
                f"no {missing} {label}", hint=_nearest(label, package) or self._nearest_file(label)
            )
        if kind is not Kind.FILE:
            raise not_a_file(label.path, kind)
        if not allow_files or (isinstance(allow_files, tuple) and not label.name.endswith(allow_files)):
            wanted = f"a file ending in {' or '.join(allow_files)}" if allow_files else "a target"  # type: ignore[arg-type]
            raise UserError(f"{label} is a file, and this attribute of {user.kind} takes {wanted}")

    def _inner_package(self, label: Label) -> str | None:
        """Returns the package below that of `label` in which its file lies, if there is one."""
        *parts, _ = label.name.split("/")
        for count in range(1, len(parts) + 1):
            inner = "/".join(filter(None, (label.package, *parts[:count])))
            if self.build_file(inner):
                return inner
        return None

    def _nearest_file(self, label: Label) -> str | None:
        directory, _, name = label.path.rpartition("/")
        if self._tree.kind(directory) is not Kind.DIRECTORY:
            return f"there is no directory {directory}"
        return did_you_mean(name, self._tree.listing(directory))

    def _cycle(self, path: list[Label], label: Label) -> CycleError:
        cycle = path[path.index(label) :]
        places = tuple(f"{member} is defined at {self.target(member).at}" for member in cycle)
        first = self.target(cycle[0])
        return CycleError(tuple(map(str, cycle)), at=first.at, details=places)

    def _inner_workspace(self, directory: str) -> str | None:
        """Returns the workspace inside this one that `directory` belongs to, if there is one."""
        while directory:
            if self._tree.kind(f"{directory}/WORKSPACE.toml") is Kind.FILE:
                return directory
            directory = directory.rpartition("/")[0]
        return None

    def build_file(self, package: str) -> str | None:
        """Returns the path of the package's BUILD file, or None; loads nothing."""
        if package not in self._tree.listings and self._tree.kind(package) is not Kind.DIRECTORY:
            return None
        outline = self._tree.outline(package)
        for name in BUILD_FILES:
            if outline.get(name) in (Kind.FILE, Kind.LINK):
                return f"{package}/{name}" if package else name
        return None

    def _no_package(self, name: str, at: Location | None) -> UserError:
        if self._tree.kind(name) is Kind.DIRECTORY:
            hint: str | None = f"add a BUILD file to {name or 'the root'}"
        else:
            parent, _, last = name.rpartition("/")
            siblings = self._tree.listing(parent) if self._tree.kind(parent) is Kind.DIRECTORY else {}
            hint = did_you_mean(last, siblings)
        return UserError(
            f"no package //{name}: there is no BUILD file in {name or 'the root'}", at=at, hint=hint
        )


def _no_image(label: Label, package: Package) -> UserError:
    near = did_you_mean(str(label), [f"@{name}" for name in package.targets])
    declare = f'declare it in {package.build_file}: [images.{label.name}] ref = "host/repository:tag"'
    return UserError(f"there is no external image {label}", hint=near or declare)


def _nearest(label: Label, package: Package) -> str | None:
    near = did_you_mean(label.name, package.targets)
    return near.replace("'", f"'//{label.package}:", 1) if near else None


def _few(names: Iterable[str]) -> str:
    listed = sorted(names)
    return ", ".join(listed[:5]) + (", …" if len(listed) > 5 else "") if listed else "no targets"
