"""How many lines of a file came and went, where its old bytes can be found.

Sources are not kept in the content store: the bytes of before are there only if
something else put them there, or among the last revisions of the file in git.
"""

from __future__ import annotations

import difflib
import os
import subprocess
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from lambdabuild.digest import Digest, digest_of
from lambdabuild.errors import LambdaBuildError
from lambdabuild.explain.change import Change
from lambdabuild.store import ContentStore

_MAX_BYTES = 1 << 20
_REVISIONS = 20
_GIT_SECONDS = 20

Read = Callable[[Digest], Iterable[bytes]]


class LineCounts:
    """Counts for the `edited` changes of a workspace.

    root:     the workspace.
    contents: gives the bytes of files as they are now.
    store:    where bytes of before may be.
    """

    def __init__(self, root: Path, contents: Read, store: ContentStore) -> None:
        self._root = root
        self._contents = contents
        self._store = store

    def __call__(self, change: Change) -> tuple[int, int] | None:
        """Returns the lines added and removed, or None where they cannot be counted."""
        if change.kind != "edited" or change.place.startswith("/"):
            return None
        old, new = Digest.parse(change.old), Digest.parse(change.new)
        if max(old.size, new.size) > _MAX_BYTES:
            return None
        before, now = self._before(change.place, old), self._bytes(self._contents, new)
        if before is None or now is None or b"\0" in before + now:
            return None
        return count_lines(before, now)

    def _before(self, path: str, digest: Digest) -> bytes | None:
        if not self._store.missing([digest]):
            return self._bytes(self._store.pieces, digest)
        versions = _git_versions(self._root, path, digest.size)
        return next((data for data in versions if digest_of(data) == digest), None)

    def _bytes(self, read: Read, digest: Digest) -> bytes | None:
        try:
            return b"".join(read(digest))
        except LambdaBuildError:
            return None  # a count is not worth an error


def count_lines(before: bytes, now: bytes) -> tuple[int, int]:
    """Returns how many lines a shortest edit adds and removes, about as git counts them."""
    matcher = difflib.SequenceMatcher(None, before.splitlines(True), now.splitlines(True), autojunk=False)
    changed = [code for code in matcher.get_opcodes() if code[0] != "equal"]
    return sum(j2 - j1 for *_, j1, j2 in changed), sum(i2 - i1 for _, i1, i2, *_ in changed)


def _git_versions(root: Path, path: str, size: int) -> Iterator[bytes]:
    """Yields the contents of that size that the file had in git's last revisions of it, the latest first."""
    log = _git(root, "log", f"-{_REVISIONS}", "--format=%H", "--", path)
    for revision in (log or b"").decode().split():
        data = _git(root, "cat-file", "blob", f"{revision}:./{path}")
        if data is not None and len(data) == size:
            yield data


def _git(root: Path, *arguments: str) -> bytes | None:
    """Returns what git prints; None where it fails, is not there, or takes too long."""
    # In a hook of git, its variables name another repository, or an index that is being made.
    env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        ran = subprocess.run(
            ["git", "-C", str(root), "--literal-pathspecs", "--no-optional-locks", *arguments],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_GIT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return ran.stdout if ran.returncode == 0 else None
