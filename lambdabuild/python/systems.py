"""What installs packages: its tags, best first, and its markers; and which file of a package it takes.

Of a package's wheels that fit, the one whose tags come first is taken; of equal
tags the highest build number (PEP 427), then the first name.

Absent: the closure over requirements; see selection.
"""

from __future__ import annotations

import platform
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache, partial

from packaging import markers
from packaging import tags as packaging_tags
from packaging.tags import Tag
from packaging.utils import parse_wheel_filename

from lambdabuild.python.locked import LockedFile, LockedPackage
from lambdabuild.python.platforms import Combination, marker_environment, tags

_SHOWN = 3  # wheels in an error
_LEVELS = {"glibc 2": "manylinux_2", "musl 1": "musllinux_1"}


@dataclass(frozen=True, slots=True)
class System:
    """What a package is chosen for.

    name:        as an error calls it.
    ranks:       the tags of wheels that it installs -> 0 for the best, 1 for the next, ….
    environment: the extra that is asked for, or "" -> the values that markers see.
    combination: None for the machine that builds, which need not be one of Lambda's.
    """

    name: str
    ranks: Mapping[Tag, int]
    environment: Callable[[str], Mapping[str, str]]
    combination: Combination | None = None


def system_of(combination: Combination) -> System:
    """Returns the system that images of `combination` are."""
    return System(
        str(combination), _ranked(tags(combination)), partial(marker_environment, combination), combination
    )


@cache
def host_system() -> System:
    """Returns the Python that runs this, on this machine."""
    environment: dict[str, str] = {**markers.default_environment()}  # type: ignore[dict-item]
    name = "{}.{}".format(*sys.version_info)
    return System(
        f"the Python {name} on {sys.platform} ({platform.machine()}) that runs lambdabuild",
        _ranked(packaging_tags.sys_tags()),
        lambda extra: {**environment, "extra": extra},
    )


def _ranked(ordered: Iterable[Tag]) -> dict[Tag, int]:
    return {tag: rank for rank, tag in enumerate(dict.fromkeys(ordered))}


def best_wheel(package: LockedPackage, system: System) -> LockedFile | None:
    """Returns the wheel of `package` that `system` takes, or None where none fits."""
    fitting = []
    for file in package.files:
        if file.is_wheel:
            _, _, build, its_tags = parse_wheel_filename(file.name)
            ranks = [system.ranks[tag] for tag in its_tags if tag in system.ranks]
            if ranks:
                number, suffix = build or (0, "")
                fitting.append((-min(ranks), number, suffix, file))
    if not fitting:
        return None
    return max(fitting, key=lambda one: one[:3])[3]  # max gives the first of equals, and files are sorted


def misfits(package: LockedPackage, system: System) -> tuple[str, ...]:
    """Returns lines on why the wheels of `package` do not fit `system`, the nearest first."""
    told = sorted(_misfit(file, system) for file in package.files if file.is_wheel)
    lines = [f"{name} {reason}" for _, _, name, reason in told[:_SHOWN]]
    if len(told) > _SHOWN:
        lines.append(f"and {len(told) - _SHOWN} more")
    return tuple(lines)


def _misfit(file: LockedFile, system: System) -> tuple[int, int, str, str]:
    """Returns how far a wheel is from fitting (first by kind, then by libc levels), its name, and why."""
    its_tags = sorted(parse_wheel_filename(file.name)[3], key=str)
    distance, levels, reasons = 0, 0, []
    if not {(tag.interpreter, tag.abi) for tag in its_tags} & {(t.interpreter, t.abi) for t in system.ranks}:
        distance += 2
        reasons.append(f"is for {its_tags[0].interpreter}-{its_tags[0].abi}")
    if not {tag.platform for tag in its_tags} & {tag.platform for tag in system.ranks}:
        needed = _libc_levels(its_tags, system.combination)
        if system.combination and needed:
            series, newest = system.combination.libc_version
            distance, levels = distance + 1, min(needed) - newest
            reasons.append(f"needs {series}.{min(needed)}")
        else:
            distance += 4
            reasons.append(f"is for {its_tags[0].platform}")
    return distance, levels, file.name, ", ".join(reasons)


def _libc_levels(its_tags: Iterable[Tag], combination: Combination | None) -> list[int]:
    """Returns the minor versions of the combination's libc that a wheel is made for, if any."""
    if combination is None:
        return []
    level = re.compile(rf"{_LEVELS[combination.libc_version[0]]}_([0-9]+)_{combination.machine}")
    return [int(match[1]) for tag in its_tags if (match := level.fullmatch(tag.platform))]
