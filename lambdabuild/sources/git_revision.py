"""The name of a revision -> a commit, or what is wrong with the name."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lambdabuild.errors import UserError, did_you_mean
from lambdabuild.sources.git_repository import Repository, open_repository

_HASH = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_SHORT_HASH = re.compile(r"[0-9a-f]{4,64}")
# What follows a name of a ref: main~2, main^, main@{yesterday}, main:path.
_SUFFIX = re.compile(r"[~^:]|@\{")


@dataclass(frozen=True, slots=True)
class Revision:
    """A commit of the repository in which a workspace lies.

    name:   as somebody wrote it.
    commit: its full hash.
    prefix: where the workspace is below the top of the repository: "" or "sub/directory/".
    """

    name: str
    commit: str
    prefix: str
    repository: Repository


def find_revision(root: Path, name: str, env: Mapping[str, str]) -> Revision:
    """Returns the commit that `name` means in the repository of the workspace at `root`.

    env: the environment for git. Raises UserError.
    """
    repository, prefix = open_repository(root, env)
    if name.startswith("-") or not name:
        raise UserError(
            f"{name!r} is not a revision", hint="name a branch, a tag or a commit: main, v1.2, HEAD~1"
        )
    ran = repository.run("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
    commit = os.fsdecode(ran.out).strip()
    if ran.code != 0 or not _HASH.fullmatch(commit):
        raise _unknown(repository, name)
    return Revision(name, commit, prefix, repository)


def _unknown(repository: Repository, name: str) -> UserError:
    listed = repository.run("for-each-ref", "--format=%(refname:short)")
    refs = os.fsdecode(listed.out).split()
    base = _SUFFIX.split(name)[0]
    shallow = repository.run("rev-parse", "--is-shallow-repository").out.strip() == b"true"
    if shallow:
        hint = _deeper(repository, base, refs)
        return UserError(f"this clone is shallow and has no revision {name!r}", hint=hint)
    if repository.run("rev-parse", "--verify", "--quiet", name).code == 0 and not _HASH.fullmatch(name):
        return UserError(
            f"{name!r} is not a commit", hint="name a branch, a tag or a commit, not what is in it"
        )
    return UserError(f"there is no revision {name!r}", hint=_nearest(repository, base, refs))


def _deeper(repository: Repository, base: str, refs: Sequence[str]) -> str:
    """Returns the command that fetches what a shallow clone lacks."""
    remote = repository.remote
    known = base in ("HEAD", "@", "") or base in refs
    if _HASH.fullmatch(base):
        return f"git fetch --depth=1 {remote} {base}"
    if known or _SHORT_HASH.fullmatch(base):
        return "git fetch --unshallow"
    branch = base.removeprefix(f"{remote}/")
    return f"git fetch --depth=1 {remote} {branch}, and name it FETCH_HEAD; or git fetch --unshallow"


def _nearest(repository: Repository, base: str, refs: Sequence[str]) -> str:
    same = [ref for ref in refs if ref.endswith(f"/{base}")]
    if same:
        return f"did you mean {same[0]!r}?"
    if _HASH.fullmatch(base):
        return f"git fetch {repository.remote} {base}"
    return did_you_mean(base, refs) or "git branch --all; git tag; git log --oneline"
