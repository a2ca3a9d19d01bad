"""Checks of this machine: what builds need here, with or without AWS."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement

from lambdabuild.errors import ExternalError
from lambdabuild.running.choice import choose_runner
from lambdabuild.running.docker import Docker
from lambdabuild.setup.checks import Check

_DISTRIBUTION = "lambdabuild"


def check_machine(cache: Path) -> Iterator[Check]:
    """Yields the checks of this machine; `cache` is where the content store is."""
    yield Check("python", sys.version.split()[0])
    yield _check_dependencies()
    yield _check_cache(cache)
    yield _check_running()
    yield _check_docker()


def _check_dependencies() -> Check:
    """Holds what is installed against what lambdabuild asks for: other releases may give other bytes."""
    wrong = []
    try:
        needed = metadata.requires(_DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        return Check("dependencies", "not known: lambdabuild is not installed as a package")
    for text in needed:
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            wrong += _unmet(requirement)
    if wrong:
        return Check("dependencies", ", ".join(wrong), "pip install --upgrade --force-reinstall lambdabuild")
    return Check("dependencies", "as lambdabuild asks for them")


def _unmet(requirement: Requirement) -> list[str]:
    """Returns what is wrong with one requirement, if anything is."""
    try:
        version = metadata.version(requirement.name)
    except metadata.PackageNotFoundError:
        return [f"{requirement.name} is missing"]
    if requirement.specifier.contains(version, prereleases=True):
        return []
    return [f"{requirement.name} {version} is not {requirement.specifier}"]


def _check_cache(cache: Path) -> Check:
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=cache):
            return Check("cache", str(cache))
    except OSError as error:
        return Check("cache", f"{cache} cannot be written: {error.strerror}", "set XDG_CACHE_HOME")


def _check_running() -> Check:
    try:
        return Check("run", choose_runner().describe())
    except ExternalError as error:
        return Check("run", "; ".join((error.message, *error.details)), error.hint or "install bubblewrap")


def _check_docker() -> Check:
    """Docker is a need of few: that it is not there is said, and is no fault."""
    problem = Docker().problem()
    return Check("docker", "answers" if problem is None else f"not needed but for build --load: {problem}")
