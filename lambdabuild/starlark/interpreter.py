"""Evaluates Starlark text into frozen modules, within limits.

Evaluation has no clock, no environment and no files: all it can reach are the
host functions handed in, which take and give one JSON string (several times
faster than values converted one by one, and the only way that keeps types).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import ParamSpec, TypeAlias, TypeVar

import starlark

from lambdabuild.errors import LambdaBuildError, Location
from lambdabuild.starlark.failure import EvaluationError, failure_from, is_internal
from lambdabuild.starlark.guard import check_source

Module: TypeAlias = starlark.FrozenModule
HostFunction: TypeAlias = Callable[[str], str]
Load: TypeAlias = Callable[[str], Module]
_P = ParamSpec("_P")
_T = TypeVar("_T")

# The evaluator asks about every 1,000 instructions whether to go on, so this
# bounds one file, or one rule's implementation on one target, to some 50 million.
MAX_CHECKS = 50_000
MAX_CALL_DEPTH = 200

EXHAUSTED = "evaluation ran out of memory, or nested too deeply"
EXHAUSTED_HINT = "build smaller and flatter values"

_EXTENSIONS = [
    starlark.LibraryExtension.StructType,
    starlark.LibraryExtension.Json,
    starlark.LibraryExtension.CallStack,
]


def _bzl_dialect() -> starlark.Dialect:
    dialect = starlark.Dialect.extended()
    dialect.enable_load_reexport = False
    dialect.enable_top_level_stmt = False
    dialect.enable_f_strings = True
    return dialect


def _build_dialect() -> starlark.Dialect:
    dialect = starlark.Dialect.standard()
    dialect.enable_load_reexport = False
    dialect.enable_def = False
    dialect.enable_lambda = False
    dialect.enable_f_strings = True
    return dialect


BZL_DIALECT = _bzl_dialect()
BUILD_DIALECT = _build_dialect()


class Interpreter:
    """One evaluator with its prelude; all modules it makes may load from each other.

    Raises what a host function raised as it was (the evaluator itself keeps
    only its text), with the place of the call; everything else as
    EvaluationError.
    """

    def __init__(
        self,
        prelude: str,
        host: Mapping[str, HostFunction],
        *,
        beat: Callable[[str], None] = lambda name: None,
    ) -> None:
        self._globals = starlark.Globals.extended_by(_EXTENSIONS)
        self._beat = beat
        self._raised: BaseException | None = None
        module = starlark.Module()
        for name, function in host.items():
            module.add_callable(name, self._keeping(function))
        ast = starlark.parse("<prelude>", prelude, starlark.Dialect.extended())
        starlark.eval(module, ast, self._globals)
        self.prelude: Module = module.freeze()

    def evaluate(
        self,
        name: str,
        text: str,
        load: Load,
        *,
        dialect: starlark.Dialect = BZL_DIALECT,
        preamble: str = "",
        values: Mapping[str, str] = MappingProxyType({}),
        trusted: bool = False,
    ) -> Module:
        """Returns the module that `text` makes.

        name:     stands in error frames; a name in <> is never shown to users.
        load:     gives the module of a load() statement.
        preamble: evaluated first in the same module, to put names into scope.
        values:   strings put into scope under a name.
        trusted:  text of our own, which needs no guard.
        """
        self._beat(name)
        if not trusted:
            check_source(name, text)
        module = starlark.Module()
        for key, value in values.items():
            module[key] = value

        def loaded(label: str) -> Module:
            found = load(label)
            self._beat(name)
            return found

        loader = starlark.FileLoader(self._keeping(loaded))
        options = starlark.EvalOptions(check_cancelled=self._limit(name), max_callstack_size=MAX_CALL_DEPTH)
        try:
            if preamble:
                ast = starlark.parse("<preamble>", preamble, BZL_DIALECT)
                starlark.eval(module, ast, self._globals, loader)
            ast = starlark.parse(name, text, dialect)
            starlark.eval_with(options, module, ast, self._globals, loader)
            return module.freeze()
        except starlark.StarlarkError as error:
            raise self._failure(str(error)) from None
        except BaseException as error:
            if type(error).__name__ != "PanicException":
                raise
            raise EvaluationError(EXHAUSTED, at=Location(name), hint=EXHAUSTED_HINT) from None

    def _failure(self, text: str) -> BaseException:
        raised, self._raised = self._raised, None
        if raised is None:
            return failure_from(text)
        if isinstance(raised, LambdaBuildError) and raised.at is None:
            told = failure_from(text)
            raised.at = told.at
            raised.details += told.details
            if isinstance(raised, EvaluationError):
                raised.frames = told.frames
        return raised

    def _limit(self, name: str) -> Callable[[], bool]:
        left = MAX_CHECKS

        def check() -> bool:
            nonlocal left
            left -= 1
            self._beat(name)
            if left < 0:
                shown = "the rule's implementation" if is_internal(name) else name
                self._raised = EvaluationError(
                    f"evaluation of {shown} takes too long: it was stopped after about "
                    f"{MAX_CHECKS // 1000} million instructions",
                    at=None if is_internal(name) else Location(name),
                    hint="look for a loop that grows with its own result",
                )
                raise self._raised
            return False

        return check

    def _keeping(self, function: Callable[_P, _T]) -> Callable[_P, _T]:
        def call(*args: _P.args, **kwargs: _P.kwargs) -> _T:
            try:
                return function(*args, **kwargs)
            except BaseException as error:
                self._raised = error
                raise

        return call
