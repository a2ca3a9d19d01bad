"""Phase 1: BUILD files -> a TargetGraph.

Only the packages that a question needs are evaluated. What is checked here:
that labels lead to targets or files, that they may be seen, and that nothing
depends on itself. What the files contain is not looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lambdabuild.errors import CycleError, Location, UserError, did_you_mean
from lambdabuild.label import Label, TargetPattern, name_problem, parse_label
from lambdabuild.rule import AttributeProblem, Rule, RuleId
from lambdabuild.rulebook import Rulebook, decode
from lambdabuild.sources import BUILD_FILES, Kind, WorkingTree, glob, not_a_file, walk_directories
from lambdabuild.starlark.failure import parse_frames
from lambdabuild.target import PRIVATE, PUBLIC, Package, Target, TargetGraph


class Loader:
    """Loads packages on demand.

    graph: all that was loaded so far.
    """

    def __init__(self, tree: WorkingTree, rulebook: Rulebook) -> None:
        self._tree = tree
        self._rulebook = rulebook
        self._packages: dict[str, Package] = {}
        self._checked: dict[Label, list[Label]] = {}
        self.graph = TargetGraph(self._packages, rulebook.rules)

    def package(self, name: str, *, at: Location | None = None) -> Package:
        """Returns the package; raises UserError where there is none."""
        package = self._packages.get(name)
        if package is None:
            path = self._build_file(name)
            if path is None:
                raise self._no_package(name, at)
            reader = _PackageReader(self._tree, name, path, decode(path, self._tree.read(path)))
            with self._rulebook.scope(reader.scope(self._rulebook.rules)):
                loads = self._rulebook.build_file(path, name, reader.text)
            package = Package(name, path, reader.finished(), loads)
            self._packages[name] = package
        return package

    def match(self, pattern: TargetPattern) -> list[Label]:
        """Returns the targets that `pattern` names, sorted; raises UserError if it names nothing."""
        if not pattern.wildcard:
            if not pattern.negative:
                self.target(pattern.label)
            return [pattern.label]
        if not pattern.recursive:
            return [Label(pattern.package, name) for name in sorted(self.package(pattern.package).targets)]
        if self._tree.kind(pattern.package) is not Kind.DIRECTORY:
            raise UserError(f"{pattern} matches nothing: there is no directory {pattern.package}")
        packages = [p for p in walk_directories(self._tree, pattern.package) if self._build_file(p)]
        if not packages and not pattern.negative:
            raise UserError(
                f"{pattern} matches nothing: there is no BUILD file in {pattern.package or 'the workspace'} or below"
            )
        return [
            Label(name, target) for name in sorted(packages) for target in sorted(self.package(name).targets)
        ]

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
            if self._tree.kind(label.path) is Kind.FILE:
                raise UserError(f"{label} is a source file, not a target", hint="name a target that uses it")
            raise UserError(
                f"no target {label}",
                at=Location(package.build_file),
                hint=_nearest(label, package) or f"//{label.package} has {_few(package.targets)}",
            )
        return target

    def _target_dependencies(self, target: Target) -> list[Label]:
        """Returns the targets that `target` names, after checking all that it names."""
        found = self._checked.get(target.label)
        if found is not None:
            return found
        rule = self.graph.rules[target.rule]
        found = []
        for name, label in self.graph.dependencies(target):
            try:
                if self._is_target(target, label, rule.attrs[name].allow_files):
                    found.append(label)
            except UserError as error:
                error.located(self.blame(target, name))
                raise
        self._checked[target.label] = found
        return found

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
        self._check_file(user, label, package, allow_files)
        return False

    def _check_file(
        self, user: Target, label: Label, package: Package, allow_files: bool | tuple[str, ...]
    ) -> None:
        *parts, _ = label.name.split("/")
        for count in range(1, len(parts) + 1):
            inner = "/".join(filter(None, (label.package, *parts[:count])))
            if self._build_file(inner):
                name = label.path.removeprefix(inner + "/")
                raise UserError(
                    f"{label} lies in another package, //{inner}",
                    hint=f"name it by its own: //{inner}:{name}",
                )
        kind = self._tree.kind(label.path)
        if kind is None:
            missing = "target or file" if allow_files else "target"
            raise UserError(
                f"no {missing} {label}", hint=_nearest(label, package) or self._nearest_file(label)
            )
        if kind is not Kind.FILE:
            raise not_a_file(label.path, kind)
        if not allow_files or (isinstance(allow_files, tuple) and not label.name.endswith(allow_files)):
            wanted = f"a file ending in {' or '.join(allow_files)}" if allow_files else "a target"  # type: ignore[arg-type]
            raise UserError(f"{label} is a file, and this attribute of {user.kind} takes {wanted}")

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

    def _build_file(self, package: str) -> str | None:
        if package not in self._tree.listings and self._tree.kind(package) is not Kind.DIRECTORY:
            return None
        listing = self._tree.listing(package)
        for name in BUILD_FILES:
            if listing.get(name) in (Kind.FILE, Kind.LINK):
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


class _PackageReader:
    """Collects what one BUILD file says while it is evaluated."""

    def __init__(self, tree: WorkingTree, package: str, path: str, text: str) -> None:
        self.text = text
        self._tree = tree
        self._package = package
        self._path = path
        self._default: tuple[str, ...] = (PUBLIC,)
        self._targets: dict[str, Target] = {}

    def scope(self, rules: Mapping[RuleId, Rule]) -> dict[str, Any]:
        def target(rule: Sequence[Any], values: Mapping[str, object], stack: str) -> None:
            self._add(rules[RuleId(*rule)], values, stack)

        return {"target": target, "glob": self._glob, "package": self._set_default}

    def finished(self) -> Mapping[str, Target]:
        return dict(self._targets)

    def _glob(self, include: object, exclude: object, allow_empty: object) -> list[str]:
        for name, value in (("include", include), ("exclude", exclude)):
            if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
                raise UserError(f"glob(): {name} must be a list of patterns, not {value!r}")
        assert isinstance(include, list)
        assert isinstance(exclude, list)
        found = glob(self._tree, self._package, include, exclude)
        if not found and not allow_empty:
            raise UserError(
                f"glob({include}) matches no file",
                hint="correct the pattern, or say allow_empty = True where that is right",
            )
        return list(found)

    def _set_default(self, visibility: object) -> None:
        if not isinstance(visibility, list) or not all(isinstance(item, str) for item in visibility):
            raise UserError(f"package(): default_visibility must be a list of strings, not {visibility!r}")
        if self._targets:
            raise UserError("package() must come before all targets of the BUILD file")
        self._default = self._visibility(visibility)

    def _add(self, rule: Rule, given: Mapping[str, object], stack: str) -> None:
        frames = parse_frames(stack)
        line = frames[0].line if frames else 0
        at = Location(self._path, line, _column(self.text, line, rule.name))
        try:
            values = rule.check(given, self._package)
            self._check_name(rule, values["name"])
            visibility = (
                self._visibility(values["visibility"])
                if given.get("visibility") is not None
                else self._default
            )
        except AttributeProblem as error:
            who = f"{rule.name} {given.get('name', '')!r}"
            error.message = error.message if rule.name in error.message else f"{who}: {error.message}"
            error.at = attribute_place(self.text, at, error.attribute)
            error.details += tuple(
                f"called from {f.file}:{f.line}, in {f.function}" for f in reversed(frames[1:])
            )
            raise
        label = Label(self._package, values["name"])
        earlier = self._targets.get(label.name)
        if earlier:
            raise UserError(
                f"there are two targets {label}; the first is at {earlier.at}",
                at=at,
                hint="rename one of them",
            )
        self._targets[label.name] = Target(label, rule.id, rule.name, values, visibility, at)

    def _check_name(self, rule: Rule, name: str) -> None:
        problem = name_problem(name) or ("it has a '/'" if "/" in name else None)
        if problem:
            raise AttributeProblem(f"{rule.name} cannot be called {name!r}: {problem}", "name")

    def _visibility(self, grants: Sequence[str]) -> tuple[str, ...]:
        normal: list[str] = []
        for grant in grants:
            if grant in (PUBLIC, PRIVATE):
                normal.append(grant)
                continue
            label = parse_label(grant, self._package) if grant.startswith(("//", ":")) else None
            if label is None or label.name not in ("__pkg__", "__subpackages__"):
                raise AttributeProblem(
                    f"attribute 'visibility' cannot hold {grant!r}",
                    "visibility",
                    hint=f"there are {PUBLIC}, {PRIVATE}, //package:__pkg__ and //package:__subpackages__",
                )
            normal.append(str(label))
        return tuple(grant for grant in normal if grant != PRIVATE)


def _column(text: str, line: int, name: str) -> int:
    """Returns the column of the call of `name` in that line, or 0."""
    lines = text.split("\n")
    match = re.search(rf"\b{re.escape(name)}\s*\(", lines[line - 1]) if 0 < line <= len(lines) else None
    return match.start() + 1 if match else 0


def attribute_place(text: str, at: Location, attribute: str) -> Location:
    """Returns where `attribute` is given in the call that begins at `at`; `at` itself if it is not found."""
    lines = text.split("\n")
    pattern = re.compile(rf"(?<![\w.]){re.escape(attribute)}\s*=(?!=)")
    for number in range(at.line, len(lines) + 1):
        line = lines[number - 1]
        match = pattern.search(line)
        if match:
            return Location(at.path, number, match.start() + 1)
        if number > at.line and line[:1] not in ("", " ", "\t", "#", ")"):
            break
        if line.startswith(")"):
            break
    return at


def _nearest(label: Label, package: Package) -> str | None:
    near = did_you_mean(label.name, package.targets)
    return near.replace("'", f"'//{label.package}:", 1) if near else None


def _few(names: Iterable[str]) -> str:
    listed = sorted(names)
    return ", ".join(listed[:5]) + (", …" if len(listed) > 5 else "") if listed else "no targets"
