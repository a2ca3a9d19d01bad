"""What a build backend printed -> why it failed, in one sentence if it can be told.

The texts are those of hatchling, setuptools, flit-core, poetry-core and uv-build,
and Python's own. A text that is not known costs only the better sentence.
"""

from __future__ import annotations

import os
import posixpath
import re
from pathlib import Path
from typing import Final

from lambdabuild.errors import ActionFailed, escaped

LINES: Final = 30
"""How many of the last lines are shown."""

_TAIL_BYTES = 64 << 10
_LONGEST_LINE = 400

_MISSING: Final = tuple(
    re.compile(pattern)
    for pattern in (
        r"(?:Readme|License) file does not exist: (?P<path>.+)",
        r"(?:Description file|License(?: file)?) (?P<path>\S.*?) does not exist",
        r"Readme path [`'](?P<path>.+?)[`'] does not exist",
        r"license file '(?P<path>.+?)' not found",
        r"No files found for \[project\.license-files\]: '(?P<path>.+?)' pattern",
        r"No files found for license file glob pattern '(?P<path>.+?)'",
        r"`project\.license-files` glob `(?P<path>.+?)` did not match any files",
        r"failed to open file `(?P<path>.+?)`: No such file or directory",
        r"No such file or directory: '(?P<path>.+?)'",
        r"[Ff]ile '(?P<path>.+?)' cannot be found",
    )
)


def failed(project: str, backend: str, source: Path, output: str) -> ActionFailed:
    """Returns the error for a backend that did not succeed.

    source: the project's directory.
    output: what the backend printed.
    """
    details = last_lines(output)
    path = missing_file(source, output)
    if path is not None:
        return ActionFailed(
            f"{project} needs {path} to be built, and its sources do not have it",
            hint="add it to srcs (or data)",
            details=details,
        )
    return ActionFailed(
        f"{backend} could not build the wheel of {project}",
        hint="its own words are the last lines; all files that it reads have to be in srcs or data",
        details=details,
    )


def missing_file(source: Path, output: str) -> str | None:
    """Returns the file, or pattern of files, that a backend says is missing in `source`, or None."""
    if "_execute_child" in output:
        return None  # a program is missing, which Python tells with the same words
    for line in reversed(output.splitlines()):
        for pattern in _MISSING:
            match = pattern.search(line)
            if match and (path := _below(source, match["path"])):
                return path
    return None


def _below(source: Path, text: str) -> str | None:
    """Returns `text` relative to the project's directory, or None if it does not lie there."""
    root = os.path.realpath(source)
    path = text if text.startswith("/") else posixpath.join(root, text)
    for start in (root, os.path.abspath(source)):
        relative = posixpath.relpath(posixpath.normpath(path), start)
        if not relative.startswith("..") and relative != "." and not (source / relative).exists():
            return printable(relative)
    return None


def last_lines(output: str) -> tuple[str, ...]:
    """Returns the last lines of what a program printed, without anything that a terminal acts upon."""
    lines = [printable(line.rstrip()) for line in re.split(r"\r?\n", output.strip("\r\n"))]
    return tuple(line[:_LONGEST_LINE] for line in lines[-LINES:]) if any(lines) else ()


def printable(text: str) -> str:
    """Returns `text` with tabs as spaces and other unprintable characters as escapes; colours are dropped."""
    return escaped(re.sub(r"\x1b\[[0-9;]*m", "", text).expandtabs())


def read_tail(path: Path) -> str:
    """Returns the end of what a program printed into a file."""
    with open(path, "rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
        return file.read().decode(errors="replace")
