"""What a Python on a system can install: tags of wheels, values of markers, pex's platform document.

All of it follows from a `Combination`, with no table of releases: a new Python
or glibc needs no new lambdabuild. Nothing is asked of the interpreter or the
machine that runs this.

Sources: PEP 425 (tags), PEP 600 and 656 (manylinux, musllinux), PEP 508
(markers). Absent: PyPy, free-threaded and debug builds, systems but Linux.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from packaging import tags as packaging_tags
from packaging.tags import Tag

from lambdabuild.errors import UserError, did_you_mean

MACHINES = {"linux/amd64": "x86_64", "linux/arm64": "aarch64"}
"""Container platform -> what Linux, wheels and markers call the machine."""

_OLDEST_GLIBC = {"x86_64": 5, "aarch64": 17}  # the minor of 2.x that manylinux begins with
_LEGACY = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
_PYTHON = re.compile(r"(3\.(?:0|[1-9][0-9]{0,2}))(?:[.a-z+][0-9A-Za-z.+]*)?", re.ASCII)
_LIBC = re.compile(r"(glibc 2|musl 1)\.(0|[1-9][0-9]{0,2})(?:\.[0-9]+)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Combination:
    """A kind of system that third-party packages are resolved and chosen for.

    python:   of CPython, without the patch level: "3.12". Markers see 3.12.0.
    libc:     "glibc 2.34" or "musl 1.2".
    platform: OCI style: "linux/amd64" or "linux/arm64".

    `of` makes one that is certainly well formed.
    """

    python: str
    libc: str
    platform: str

    @classmethod
    def of(cls, python: str, libc: str, platform: str) -> Combination:
        """Returns the combination, without patch levels; raises UserError for what is not understood."""
        known_python = _PYTHON.fullmatch(python)
        if not known_python:
            raise UserError(f"{python!r} is not a version of Python 3", hint='write it like "3.12"')
        known_libc = _LIBC.fullmatch(libc)
        if not known_libc:
            raise UserError(
                f"{libc!r} is not a C library that wheels are made for",
                hint='write it like "glibc 2.34" or "musl 1.2"',
            )
        if platform not in MACHINES:
            raise UserError(
                f"{platform!r} is not a platform that Lambda runs",
                hint=did_you_mean(platform, MACHINES) or f"there are {', '.join(MACHINES)}",
            )
        return cls(known_python[1], f"{known_libc[1]}.{known_libc[2]}", platform)

    @classmethod
    def parse(cls, text: str) -> Combination:
        """Returns the combination that `str` printed; raises UserError if `text` is not one."""
        parts = text.split(", ")
        if len(parts) != 3 or not parts[0].startswith("python "):
            raise UserError(
                f"{text!r} does not say for which Python, libc and platform",
                hint='write it like "python 3.12, glibc 2.34, linux/amd64"',
            )
        return cls.of(parts[0].removeprefix("python "), parts[1], parts[2])

    def __str__(self) -> str:
        return f"python {self.python}, {self.libc}, {self.platform}"

    def __lt__(self, other: Combination) -> bool:
        """Older Pythons first, then older C libraries: 3.9 before 3.12."""
        return self._order() < other._order()

    def _order(self) -> tuple[tuple[int, ...], str, int, str]:
        return self.version, *self.libc_version, self.platform

    def serves(self, asked: Combination) -> bool:
        """Returns whether what is resolved for this one runs on `asked`: the same, or a newer C library."""
        series, minor = self.libc_version
        other_series, other_minor = asked.libc_version
        same = (self.python, self.platform, series) == (asked.python, asked.platform, other_series)
        return same and minor <= other_minor

    @property
    def version(self) -> tuple[int, int]:
        """Of Python: (3, 12)."""
        major, minor = self.python.split(".")
        return int(major), int(minor)

    @property
    def libc_version(self) -> tuple[str, int]:
        """Of the C library: ("glibc 2", 34)."""
        series, _, minor = self.libc.rpartition(".")
        return series, int(minor)

    @property
    def machine(self) -> str:
        """What Linux calls the processor: "x86_64"."""
        return MACHINES[self.platform]


def tags(combination: Combination) -> list[Tag]:
    """Returns the tags of wheels that can be installed, the best first, without duplicates.

    In packaging's order, but linux_* after manylinux_*: it does not say what the
    wheel needs of the system.
    """
    version = combination.version
    interpreter = "cp{}{}".format(*version)
    platforms = list(_platform_tags(combination))
    # The ABI is named, or packaging would take it from the interpreter that runs this.
    found = [*packaging_tags.cpython_tags(version, abis=[interpreter], platforms=platforms)]
    found += packaging_tags.compatible_tags(version, interpreter=interpreter, platforms=platforms)
    return list(dict.fromkeys(found))


def _platform_tags(combination: Combination) -> Iterator[str]:
    series, newest = combination.libc_version
    machine = combination.machine
    if series == "glibc 2":
        for minor in range(newest, _OLDEST_GLIBC[machine] - 1, -1):
            yield f"manylinux_2_{minor}_{machine}"
            if minor in _LEGACY:
                yield f"{_LEGACY[minor]}_{machine}"
    else:
        for minor in range(newest, -1, -1):
            yield f"musllinux_1_{minor}_{machine}"
    yield f"linux_{machine}"


def marker_environment(combination: Combination, extra: str = "") -> dict[str, str]:
    """Returns the value of every variable that a marker can name (PEP 508).

    extra: the one that is asked for, normalised; "" for none. The kernel's
    release and version are not known when an image is built, and empty.
    """
    full = f"{combination.python}.0"
    return {
        "implementation_name": "cpython",
        "implementation_version": full,
        "os_name": "posix",
        "platform_machine": combination.machine,
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_system": "Linux",
        "platform_version": "",
        "python_full_version": full,
        "python_version": combination.python,
        "sys_platform": "linux",
        "extra": extra,
    }


def pex_complete_platform(combination: Combination) -> dict[str, object]:
    """Returns the document that `pex3 lock create --complete-platform` takes, to be written as JSON."""
    environment = marker_environment(combination)
    del environment["extra"]
    return {
        "path": None,
        "compatible_tags": [str(tag) for tag in tags(combination)],
        "marker_environment": environment,
    }
