"""`affected` equals hashing two checkouts, for any history: the law, and the edits that it is made of."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambdabuild.errors import UserError
from tests.affected.repository import Hashes, Repository, changes, differing, hashes

FILES = {
    "WORKSPACE.toml": '[workspace]\nname = "t"\n',
    "BUILD": "",
    "lib/BUILD": 'files(name = "lib", srcs = glob(["**"], allow_empty = True), dest = "opt/python")\n',
    "lib/a.py": "A = 1\n",
    "lib/sub/b.txt": "one\ntwo\n",
    "rules/BUILD": "",
    "rules/image.bzl": 'def image(name, env):\n    base_image(name = name, base = "scratch", env = env)\n',
    "one/BUILD": (
        'load("//rules:image.bzl", "image")\n'
        'image(name = "base", env = {"A": "1"})\n'
        'lambda_image(name = "one", base = ":base", srcs = glob(["**/*.py"], allow_empty = True) + ["//lib"])\n'
    ),
    "one/handler.py": "def main(event, context): pass\n",
    "data/BUILD": 'files(name = "data", srcs = glob(["*"], allow_empty = True), dest = "opt/data")\n',
    "data/x.txt": "$Id$\nx\n",
}
VARIANTS = {
    "WORKSPACE.toml": [
        '[workspace]\nname = "t"\nplatforms = ["linux/arm64", "linux/amd64"]\n',
        '[workspace]\nname = "t"\nignore = ["sub"]\n',
    ],
    "lib/BUILD": [
        'files(name = "lib", srcs = glob(["*.py"], allow_empty = True), dest = "opt/python")\n',
        (
            'files(name = "lib", srcs = glob(["**"], allow_empty = True), dest = "opt/lib")\n'
            'files(name = "more", srcs = ["a.py"], dest = "opt")\n'
        ),
        'files(name = "lib"\n',
    ],
    "lib/sub/BUILD": [""],
    "rules/image.bzl": [
        'def image(name, env):\n    base_image(name = "other", base = "scratch", env = env)\n',
        'def image(name, env):\n    base_image(name = name, base = "scratch", env = env | {"B": "2"})\n',
    ],
    "one/BUILD": ['base_image(name = "base", base = "scratch", env = {"A": "1"})\n'],
    ".gitattributes": ["*.txt text eol=crlf ident\n", "* -text\n", "*.py text=auto\nx.txt filter=upper\n"],
    "lib/.gitattributes": ["*.txt -text\n", "sub/* text eol=crlf\n"],
    ".gitignore": ["*.txt\n", "one/\n"],
}
PATHS = st.sampled_from(
    ["lib/a.py", "lib/b c.py", "lib/sub/b.txt", "lib/sub/ü.py", "one/handler.py", "one/x/y.py", "data/x.txt"]
)
CONTENTS = st.sampled_from(
    [b"", b"x = 1\n", b"a\nb\n", b"a\r\nb\n", b"$Id$\n$Id: old $\n", b"\0\n\xff", b"y" * 70000]
)
TARGETS = st.sampled_from(
    ["a.py", "../data/x.txt", "../one/handler.py", "../rules/image.bzl", "sub/b.txt", "../../x", "sub"]
)

Edit: TypeAlias = Callable[[Path], None]


def write(path: str, content: bytes) -> Edit:
    def edit(root: Path) -> None:
        _clear(root / path)
        if not (root / path).is_dir():
            (root / path).write_bytes(content)

    return edit


def remove(path: str) -> Edit:
    return lambda root: (
        (root / path).unlink() if os.path.lexists(root / path) and not (root / path).is_dir() else None
    )


def rename(path: str, to: str) -> Edit:
    def edit(root: Path) -> None:
        if (root / path).is_file() and path != to:
            _clear(root / to)
            if not (root / to).is_dir():
                (root / path).rename(root / to)

    return edit


def chmod(path: str, executable: bool) -> Edit:
    return lambda root: (
        (root / path).chmod(0o755 if executable else 0o644) if (root / path).is_file() else None
    )


def link(path: str, target: str) -> Edit:
    def edit(root: Path) -> None:
        there = target.startswith("../..") or (root / path).parent.joinpath(target).exists()
        if there and not (root / path).is_dir():  # links to nowhere are errors, and other tests have them
            _clear(root / path)
            (root / path).symlink_to(target)

    return edit


def drop(directory: str) -> Edit:
    return lambda root: shutil.rmtree(root / directory, ignore_errors=True)


def _clear(path: Path) -> None:
    """Makes room for a file at `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_symlink() or path.is_file():
        path.unlink()


declared = st.sampled_from(
    [write(path, text.encode()) for path, texts in VARIANTS.items() for text in texts]
    + [write(path, text.encode()) for path, text in FILES.items() if path in VARIANTS]
    + [remove(path) for path in VARIANTS if path not in FILES]
)
edits = st.one_of(
    st.builds(write, PATHS, CONTENTS),
    st.builds(write, PATHS, CONTENTS),
    st.builds(remove, PATHS),
    st.builds(rename, PATHS, PATHS),
    st.builds(chmod, PATHS, st.booleans()),
    st.builds(link, PATHS, TARGETS),
    st.builds(drop, st.sampled_from(["lib/sub", "one/x", "data"])),
    declared,
)
steps = st.lists(edits, min_size=1, max_size=4)
git_settings = st.sampled_from(
    [
        {},
        {"core.autocrlf": "true"},
        {"core.autocrlf": "input", "core.eol": "crlf"},
        {'filter "upper".smudge': "tr a-z A-Z", 'filter "upper".clean': "tr A-Z a-z"},
    ]
)


@settings(max_examples=max(settings().max_examples // 8, 10))
@given(steps, steps, steps, git_settings, st.sampled_from(["", "sub/space"]))
def test_affected_equals_the_difference_of_two_checkouts(
    first: list[Edit], second: list[Edit], third: list[Edit], configured: dict[str, str], inside: str
) -> None:
    with tempfile.TemporaryDirectory() as name:
        repository = Repository(Path(name).resolve(), inside=inside, settings=configured)
        repository.write(FILES)
        commits: list[str | None] = []
        for step in (first, second):
            for edit in step:
                edit(repository.root)
            commits.append(repository.commit())
        for edit in third:  # neither committed nor staged
            edit(repository.root)
        states = [_state(repository, commit) for commit in (*commits, None)]
        for since, until in ((1, 0), (0, 2)):
            _compare(repository, states[since], states[until])


class State(NamedTuple):
    """What one checkout comes to. broken: targets and packages that have no hashes."""

    revision: str | None
    hashes: Hashes
    broken: frozenset[str]


def _state(repository: Repository, revision: str | None) -> State:
    root = repository.checkout(revision) if revision else repository.root
    found, broken = hashes(repository.project(root))
    return State(revision, found, broken)


def _compare(repository: Repository, since: State, until: State) -> None:
    assert since.revision
    different = differing(since.hashes, until.hashes)
    if not since.broken | until.broken:
        assert changes(repository.affected(since.revision, until.revision)) == different
        return
    found = changes(repository.affected(since.revision, until.revision, keep_going=True))
    assert different.keys() <= found.keys()
    for label in found.keys() - different.keys():
        assert {label, f"{label.partition(':')[0]}:all"} & (since.broken | until.broken)
    with pytest.raises(UserError) as caught:
        repository.affected(since.revision, until.revision)
    if not until.broken:
        error = caught.value
        assert since.revision in f"{error.at} {error.message}", "it says at which revision"
