"""Dockerfiles: what they say, what building them takes, and the text that an engine gets.

Knows no builds, no workspace and no engine. Nothing is run or fetched here: a
Dockerfile is read as BuildKit reads it, and what cannot be told without running
it is refused, with its line.
"""

from lambdabuild.dockerfile.context import MissingSource, check_context
from lambdabuild.dockerfile.engine_text import for_engine
from lambdabuild.dockerfile.model import (
    BASE,
    SCRATCH,
    BuildPlan,
    Copy,
    Dockerfile,
    ImageUse,
    Instruction,
)
from lambdabuild.dockerfile.parsing import parse
from lambdabuild.dockerfile.planning import plan
from lambdabuild.dockerfile.stages import ArgumentProblem
from lambdabuild.dockerfile.variables import BASE_ARG

__all__ = [
    "BASE",
    "BASE_ARG",
    "SCRATCH",
    "ArgumentProblem",
    "BuildPlan",
    "Copy",
    "Dockerfile",
    "ImageUse",
    "Instruction",
    "MissingSource",
    "check_context",
    "for_engine",
    "parse",
    "plan",
]
