"""Submodules of a commit: which repository of this machine has their files."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path

from lambdabuild.errors import ExternalError, UserError
from lambdabuild.sources.git_repository import Repository, open_repository

FILE_NAME = ".gitmodules"


def module_names(repository: Repository, commit: str) -> Mapping[str, str]:
    """Returns the names of submodules by their paths in the repository, as the commit's .gitmodules says."""
    ran = repository.run(
        "config", "-z", f"--blob={commit}:{FILE_NAME}", "--get-regexp", r"^submodule\..*\.path$"
    )
    found = {}
    for entry in os.fsdecode(ran.out).split("\0") if ran.code == 0 else ():
        key, _, path = entry.partition("\n")
        found[path] = key.removeprefix("submodule.").removesuffix(".path")
    return found


def find_module(repository: Repository, path: str, shown: str, name: str | None, commit: str) -> Repository:
    """Returns the repository of a submodule that has `commit`; raises ExternalError if it is not here.

    path:  where the submodule is in `repository`.
    shown: the same as seen from the workspace, for messages and hints.
    name:  its name in .gitmodules, if it has one.
    """
    module = _repository(repository, path, shown, name)
    if module is None:
        raise ExternalError(
            f"the submodule {shown} is not here",
            hint=f"git submodule update --init {shlex.quote(shown)}",
        )
    if module.run("cat-file", "-e", f"{commit}^{{commit}}").code != 0:
        raise ExternalError(
            f"the submodule {shown} is here, but not its commit {commit}",
            hint=f"{module.git} fetch {module.remote} {commit}",
        )
    return module


def _repository(repository: Repository, path: str, shown: str, name: str | None) -> Repository | None:
    checked_out = Path(repository.work_tree, path)
    if {".", ".."} & set(f"{path}/{name or ''}".split("/")):  # what git refuses as well
        return None
    if repository.work_tree and os.path.lexists(checked_out / ".git"):
        try:
            found, prefix = open_repository(checked_out, repository.env, module=shown)
        except UserError:
            return None
        return found if not prefix else None
    # The module of another revision may be absorbed, and not be checked out now.
    for parent in dict.fromkeys((repository.git_dir, repository.common_dir)):
        git_dir = os.path.join(parent, "modules", name or path)
        if os.path.isfile(os.path.join(git_dir, "HEAD")):
            # Its setting core.worktree names a directory that need not exist.
            return Repository(git_dir, git_dir, "", shown, {**repository.env, "GIT_WORK_TREE": git_dir})
    return None
