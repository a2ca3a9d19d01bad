"""The rules there are: .bzl files evaluated, and the language they are written in.

Loading and analysis share one Rulebook: rules are defined by .bzl modules while
BUILD files load them, and their implementations, which live in those modules,
run in analysis. What a host function of the prelude means depends on the Scope
that is active: a BUILD file, a .bzl file, or a target being analysed.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

import lambdabuild
from lambdabuild.errors import CycleError, Location, UserError, did_you_mean
from lambdabuild.label import parse_label
from lambdabuild.rule import ATTR_TYPES, COMMON_ATTRS, Attr, AttributeProblem, Rule, RuleId
from lambdabuild.sources import BUILD_FILES, Kind, View
from lambdabuild.sources.seen import EVERYBODY, asking
from lambdabuild.starlark import BUILD_DIALECT, Beat, Interpreter, Module
from lambdabuild.starlark.failure import parse_frames

BUNDLED = "@lambdabuild//rules:"
_BZL_NAMES = (
    '"DefaultInfo", "ImageInfo", "PackageInfo", "attr", '
    '"glob", "package", "provider", "same_file", "with_mode"'
)
_COMMON = 'load("@prelude", json = "lb_json", print = "lb_print")\n'
_BZL_PREAMBLE = _COMMON + f'load("@prelude", {_BZL_NAMES}, "lb_make_rule")\n'
_RULES = {
    "files.bzl": ("files",),
    "images.bzl": ("base_image", "lambda_image"),
    "host_python.bzl": ("host_python_image",),
    "python.bzl": ("python_package", "python_requirements"),
}
RULE_NAMES = tuple(name for names in _RULES.values() for name in names)
"""The rules that BUILD files have without loading them."""

_RULE_LOADS = "".join(
    f'load("{BUNDLED}{file}", {", ".join(json.dumps(name) for name in names)})\n'
    for file, names in _RULES.items()
)
_BUILD_PREAMBLE = _COMMON + 'load("@prelude", "glob", "package")\n' + _RULE_LOADS

Scope = Mapping[str, Callable[..., Any]]
"""Host functions by the name that the prelude calls; arguments and results are JSON values."""


class Rulebook:
    """The .bzl files that were needed so far, and their rules.

    rules: every rule that was defined, by id.
    """

    def __init__(
        self,
        tree: View,
        *,
        beat: Beat = lambda name: None,
        say: Callable[[str, Location | None], None],
    ) -> None:
        self.rules: dict[RuleId, Rule] = {}
        self._tree = tree
        self._say = say
        self._modules: dict[str, Module] = {}
        self._loads: dict[str, tuple[str, ...]] = {}
        self._loading: list[str] = []
        self._scope: Scope = {}
        prelude = resources.files(lambdabuild).joinpath("prelude.star").read_text("utf-8")
        self._interpreter = Interpreter(prelude, {"_host": self._host}, beat=beat)

    @contextlib.contextmanager
    def scope(self, scope: Scope) -> Iterator[None]:
        """Makes `scope` the meaning of host functions for a while."""
        previous, self._scope = self._scope, scope
        try:
            yield
        finally:
            self._scope = previous

    def build_file(self, path: str, package: str, text: str) -> tuple[str, ...]:
        """Evaluates a BUILD file in the active scope; returns the .bzl files it stands on."""
        loaded: dict[str, None] = {}

        def load(text: str) -> Module:
            label = text if text.startswith("@") else self._bzl_label(text, package)
            module = self._load(label)
            if not label.startswith("@"):
                loaded.update(dict.fromkeys((label, *self._loads[label])))
            return module

        self._interpreter.evaluate(path, text, load, dialect=BUILD_DIALECT, preamble=_BUILD_PREAMBLE)
        return tuple(sorted(loaded))

    def bundled_rule(self, file: str, name: str) -> Rule:
        """Returns a rule of lambdabuild's own that BUILD files cannot call."""
        self._load(BUNDLED + file)
        return next(
            rule for rule in self.rules.values() if (rule.id.file, rule.name) == (BUNDLED + file, name)
        )

    def analyze(self, rule: RuleId, data: Mapping[str, object], dependencies: Mapping[str, Module]) -> Module:
        """Returns the module whose `providers` the rule's implementation returned."""
        names = list(dependencies)
        loads = "".join(f"load('@{i}', d{i} = 'providers')\n" for i in range(len(names)))
        table = ", ".join(f"{json.dumps(name, ensure_ascii=False)}: d{i}" for i, name in enumerate(names))
        text = (
            "load('@prelude', 'lb_analyze')\nload('@rule', 'lb_rules')\n"
            + loads
            + f"providers = lb_analyze(lb_rules, {rule.number}, data, {{{table}}})\n"
        )
        modules = {"@prelude": self._interpreter.prelude, "@rule": self._modules[rule.file]}
        modules.update((f"@{i}", dependencies[name]) for i, name in enumerate(names))
        values = {"data": json.dumps(data, ensure_ascii=False)}
        return self._interpreter.evaluate(
            "<analysis>", text, modules.__getitem__, values=values, trusted=True
        )

    def _host(self, request: str) -> str:
        name, *arguments = json.loads(request)
        if name == "print":
            frames = parse_frames(arguments[1])
            self._say(arguments[0], Location(frames[-1].file, frames[-1].line) if frames else None)
            return "null"
        function = self._scope.get(name)
        if function is None:
            raise UserError(
                f"{_SHOWN.get(name, name)} cannot be called here",
                hint="rules, glob() and package() belong in BUILD files and macros, rule() in .bzl files",
            )
        return json.dumps(function(*arguments), ensure_ascii=False)

    def _bzl_label(self, text: str, package: str) -> str:
        label = parse_label(text, package)
        if not label.name.endswith(".bzl"):
            raise UserError(
                f"load() takes a .bzl file, not {text!r}", hint="write //package:file.bzl or :file.bzl"
            )
        return str(label)

    def _load(self, label: str) -> Module:
        if label == "@prelude":
            return self._interpreter.prelude
        if label in self._loading:
            cycle = self._loading[self._loading.index(label) :]
            raise CycleError(tuple(cycle))
        if label not in self._modules:
            self._loading.append(label)
            try:
                with self.scope({"rule": self._define}), asking(EVERYBODY):
                    self._modules[label] = self._evaluate_bzl(label)
            finally:
                self._loading.pop()
        return self._modules[label]

    def _evaluate_bzl(self, label: str) -> Module:
        loaded: dict[str, None] = {}
        bundled = label.startswith("@")
        package = "" if bundled else parse_label(label).package

        def load(text: str) -> Module:
            if text.startswith(("@prelude", BUNDLED)):
                return self._load(text)
            if text.startswith("@"):
                raise UserError(f"there is no file {text!r}", hint=f"lambdabuild's own are {BUNDLED}*.bzl")
            inner = BUNDLED + text.removeprefix(":") if bundled else self._bzl_label(text, package)
            module = self._load(inner)
            loaded.update(dict.fromkeys((inner, *self._loads[inner])))
            return module

        path, text = self._bzl_text(label)
        preamble = _BZL_PREAMBLE + ("" if bundled else _RULE_LOADS)
        preamble += (
            f"lb_rules = {{}}\nrule = lb_make_rule(lb_rules, {json.dumps(label, ensure_ascii=False)})\n"
        )
        module = self._interpreter.evaluate(path, text, load, preamble=preamble, trusted=bundled)
        self._loads[label] = tuple(name for name in loaded if not name.startswith("@"))
        return module

    def _bzl_text(self, label: str) -> tuple[str, str]:
        if label.startswith("@"):
            file = label.removeprefix(BUNDLED)
            known = sorted(path.name for path in rules_directory().glob("*.bzl"))
            if file not in known:
                raise UserError(
                    f"lambdabuild has no {file}",
                    hint=did_you_mean(file, known) or f"there are {', '.join(known)}",
                )
            return label, (rules_directory() / file).read_text("utf-8")
        parsed = parse_label(label)
        outline = (
            self._tree.outline(parsed.package) if self._tree.kind(parsed.package) is Kind.DIRECTORY else {}
        )
        if not any(name in outline for name in BUILD_FILES):
            raise UserError(
                f"no such file: {label}: //{parsed.package} is not a package",
                hint=f"add a BUILD file to {parsed.package or 'the root'}, even an empty one",
            )
        if parsed.name not in outline:
            hint = did_you_mean(parsed.name, [name for name in outline if name.endswith(".bzl")])
            raise UserError(
                f"no such file: {parsed.path}", hint=hint or f"create {parsed.path}, or correct the label"
            )
        return parsed.path, decode(parsed.path, self._tree.read(parsed.path))

    def _define(
        self, file: str, number: int, schemas: Mapping[str, Mapping[str, Any]], doc: str, stack: str
    ) -> None:
        if file != self._loading[-1]:
            raise UserError("rule() is called at the top of the .bzl file that defines the rule")
        frames = parse_frames(stack)
        at = Location(frames[-1].file, frames[-1].line) if frames else Location(file)
        assigned = re.search(r"^\s+([A-Za-z]\w*)\s*=\s*rule\(", stack, re.MULTILINE)
        if not assigned:
            raise UserError("a rule must be assigned to a name: name = rule(...)", at=at)
        package = "" if file.startswith("@") else parse_label(file).package
        attrs = {name: _attr(name, schema, at, package) for name, schema in schemas.items()}
        self.rules[RuleId(file, number)] = Rule(RuleId(file, number), assigned[1], attrs, at, doc)


_SHOWN = {
    "target": "a rule",
    "glob": "glob()",
    "package": "package()",
    "rule": "rule()",
    "action": "ctx.actions",
}


def rules_directory() -> Path:
    """Returns where the bundled rules lie: in the wheel, or beside the package in a checkout."""
    package = Path(lambdabuild.__file__).parent
    installed = package / "rules"
    return installed if installed.is_dir() else package.parent / "rules"


def decode(path: str, data: bytes) -> str:
    """Returns the text of a BUILD or .bzl file; raises UserError unless it is UTF-8."""
    try:
        return data.decode().removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise UserError("the file is not UTF-8", at=Location(path, line)) from None


def _attr(name: str, schema: Mapping[str, Any], at: Location, package: str) -> Attr:
    if name == "platforms" and schema["type"] != "string_list":
        raise UserError(
            "the attribute 'platforms' is a string_list: it says what a target is built for", at=at
        )
    if name in COMMON_ATTRS or schema["type"] not in ATTR_TYPES:
        raise UserError(f"attribute '{name}' cannot be declared: every target has it", at=at)
    allow_files = schema["allow_files"]
    attr = Attr(
        name,
        schema["type"],
        schema["doc"],
        schema["mandatory"],
        None,
        tuple(schema["values"]),
        tuple(schema["words"]),
        tuple(allow_files) if isinstance(allow_files, list) else bool(allow_files),
        schema["unless"],
    )
    if schema["default"] is None:
        return attr
    try:
        default = attr.check(schema["default"], package)
    except AttributeProblem as error:
        raise UserError(f"the default of {error.message}", at=at) from None
    return replace(attr, default=default)
