"""The bytes of a file that is known by size and sha256 -> that file, whole or not at all."""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from lambdabuild.errors import ExternalError
from lambdabuild.python.index.problem import Kind, Problem


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file by name and content.

    project: as its users write it.
    sha256:  64 lower-case hex digits.
    """

    project: str
    filename: str
    size: int
    sha256: str

    def refuse_size(self, host: str, size: int) -> None:
        """Raises Problem if `size` is another."""
        if size != self.size:
            raise Problem(host, f"has it with {size} bytes instead of {self.size}", Kind.WRONG)


def write(wanted: Wanted, pieces: Iterable[bytes], host: str, target: Path) -> None:
    """Writes `pieces` to `target`, which stays as it was until all of them are there and fit.

    Memory: one piece. Meanwhile there is a file beside `target`, with ".part"
    after its name; it is gone afterwards, whatever happens.

    Raises Problem, and ExternalError when this machine cannot write.
    """
    part = target.with_name(f"{target.name}.part")
    hasher, count = hashlib.sha256(), 0
    try:
        with part.open("wb") as out:
            for piece in pieces:
                count += len(piece)
                if count > wanted.size:
                    raise Problem(host, f"gave more than its {wanted.size} bytes", Kind.WRONG)
                hasher.update(piece)
                out.write(piece)
        if count < wanted.size:
            raise Problem(host, f"gave only {count} of its {wanted.size} bytes", again=True)
        if hasher.hexdigest() != wanted.sha256:
            reason = f"gave other bytes: sha256 {hasher.hexdigest()} instead of {wanted.sha256}"
            raise Problem(host, reason, Kind.WRONG)
        part.replace(target)
    except OSError as error:
        raise ExternalError(
            f"cannot write {wanted.filename}: {error.strerror}",
            hint="df -h; df -i" if error.errno == errno.ENOSPC else None,
        ) from error
    finally:
        part.unlink(missing_ok=True)
