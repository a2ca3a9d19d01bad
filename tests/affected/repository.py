"""A git repository with a workspace in it, and what a real checkout of its revisions hashes to."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

from lambdabuild.affected import Affected, affected, state_of, working_state
from lambdabuild.evaluation import Question
from lambdabuild.kept_blobs import KeptBlobs
from lambdabuild.label import parse_pattern
from lambdabuild.workspace import load_workspace
from tests.project import Project

Hashes = Mapping[str, Mapping[str, str]]
"""Hashes by short label and platform."""


class Repository:
    """A repository at `top` with a workspace in it.

    inside:   where the workspace is below the top.
    settings: of git, for every command.
    """

    def __init__(self, place: Path, *, inside: str = "", settings: Mapping[str, str] | None = None) -> None:
        self.place = place
        self.top = place / "repository"
        self.root = self.top / inside
        self.root.mkdir(parents=True)
        (place / "home").mkdir()
        quiet = {"advice.detachedHead": "false", "core.safecrlf": "false", 'protocol "file".allow': "always"}
        who = {"user.name": "A", "user.email": "a@example.com", "init.defaultBranch": "main"}
        lines = []
        for name, value in {**quiet, **who, **(settings or {})}.items():
            section, _, key = name.rpartition(".")
            lines.append(f"[{section}]\n{key} = {value}\n")
        (place / "home/.gitconfig").write_text("".join(lines))
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        self.env = inherited | {"HOME": str(place / "home"), "GIT_CONFIG_NOSYSTEM": "1"}
        self.git("init", "-q")

    def git(self, *arguments: str, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> str:
        command = ["git", *arguments]
        ran = subprocess.run(
            command, cwd=cwd or self.top, env=self.env | dict(env or {}), capture_output=True, check=False
        )
        assert ran.returncode == 0, (command, ran.stderr.decode(errors="replace"))
        return ran.stdout.decode(errors="replace").strip()

    def write(self, files: Mapping[str, str | bytes]) -> None:
        for path, content in files.items():
            target = self.root / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content.encode() if isinstance(content, str) else content)

    def commit(self) -> str:
        """Commits all that is not ignored; returns the commit's hash."""
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", "x")
        return self.git("rev-parse", "HEAD")

    def checkout(self, revision: str) -> Path:
        """Returns the workspace in a directory into which git has written the files of a revision."""
        place = self.place / f"checkout-{revision}"
        if not place.exists():
            place.mkdir()
            env = {
                "GIT_DIR": self.git("rev-parse", "--absolute-git-dir"),
                "GIT_WORK_TREE": str(place),
                "GIT_INDEX_FILE": str(self.place / f"index-{revision}"),
            }
            self.git("read-tree", revision, cwd=place, env=env)
            self.git("checkout-index", "-q", "-a", "-f", cwd=place, env=env)
        return place / self.root.relative_to(self.top)

    def project(self, root: Path | None = None) -> Project:
        return Project(root or self.root, self.place / "cache/lambdabuild", workspace=False)

    def affected(
        self,
        since: str,
        until: str | None = None,
        *patterns: str,
        keep_going: bool = False,
        platforms: tuple[str, ...] = (),
    ) -> Affected:
        question = Question(tuple(map(parse_pattern, patterns or ("//...",))), platforms, keep_going)
        blobs = KeptBlobs(str(self.place / "kept.blobs"))
        state_at = partial(state_of, self.root, configs=(), env=self.env, blobs=blobs)
        with ExitStack() as stack:
            before = stack.enter_context(state_at(since))
            if until is None:
                after = working_state(load_workspace(self.root, env={}))
            else:
                after = stack.enter_context(state_at(until))
            return affected(before, after, question, lambda text, at: None)

    def close(self) -> None:
        shutil.rmtree(self.place, ignore_errors=True)


def hashes(project: Project) -> tuple[Hashes, frozenset[str]]:
    """Returns the hashes of all targets, and the labels and patterns of what has none."""
    session = project.session()
    question = replace(project.question(keep_going=True), manual=True)
    evaluation = session.evaluate(question)
    keys = session.keys(evaluation, keep_going=True)
    found: dict[str, dict[str, str]] = {}
    broken = {parse_pattern(name).label.short for name, _ in evaluation.failures}
    for root in evaluation.roots:
        if root in keys.failures:
            broken.add(root.label.short)
        else:
            found.setdefault(root.label.short, {})[root.platform] = keys.hashes[root]
    return found, frozenset(broken)


def differing(one: Hashes, other: Hashes) -> dict[str, str]:
    """Returns the labels that differ, and how."""
    return {
        label: "new" if label not in one else "removed" if label not in other else "changed"
        for label in sorted({*one, *other})
        if one.get(label) != other.get(label)
    }


def changes(found: Affected) -> dict[str, str]:
    """Returns the same of what `affected` found."""
    return {each.label.short: each.change for each in found.differences}


def short(found: Affected) -> Iterable[str]:
    return changes(found).keys()
