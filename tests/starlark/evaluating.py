"""An interpreter whose modules can hand values out, for the tests of this folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from lambdabuild.errors import UserError
from lambdabuild.starlark import BZL_DIALECT, Interpreter, Module

PRELUDE = """
def call(name, *arguments):
    return json.decode(host(json.encode([name] + list(arguments))))
"""
PREAMBLE = 'load("@prelude", "call")\n'


class Evaluator:
    """Evaluates named texts that load each other.

    given: what call("give", value) handed out, in order.
    beats: the names that were worked on.
    """

    def __init__(self, files: Mapping[str, str], **functions: Callable[..., Any]) -> None:
        self.given: list[Any] = []
        self.beats: list[str] = []
        self._files = files
        self._functions: dict[str, Callable[..., Any]] = {"give": self.given.append, **functions}
        self._interpreter = Interpreter(PRELUDE, {"host": self._host}, beat=self.beats.append)

    def load(self, name: str) -> Module:
        if name == "@prelude":
            return self._interpreter.prelude
        if name not in self._files:
            raise UserError(f"no such file: {name}")
        return self.evaluate(name, self._files[name])

    def evaluate(self, name: str, text: str, **options: Any) -> Module:
        options = {"dialect": BZL_DIALECT, "preamble": PREAMBLE, **options}
        return self._interpreter.evaluate(name, text, self.load, **options)

    def _host(self, request: str) -> str:
        name, *arguments = json.loads(request)
        return json.dumps(self._functions[name](*arguments))


def evaluate(text: str, **functions: Callable[..., Any]) -> list[Any]:
    """Returns what the .bzl file `text`, called x.bzl, gave."""
    evaluator = Evaluator({}, **functions)
    evaluator.evaluate("x.bzl", text)
    return evaluator.given
