"""A buildspec, version 0.2: the parts that run. YAML text -> Buildspec.

Format: "Build specification reference for CodeBuild". Absent: artifacts, reports, caches, batches,
parameter-store and secrets-manager, which are refused where they would change what runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

PHASES = ("INSTALL", "PRE_BUILD", "BUILD", "POST_BUILD")


class BuildspecError(Exception):
    """A buildspec that CodeBuild would not take."""


@dataclass(frozen=True)
class Phase:
    """on_failure: "ABORT", "CONTINUE" or, if nothing is said, ""."""

    commands: tuple[str, ...] = ()
    finally_commands: tuple[str, ...] = ()
    on_failure: str = ""


@dataclass(frozen=True)
class Buildspec:
    shell: str
    variables: Mapping[str, str]
    phases: Mapping[str, Phase]


def parse(text: str) -> Buildspec:
    """Returns what `text` says. Raises BuildspecError."""
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise BuildspecError(str(error)) from None
    if not isinstance(document, dict) or str(document.get("version")) != "0.2":
        raise BuildspecError("version must be 0.2")
    environment = _mapping(document, "env")
    if unknown := environment.keys() - {"shell", "variables", "exported-variables"}:
        raise BuildspecError(f"this stand-in knows no env/{min(unknown)}")
    phases = _mapping(document, "phases")
    if unknown := phases.keys() - {name.lower() for name in PHASES}:
        raise BuildspecError(f"unknown phase {min(unknown)}")
    return Buildspec(
        shell=str(environment.get("shell", "sh")),
        variables={str(name): str(value) for name, value in _mapping(environment, "variables").items()},
        phases={name.upper(): _phase(_mapping(phases, name)) for name in phases},
    )


def _phase(document: dict[str, Any]) -> Phase:
    on_failure = str(document.get("on-failure", ""))
    if on_failure not in ("", "ABORT", "CONTINUE"):
        raise BuildspecError(f"this stand-in knows no on-failure: {on_failure}")
    return Phase(_commands(document, "commands"), _commands(document, "finally"), on_failure)


def _commands(document: dict[str, Any], name: str) -> tuple[str, ...]:
    commands = document.get(name) or []
    if not isinstance(commands, list) or not all(isinstance(each, str) for each in commands):
        raise BuildspecError(f"{name} must be a list of strings")
    return tuple(commands)


def _mapping(document: dict[str, Any], name: str) -> dict[str, Any]:
    value = document.get(name) or {}
    if not isinstance(value, dict):
        raise BuildspecError(f"{name} must be a mapping")
    return value
