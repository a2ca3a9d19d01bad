"""The file that keeps one answer, and the status of everything it stands on.

A state says: this question, asked while all these paths had these statuses, was
answered so. It is data and no program: integers, paths and lines, so that a
damaged one can mislead nobody and crash nothing. Where it lies, only its user
writes; whoever can write there can write to the stores beside it as well.
Imports next to nothing, since every start pays for it.

    "lambdabuild state 1", a line end
    eight bytes each, little-endian: CRC-32 of all that follows, then the sizes of seven parts
    question     what was asked, by whom, of which lambdabuild
    root         the workspace, which relative paths are seen from
    paths        each followed by a zero byte
    statuses     of each path six numbers of eight bytes, in this machine's order:
                 size, mtime_ns, ctime_ns, inode, mode, device; all zero for one that has to be read again
    answer       pieces of what is printed, each followed by a zero byte: "1" for
                 stdout or "2" for stderr, and the text, where SECONDS stands for the time it took
    held         names of the store's files that the answer needs, each followed by a zero byte
    basis        JSON of what the answer was made of, for those who make the next one
"""

from __future__ import annotations

import os
import struct
from binascii import crc32

TYPE_CHECKING = False
if TYPE_CHECKING:  # every start would pay for it
    from collections.abc import Iterable, Sequence

_MAGIC = b"lambdabuild state 1\n"
_PARTS = 7
NUMBERS = 6
"""How many numbers a status is."""

SIZE, CHANGED, MODE, DEVICE = 0, 2, 4, 5
"""Which of them is which."""

StatusError = struct.error
"""A number of a status is too large, or a time lies before 1970."""

BYTES = 8 * NUMBERS
SECONDS = "\x1f"


class State:
    """An answer and what it stands on. The parts are those of the file, as bytes."""

    __slots__ = ("answer", "basis", "held", "paths", "question", "root", "statuses")

    def __init__(
        self,
        question: bytes,
        root: bytes,
        paths: bytes,
        statuses: bytes,
        answer: bytes,
        held: bytes = b"",
        basis: bytes = b"",
    ) -> None:
        self.question = question
        self.root = root
        self.paths = paths
        self.statuses = statuses
        self.answer = answer
        self.held = held
        self.basis = basis

    def mode(self, number: int) -> int:
        """Returns the mode that the path of that number had; 0 if it was not to be believed."""
        found: int = struct.unpack_from("=Q", self.statuses, number * BYTES + 8 * MODE)[0]
        return found

    def encode(self) -> bytes:
        """Returns the bytes of the file."""
        parts = (
            *(self.question, self.root, self.paths, self.statuses),
            *(self.answer, self.held, self.basis),
        )
        return joined(_MAGIC, parts)


def decode(data: bytes) -> State | None:
    """Returns the state that a file holds; None for one that is damaged or of another version."""
    parts = parts_of(data, _MAGIC, _PARTS)
    state = State(*parts) if parts else None
    return state if state and len(state.statuses) == BYTES * state.paths.count(b"\0") else None


def joined(magic: bytes, parts: Sequence[bytes]) -> bytes:
    """Returns the bytes of a file: `magic`, the CRC-32 of all that follows, the sizes of parts, the parts."""
    sizes = b"".join(len(part).to_bytes(8, "little") for part in parts)
    rest = b"".join((sizes, *parts))
    return magic + crc32(rest).to_bytes(8, "little") + rest


def parts_of(data: bytes, magic: bytes, count: int) -> list[bytes] | None:
    """Returns the parts of such a file; None for one that is damaged, or begins or ends otherwise."""
    start = len(magic) + 8 * (1 + count)
    if len(data) < start or not data.startswith(magic):
        return None
    rest = memoryview(data)[len(magic) + 8 :]
    if crc32(rest) != int.from_bytes(data[len(magic) : len(magic) + 8], "little"):
        return None
    sizes = [int.from_bytes(rest[8 * each : 8 * each + 8], "little") for each in range(count)]
    if len(data) != start + sum(sizes):
        return None
    parts = []
    for size in sizes:
        parts.append(data[start : start + size])
        start += size
    return parts


def rows(part: bytes, size: int) -> Iterable[bytes]:
    """Returns the entries of a part that are all of that size, in bytes."""
    return (part[start : start + size] for start in range(0, len(part), size))


def read(path: str, question: bytes) -> State | None:
    """Returns the state at `path` if it answers `question`; None for whatever else is there, or nothing."""
    try:
        with open(path, "rb") as file:
            state = decode(file.read())
    except OSError:
        return None
    return state if state and state.question == question else None


def place(cache: str, question: bytes) -> str:
    """Returns where the state of a question lies below the cache directory."""
    return f"{cache}/state/{crc32(question):08x}{len(question):08x}"


def statuses(paths: list[bytes]) -> bytes:
    """Returns the statuses of `paths`, links not followed; raises OSError where there is none."""
    found: list[int] = []
    add = found.extend
    for each in map(os.lstat, paths):
        add((each.st_size, each.st_mtime_ns, each.st_ctime_ns, each.st_ino, each.st_mode, each.st_dev))
    return packed(found)


def packed(numbers: list[int]) -> bytes:
    """Returns the bytes of statuses, all numbers in a row."""
    return struct.pack(f"={len(numbers)}Q", *numbers)  # importing array costs more than all the rest


def status_of(each: os.stat_result) -> tuple[int, ...]:
    """Returns the numbers of a status."""
    return (each.st_size, each.st_mtime_ns, each.st_ctime_ns, each.st_ino, each.st_mode, each.st_dev)
