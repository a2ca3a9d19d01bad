"""The commit that the workspace stands on, and whether files differ from it: for people, never hashed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lambdabuild.errors import LambdaBuildError
from lambdabuild.sources.git_repository import open_repository


@dataclass(frozen=True, slots=True)
class Revision:
    """commit: 40 hex digits, "" where there is no repository. dirty: files of the workspace differ."""

    commit: str = ""
    dirty: bool = False

    def __str__(self) -> str:
        if not self.commit:
            return "no revision"
        return f"{self.commit[:12]}{' with changes' if self.dirty else ''}"


def revision_of(root: Path, env: Mapping[str, str]) -> Revision:
    """Returns the revision of a workspace; none where git or a repository is lacking."""
    try:
        repository, _ = open_repository(root, env)
    except LambdaBuildError:
        return Revision()
    head = repository.run("rev-parse", "--verify", "--quiet", "HEAD")
    if head.code != 0 or not repository.work_tree:
        return Revision()
    tree = f"--work-tree={repository.work_tree}"
    status = repository.run(tree, "status", "--porcelain", "-z", "--", ".", cwd=str(root))
    return Revision(os.fsdecode(head.out).strip(), status.code != 0 or bool(status.out))
