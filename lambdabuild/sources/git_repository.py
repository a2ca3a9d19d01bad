"""A git repository, as far as a view of its objects needs it: where it is, and git run on it.

git gets lists of arguments and a clean environment. It fetches nothing, asks
nobody and takes no lock: what is not here is said to be missing.
"""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lambdabuild.errors import ExternalError, UserError

# Of git's variables those that are settings; the others say which repository, index and objects are meant.
_KEPT = (
    "GIT_ATTR_NOSYSTEM",
    "GIT_CEILING_DIRECTORIES",
    "GIT_CONFIG_",
    "GIT_DISCOVERY_ACROSS_FILESYSTEM",
    "GIT_EXEC_PATH",
)
# GIT_NO_LAZY_FETCH is known since git 2.39.4; older ones fetch in vain.
_QUIET = {"GIT_NO_LAZY_FETCH": "1", "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"}
_NO_FETCH = ("-c", "protocol.allow=never")


@dataclass(frozen=True, slots=True)
class Ran:
    """What became of one run of git. said: its standard error, lines without ends."""

    code: int
    out: bytes
    said: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository on this machine.

    git_dir:    its own directory, absolute: .git, that of a linked working tree, or a module's.
    common_dir: what linked working trees share of it, absolute.
    work_tree:  the top of its working tree, absolute; "" if there is none.
    module:     the path of the submodule that it is, in the workspace; "" for the workspace's own.
    env:        for git, from `environment`.
    """

    git_dir: str
    common_dir: str
    work_tree: str
    module: str
    env: Mapping[str, str] = field(repr=False)

    def command(self, *arguments: str) -> list[str]:
        """Returns the command line of git on this repository."""
        return ["git", *_NO_FETCH, f"--git-dir={self.git_dir}", *arguments]

    def run(
        self,
        *arguments: str,
        data: bytes = b"",
        cwd: str | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Ran:
        """Runs git on this repository; `env` is laid over its environment, `data` is its standard input."""
        return _run(self.command(*arguments), data, cwd or self.git_dir, {**self.env, **(env or {})})

    def setting(self, name: str) -> str | None:
        """Returns a setting of git, or None where it has no value."""
        ran = self.run("config", "--get", name)
        return os.fsdecode(ran.out).rstrip("\n") if ran.code == 0 else None

    @property
    def remote(self) -> str:
        """The remote to fetch from in a hint: origin, or the only other one."""
        names = os.fsdecode(self.run("remote").out).split()
        return names[0] if names and "origin" not in names else "origin"

    @property
    def git(self) -> str:
        """How a person in the workspace runs git on this repository, for hints."""
        if not self.work_tree:
            return f"git --git-dir={shlex.quote(self.git_dir)} --work-tree=."
        return f"git -C {shlex.quote(self.module)}" if self.module else "git"

    def lacks(self, what: str, said: Sequence[str] = ()) -> ExternalError:
        """Returns the error for objects that are not here: a partial clone, or a damaged repository."""
        promised = self.run("config", "--get-regexp", r"^remote\..*\.(promisor|partialclonefilter)$")
        if promised.code == 0:
            return ExternalError(
                f"{what} is not here: the repository is a partial clone",
                hint=f"{self.git} fetch --refetch --no-filter {self.remote}",
            )
        return ExternalError(
            f"{what} cannot be read from the repository", hint=f"{self.git} fsck", details=tuple(said)
        )


def open_repository(directory: Path, env: Mapping[str, str], *, module: str = "") -> tuple[Repository, str]:
    """Returns the repository that `directory` lies in, and where in it: "" or "sub/".

    Raises UserError where there is none, ExternalError where git is not installed.
    """
    clean = environment(env)
    asked = ("--absolute-git-dir", "--git-common-dir", "--show-toplevel", "--show-prefix")
    ran = _run(["git", "rev-parse", *asked], b"", str(directory), {**clean, "LC_ALL": "C"})
    lines = os.fsdecode(ran.out).split("\n")
    if ran.code != 0 or len(lines) != len(asked) + 1:
        raise _no_repository(directory, ran)
    git_dir, common, top, prefix, _ = lines
    return Repository(git_dir, os.path.join(directory, common), top, module, clean), prefix


def environment(env: Mapping[str, str]) -> dict[str, str]:
    """Returns `env` for git, without what a hook or an alias of git has set there."""
    return {n: v for n, v in env.items() if not n.startswith("GIT_") or n.startswith(_KEPT)} | _QUIET


def _run(command: list[str], data: bytes, cwd: str, env: Mapping[str, str]) -> Ran:
    try:
        ran = subprocess.run(command, input=data, cwd=cwd, env=env, capture_output=True, check=False)
    except FileNotFoundError:
        raise no_git() from None
    return Ran(ran.returncode, ran.stdout, tuple(os.fsdecode(ran.stderr).splitlines()))


def no_git() -> ExternalError:
    return ExternalError("git is not installed", hint="apt-get install git")


def _no_repository(directory: Path, ran: Ran) -> UserError:
    said = " ".join(ran.said)
    if "not a git repository" in said:
        return UserError(
            f"{directory} is not in a git repository",
            hint="compare what `lambdabuild hash //...` prints for two directories instead",
        )
    if "safe.directory" in said:
        hint: str | None = f"git config --global --add safe.directory {directory}"
    else:
        hint = "see what `git status` says there"
    return UserError(f"git cannot use the repository of {directory}", hint=hint, details=ran.said)
