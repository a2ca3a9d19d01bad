"""Completion, asked by the shells themselves."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from lambdabuild.commands.shells import SHELLS
from lambdabuild.completion import complete_label
from lambdabuild.workspace import load_workspace
from tests.project import Project
from tests.require import require

ROOT = Path(__file__).parents[2]
FILES = {
    "WORKSPACE.toml": '[workspace]\nname = "test"\nplatforms = ["linux/amd64"]\nignore = ["out"]\n'
    '[images.python]\nref = "example.com/python:3.12"\n',
    "BUILD": 'files(name = "top", srcs = ["a.txt"])\n',
    "a.txt": "",
    "infra/one/BUILD": 'files(name = "image", srcs = ["a.txt"])\nfiles(name = "index", srcs = ["a.txt"])\n',
    "infra/one/a.txt": "",
    "infra/one/deep/BUILD": "",
    "infra/broken/BUILD": "files(",
    "infra/empty/file.txt": "",
    "lib/BUILD": 'files(name = "lib", srcs = ["a.txt"])\n',
    "lib/a.txt": "",
    ".hidden/BUILD": "",
    "out/BUILD": "",
    "nested/WORKSPACE.toml": "",
    "nested/BUILD": "",
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    root = tmp_path_factory.mktemp("completion")
    return Project(root / "w", root / "cache" / "lambdabuild", FILES, workspace=False)


def labels(project: Project, typed: str, package: str = "") -> list[str]:
    return complete_label(load_workspace(project.root, env={}), package, typed)


@pytest.mark.parametrize(
    ("typed", "package", "found"),
    [
        ("", "", ["//...", "//:", "//infra/", "//lib:"]),
        ("//", "infra", ["//...", "//:", "//infra/", "//lib:"]),
        ("//i", "", ["//infra/"]),
        ("//infra/", "", ["//infra/...", "//infra/broken:", "//infra/one:", "//infra/one/"]),
        ("//infra/one", "", ["//infra/one:", "//infra/one/"]),
        ("//infra/one:", "", ["//infra/one:all", "//infra/one:image", "//infra/one:index"]),
        ("//infra/one:im", "", ["//infra/one:image"]),
        ("//lib:nothing", "", []),
        ("//nowhere/", "", []),
        ("o", "infra", ["one:", "one/"]),
        ("one:im", "infra", ["one:image"]),
        (":t", "", [":top"]),
        ("@p", "", ["@python"]),
        ("../", "infra", []),
    ],
)
def test_labels_go_on_as_far_as_is_known_without_looking_further(
    project: Project, typed: str, package: str, found: list[str]
) -> None:
    assert labels(project, typed, package) == found


class Shell:
    """A shell with lambdabuild's script, in the workspace."""

    def __init__(self, project: Project, name: str, bin_: Path) -> None:
        self.name = name
        self._program = require(name)
        self._root = project.root
        program = bin_ / "lambdabuild"
        program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m lambdabuild "$@"\n')
        program.chmod(0o755)
        self._env = {
            **os.environ,
            "PATH": f"{bin_}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "XDG_CACHE_HOME": str(project.cache.parent),
            "HOME": str(bin_),
            "XDG_CONFIG_HOME": str(bin_),
            "TERM": "dumb",
        }

    def complete(self, line: str) -> list[str]:
        """Returns what the shell offers at the end of `line`."""
        ran = subprocess.run(
            [self._program, *_OPTIONS[self.name], _SCRIPTS[self.name], "shell", line],
            cwd=self._root,
            env=self._env,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.stderr == "", ran.stderr
        return sorted(ran.stdout.splitlines())


_OPTIONS = {"bash": ("--norc", "--noprofile", "-c"), "zsh": ("-f", "-c"), "fish": ("--no-config", "-c")}
# Bash splits the line at its COMP_WORDBREAKS, as readline does before it asks.
_SCRIPTS = {
    "bash": """
eval "$(lambdabuild completion bash)"
COMP_LINE=$1 COMP_POINT=${#1}
compopt() { :; }
_lambdabuild_completion lambdabuild
printf '%s\\n' "${COMPREPLY[@]}"
""",
    "zsh": """
compdef() { :; }
compadd() { local name=${@[-1]}; print -l -- ${(P)name}; }
_describe() { local name=${@[-1]}; print -l -- ${${(P)name}%%:*}; }
eval "$(lambdabuild completion zsh)"
words=(${(z)1}); [[ $1 == *' ' ]] && words+=('')
CURRENT=$#words
_lambdabuild_completion
""",
    "fish": """
lambdabuild completion fish | source
complete --do-complete="$argv[2]" | string replace -r '\\t.*' ''
""",
}


@pytest.fixture(params=sorted(SHELLS))
def shell(request: pytest.FixtureRequest, project: Project, tmp_path: Path) -> Shell:
    return Shell(project, request.param, tmp_path)


def test_shells_complete_commands(shell: Shell) -> None:
    assert shell.complete("lambdabuild qu") == ["query"]
    assert "build" in shell.complete("lambdabuild ")


def test_shells_complete_options_of_a_command(shell: Shell) -> None:
    assert shell.complete("lambdabuild build --sand") == ["--sandbox-debug"]


def test_shells_complete_packages_of_labels(shell: Shell) -> None:
    assert shell.complete("lambdabuild build //infra/one") == ["//infra/one/", "//infra/one:"]


def test_shells_complete_targets_of_a_package(shell: Shell) -> None:
    # Bash puts in what follows the colon.
    start = "" if shell.name == "bash" else "//infra/one:"
    assert shell.complete("lambdabuild build -k //lib //infra/one:i") == [f"{start}image", f"{start}index"]


def test_shells_complete_negative_patterns(shell: Shell) -> None:
    assert shell.complete("lambdabuild build //... -//li") == ["-//lib:"]


def test_a_broken_build_file_and_a_wrong_command_complete_to_nothing(shell: Shell) -> None:
    nothing = [""] if shell.name == "bash" else []
    assert shell.complete("lambdabuild build //infra/broken:i") == nothing
    assert shell.complete("lambdabuild biuld //infra/one:i") == nothing


def test_a_script_is_printed_for_each_shell_and_for_no_other(project: Project) -> None:
    for name in SHELLS:
        assert "_LAMBDABUILD_COMPLETE" in project.run("completion", name).out
    assert project.run("completion", "tcsh").code == 2
