"""All that knows starlark-pyo3: text -> frozen modules, limits, error frames.

Knows nothing of packages, targets or rules: those are host functions that the
caller hands in. What can crash or exhaust the evaluator is refused before it is
parsed (`guard`), stopped while it runs (`interpreter`), or kept in a process of
its own (`isolate`).
"""

from lambdabuild.starlark.failure import EvaluationError, Frame
from lambdabuild.starlark.interpreter import BUILD_DIALECT, BZL_DIALECT, Interpreter, Module
from lambdabuild.starlark.isolate import Beat, isolated

__all__ = [
    "BUILD_DIALECT",
    "BZL_DIALECT",
    "Beat",
    "EvaluationError",
    "Frame",
    "Interpreter",
    "Module",
    "isolated",
]
