"""Files written together: all of them, or none."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from lambdabuild.errors import ExternalError, UserError


def write_all(root: Path, files: Mapping[str, str], before: Mapping[str, str]) -> None:
    """Writes `files` (path below `root` -> text).

    before: path -> text of those that are there, and may be replaced.
    Raises UserError if another program has written one meanwhile, and ExternalError if
    one cannot be written; then all is as it was.
    """
    written: list[str] = []
    made: list[Path] = []
    try:
        for path, text in files.items():
            made += _directories(root, path)
            _write(root / path, text, before.get(path))
            written.append(path)
    except OSError as error:
        _restore(root, written, made, before)
        raise ExternalError(
            f"{path} cannot be written: {error.strerror}; nothing was changed",
            hint="make the directory writable, or free some space",
        ) from None
    except BaseException:
        _restore(root, written, made, before)
        raise


def _directories(root: Path, path: str) -> list[Path]:
    """Makes the directories of `path`; returns those that are new, outer ones first."""
    new = [each for each in (root / path).parents if not each.exists()]
    for each in reversed(new):
        each.mkdir()
    return list(reversed(new))


def _write(target: Path, text: str, before: str | None) -> None:
    if before is None:
        _write_new(target, text)
        return
    if target.read_bytes() != before.encode():
        raise UserError(f"{target.name} was changed by somebody else meanwhile", hint="run this again")
    with _beside(target, text) as temporary:
        os.chmod(temporary, target.stat().st_mode & 0o777)
        os.replace(temporary, os.path.realpath(target))


def _write_new(target: Path, text: str) -> None:
    """Writes a file that is not there; of two who try, one fails."""
    with _beside(target, text) as temporary:
        try:
            os.link(temporary, target)
        except FileExistsError:
            raise UserError(f"{target.name} has come to be meanwhile", hint="run this again") from None


@contextlib.contextmanager
def _beside(target: Path, text: str) -> Iterator[str]:
    """Gives a file with the text in the directory of `target`, and removes it if it is still there."""
    descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with open(descriptor, "w", encoding="utf-8", newline="") as file:
            file.write(text)
        os.chmod(temporary, 0o644)
        yield temporary
    finally:
        with contextlib.suppress(OSError):
            os.unlink(temporary)


def _restore(root: Path, written: list[str], made: list[Path], before: Mapping[str, str]) -> None:
    for path in reversed(written):
        with contextlib.suppress(OSError):
            if path in before:
                (root / path).write_text(before[path], encoding="utf-8", newline="")
            else:
                (root / path).unlink()
    for directory in reversed(made):
        with contextlib.suppress(OSError):
            directory.rmdir()
