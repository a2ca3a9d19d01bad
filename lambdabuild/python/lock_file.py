"""python.lock: a `Lock` as TOML, and back.

    version = 1
    combinations = ["python 3.12, glibc 2.34, linux/amd64"]
    requirements = ["boto3>=1.34"]

    [[package]]
    name = "boto3"
    version = "1.34.0"
    requires = ["botocore<1.35.0,>=1.34.0"]         # left out where there are none
    extras = []                                     # left out likewise
    combinations = []                               # left out where it is for all
    build = []                                      # left out where nothing is to be built
    files = [{ name = "…", size = 139000, sha256 = "…" }]

    [[build]]                                       # one for each set of build requirements
    requires = ["hatchling>=1.27"]

    [[build.package]]                               # without combinations and build
    name = "hatchling"

One entry a line, so that a merge or a review sees single packages. `print_lock`
gives equal bytes for equal locks, on any machine and with any library;
`parse_lock` takes any TOML that says the same.

Absent: reading and writing the file.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from lambdabuild.python.lock import Lock, LockedFile, LockedPackage
from lambdabuild.python.lock_reader import FILE_NAME, VERSION, parse_lock

__all__ = ["FILE_NAME", "VERSION", "parse_lock", "print_lock"]

HEADER = "# Made by `lambdabuild lock` from the requirements of the workspace; change those, not this file.\n"


def print_lock(lock: Lock) -> bytes:
    """Returns the lock as the bytes of a file."""
    parts = [HEADER, f"version = {VERSION}\n"]
    parts.append(_array("combinations", map(_string, map(str, lock.combinations))))
    parts.append(_array("requirements", map(_string, lock.requirements)))
    for package in lock.packages:
        parts += ["\n[[package]]\n", *_package(package)]
    for build in lock.builds:
        parts += ["\n[[build]]\n", _array("requires", map(_string, build.requires))]
        for package in build.packages:
            parts += ["\n[[build.package]]\n", *_package(package)]
    return "".join(parts).encode()


def _package(package: LockedPackage) -> Iterator[str]:
    yield f"name = {_string(package.name)}\nversion = {_string(package.version)}\n"
    for key, values in (
        ("requires", package.requires),
        ("extras", package.extras),
        ("combinations", tuple(map(str, package.combinations))),
        ("build", package.build),
    ):
        if values:
            yield _array(key, map(_string, values))
    yield _array("files", map(_file, package.files))


def _array(key: str, items: Iterable[str]) -> str:
    lines = "".join(f"    {item},\n" for item in items)
    return f"{key} = [\n{lines}]\n" if lines else f"{key} = []\n"


def _file(file: LockedFile) -> str:
    return f"{{ name = {_string(file.name)}, size = {file.size}, sha256 = {_string(file.sha256)} }}"


def _string(text: str) -> str:
    """A JSON string of printable text, and a Lock holds no other, is a TOML string."""
    return json.dumps(text, ensure_ascii=False)
