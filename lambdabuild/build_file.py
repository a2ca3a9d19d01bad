"""What one BUILD file says: its targets, collected while it is evaluated."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from lambdabuild.errors import Location, UserError
from lambdabuild.label import Label, name_problem, parse_label
from lambdabuild.rule import AttributeProblem, Rule, RuleId
from lambdabuild.sources import View, glob
from lambdabuild.starlark.failure import parse_frames
from lambdabuild.target import PRIVATE, PUBLIC, Target


class BuildFile:
    """The targets of one package, while its BUILD file is evaluated."""

    def __init__(self, tree: View, package: str, path: str, text: str) -> None:
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
        wanted, unwanted = _strings(include, "glob(): include"), _strings(exclude, "glob(): exclude")
        found = glob(self._tree, self._package, wanted, unwanted)
        if not found and not allow_empty:
            raise UserError(
                f"glob({include}) matches no file",
                hint="correct the pattern, or say allow_empty = True where that is right",
            )
        return list(found)

    def _set_default(self, visibility: object) -> None:
        grants = _strings(visibility, "package(): default_visibility")
        if self._targets:
            raise UserError("package() must come before all targets of the BUILD file")
        self._default = self._visibility(grants)

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
        if name in ("all", "*", "..."):
            problem = "the word is a pattern"
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


def _strings(value: object, what: str) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise UserError(f"{what} must be a list of strings, not {value!r}")
    return value


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
