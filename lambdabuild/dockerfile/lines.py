"""The lines of a Dockerfile, put into a form in which dockerfile-parse finds what BuildKit finds.

The library knows comments, continuation lines and the escape directive. It does
not know heredocs, empty lines within an instruction, a last line that continues,
an escaped backslash at a line's end, or directives other than two. Here such
lines are replaced, each by one line, so that all numbers stay.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from lambdabuild.dockerfile.shell import HERE, heredoc_name, raw_words
from lambdabuild.errors import Location, UserError

MAX_BYTES = 1 << 20

# Keeps the library from taking the last of two backslashes for a continuation.
END = "\ue000"

_DIRECTIVE = re.compile(r"\s*#\s*([A-Za-z][A-Za-z0-9]*)\s*=\s*(.+?)\s*")
_DIRECTIVES = ("syntax", "escape", "check")


@dataclass(frozen=True, slots=True)
class Lines:
    """A Dockerfile for the library.

    text:     as many lines as the file has.
    starts:   the lines (from 1) on which instructions begin.
    heredocs: whether there are any.
    syntax:   what a `# syntax=` line names, and syntax_line where; "" and 0 for none.
    """

    text: str
    starts: tuple[int, ...]
    heredocs: bool
    escape: str
    syntax: str
    syntax_line: int


def split_lines(text: str) -> list[str]:
    """Returns the lines without their ends; a byte order mark is not part of the first."""
    return text.removeprefix("\ufeff").split("\n")


def prepare(path: str, text: str) -> Lines:
    """Returns the lines; raises UserError for directives and heredocs that are wrong, or too much of it."""
    if len(text.encode(errors="replace")) > MAX_BYTES:
        raise UserError(
            "the file is larger than 1 MiB, and no Dockerfile is",
            at=Location(path),
            hint="name another file in dockerfile",
        )
    lines = split_lines(text)
    directives = _directives(path, lines)
    escape, _ = directives.get("escape", ("\\", 0))
    syntax, syntax_line = directives.get("syntax", ("", 0))
    scan = _Scan(path, lines, escape)
    head = head_length(lines)
    scan.run(head)
    out = [_neutral(line) for line in scan.out]
    for number in range(head):
        out[number] = "# syntax=x"  # the library looks for `escape` as long as it sees what it knows
    if escape != "\\":
        out[directives["escape"][1] - 1] = f"# escape={escape}"
    return Lines("\n".join(out), tuple(scan.starts), scan.heredocs, escape, syntax, syntax_line)


def _neutral(line: str) -> str:
    """Returns `line`, unless it is a comment: nothing in one matters from here on."""
    return "#" if line.lstrip().startswith("#") else line


def head_length(lines: list[str]) -> int:
    """Returns how many lines hold parser directives; all of them come first."""
    for number, line in enumerate(lines):
        match = _DIRECTIVE.fullmatch(line.rstrip("\r"))
        if match is None or match[1].lower() not in _DIRECTIVES:
            return number
    return len(lines)


def _directives(path: str, lines: list[str]) -> dict[str, tuple[str, int]]:
    """Returns name -> (value, line) of the parser directives."""
    found: dict[str, tuple[str, int]] = {}
    for number, line in enumerate(lines[: head_length(lines)], 1):
        match = _DIRECTIVE.fullmatch(line.rstrip("\r"))
        assert match is not None  # it belongs to the head
        name, value = match[1].lower(), match[2]
        if name in found:
            raise UserError(
                f"there are two '{name}' directives", at=Location(path, number), hint="drop one of them"
            )
        found[name] = (value, number)
    value, number = found.get("escape", ("\\", 0))
    if value not in ("\\", "`"):
        raise UserError(
            f"the escape directive is {value[:20]!r}, and only \\ and ` can be",
            at=Location(path, number),
            hint="write # escape=` or drop the line",
        )
    return found


class _Scan:
    """One pass over the lines: which belong to instructions, which to bodies of heredocs."""

    def __init__(self, path: str, lines: list[str], escape: str) -> None:
        self.starts: list[int] = []
        self.heredocs = False
        self.out = list(lines)
        self._path = path
        self._lines = lines
        self._escape = escape
        mark = re.escape(escape)
        self._continues = re.compile(rf"(?:^|[^{mark}]){mark}[ \t]*$")
        self._ends_escaped = re.compile(rf"{mark}\s*$")

    def run(self, first: int) -> None:
        number = first
        while number < len(self._lines):
            if not _blank(self._lines[number]):
                number = self._instruction(number)
            number += 1

    def _instruction(self, start: int) -> int:
        """Reads the instruction that begins at `start`; returns its last line, or that of its heredocs."""
        self.starts.append(start + 1)
        joined, number, last = "", start, start
        while True:
            line = self._lines[number].rstrip("\r")
            if number > start and _blank(line):
                self.out[number] = "#"
            else:
                last = number
                match = self._continues.search(line)
                if match is None:
                    joined += line
                    break
                joined += line[: line.rindex(self._escape)]
            if number + 1 == len(self._lines):
                break
            number += 1
        self._end(last)
        return self._skip_heredocs(joined, start, number)

    def _end(self, last: int) -> None:
        """Sees to it that the library ends the instruction with line `last`."""
        line = self.out[last].rstrip()
        if self._continues.search(line):
            self.out[last] = line[: line.rindex(self._escape)]
        elif self._ends_escaped.search(line):
            self.out[last] = line + END

    def _skip_heredocs(self, joined: str, start: int, number: int) -> int:
        for name, strips in self._heredocs_of(joined):
            self.heredocs = True
            while True:
                number += 1
                if number == len(self._lines):
                    raise UserError(
                        f"the heredoc <<{name} does not end",
                        at=Location(self._path, start + 1),
                        hint=f"add a line that holds {name} alone",
                    )
                line = self._lines[number].rstrip("\r")
                self.out[number] = ""
                if (line.lstrip("\t") if strips else line) == name:
                    break
        return number

    def _heredocs_of(self, joined: str) -> Iterator[tuple[str, bool]]:
        """Yields name and whether tabs are stripped, of each heredoc that begins in an instruction."""
        instruction, *rest = joined.split(None, 1) or [""]
        if instruction.upper() in ("RUN", "COPY", "ADD"):
            for word in raw_words("".join(rest), self._escape):
                match = HERE.fullmatch(word)
                if match and (name := heredoc_name(match, self._escape)):
                    yield name, bool(match[2])


def _blank(line: str) -> bool:
    text = line.strip()
    return not text or text.startswith("#")
