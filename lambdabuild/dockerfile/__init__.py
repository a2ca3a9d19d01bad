"""Dockerfiles: what they say, what building them takes, and the text that an engine gets.

Knows no builds, no workspace and no engine. Nothing is run or fetched here: a
Dockerfile is read as BuildKit reads it, and what cannot be told without running
it is refused, with its line.
"""

from lambdabuild.dockerfile.model import (
    BASE,
    SCRATCH,
    BuildPlan,
    Copy,
    Dockerfile,
    ImageUse,
    Instruction,
)

__all__ = ["BASE", "SCRATCH", "BuildPlan", "Copy", "Dockerfile", "ImageUse", "Instruction"]
