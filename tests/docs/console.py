"""Replays the `console` blocks of a page: every "$ command" is run, its output is compared.

A page starts at the root of a checkout of which the examples, the Makefile and
pyproject.toml are there, committed as main; `cd` lasts to the end of the page. Standard output and
standard error come together, as on a terminal, 80 columns wide.

What differs from machine to machine counts as equal: seconds, digests, hashes
and tags (the example's base is made from the Python that is there), the host's
platform, versions of Python and libc, and which programs start images and build Dockerfiles. The
checkout and the cache are shown as /home/me/lambdabuild and /home/me/.cache.
docker-daemon: is replaced by docker-archive:, which needs no daemon. What
builds for the host's platform gives other digests, too. A page's registry,
127.0.0.1:5000, is a real one at another port.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from tests.docs.markdown import ROOT

PROGRAMS = {"skopeo": "apt-get install skopeo", "make": "apt-get install make"}

REGISTRY = "127.0.0.1:5000"

_BLOCK = re.compile(r"(?<=^```console\n)(.*?)(?=^```$)", re.MULTILINE | re.DOTALL)
_SAME = (
    (r"\b\d+\.\d\d ?s\b", "0.00 s"),
    (r'"seconds": [\d.]+', '"seconds": 0'),
    (r"\bsha256:[0-9a-f]{12,64}", "sha256:0"),
    (r"\bb3-[0-9a-f]{32}\b", "b3-0"),
    (r"\b[0-9a-f]{64}\b", "0"),
    (r"\b\d+(\.\d+)? [kM]?B sent", "0 B sent"),
    (r"\blinux/(amd64|arm64)\b", "linux/host"),
    (r'"Architecture": "(amd64|arm64)"', '"Architecture": "host"'),
    (r"\bpython( +)\d\.\d+\.\d+", r"python\g<1>3"),
    (r"\bCPython \S+ of", "CPython 3 of"),
    (r"\bPython 3\.\d+\b", "Python 3"),
    (r"\b(glibc|musl) [\d.]+", "libc"),
    (r"^started with .*$", "started with …"),
    (r"^Dockerfiles are built with .*$", "Dockerfiles are built with …"),
)


class Console:
    """A checkout to type commands in.

    registry: host and port of a registry that stands for the page's.
    lacking:  programs that the page's commands need and this machine has not.
    """

    def __init__(self, tmp_path: Path, registry: str = REGISTRY) -> None:
        self._registry = registry
        self.lacking: list[str] = []
        self._root = tmp_path / "lambdabuild"
        self._cache = tmp_path / "cache"
        self._archive = tmp_path / "image.tar"
        self._directory = self._root
        ignored = shutil.ignore_patterns("lambdabuild-out", "__pycache__", "node_modules")
        shutil.copytree(ROOT / "examples", self._root / "examples", ignore=ignored)
        for name in ("Makefile", "pyproject.toml"):
            shutil.copy2(ROOT / name, self._root / name)
        bin_ = self._root / ".venv/bin"
        bin_.mkdir(parents=True)
        python = f"PYTHONPATH={shlex.quote(str(ROOT))} exec {shlex.quote(sys.executable)}"
        (bin_ / "lambdabuild").write_text(f'#!/bin/sh\n{python} -m lambdabuild "$@"\n')
        (bin_ / "lambdabuild").chmod(0o755)
        (self._root / ".venv/.installed").touch()
        # What `make test` hands down would be taken by the `make` of a page.
        inherited = ("LAMBDABUILD_", "MAKE", "MFLAGS", "PYTHON", "VENV", "GIT_")
        self._env = {name: value for name, value in os.environ.items() if not name.startswith(inherited)}
        self._env |= {
            "COLUMNS": "80",
            "LC_ALL": "C.UTF-8",
            "PATH": f"{bin_}:{os.environ['PATH']}",
            "XDG_CACHE_HOME": str(self._cache),
        }
        who = ("-c", "user.name=me", "-c", "user.email=me@example.com")
        for git in (("init", "-q", "-b", "main"), ("add", "examples"), (*who, "commit", "-q", "-m", "start")):
            subprocess.run(["git", *git], cwd=self._root, env=self._env, check=True)

    def replay(self, page: str) -> str:
        """Returns the page with what is printed now, where that is another thing than it says."""
        return _BLOCK.sub(lambda block: self._block(block[0]), page)

    def _block(self, text: str) -> str:
        out = ""
        for part in re.split(r"^(?=\$ )", text, flags=re.MULTILINE):
            if part.startswith("$ "):
                command, said = _split(part)
                printed = self._run(command[2:].replace("\\\n", ""))
                out += command + "\n" + (said if printed is None or same(printed, said) else printed)
            else:
                out += part
        return out

    def _run(self, command: str) -> str | None:
        """Returns what the command prints, or None if a program that it needs is not here."""
        program, *arguments = shlex.split(command)
        if program == "cd":
            self._directory /= arguments[0]
            return ""
        if program in PROGRAMS and shutil.which(program) is None:
            self.lacking.append(program)
            return None
        command = command.replace("docker-daemon:", f"docker-archive:{self._archive}:")
        command = command.replace(REGISTRY, self._registry)
        ran = subprocess.run(
            command,
            shell=True,
            cwd=self._directory,
            env=self._env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        text = ran.stdout.replace(str(self._root), "/home/me/lambdabuild").replace(self._registry, REGISTRY)
        return text.replace(str(self._cache), "/home/me/.cache")


def same(one: str, other: str) -> bool:
    """Tells whether two outputs are equal but for what differs from machine to machine."""
    return _normalised(one) == _normalised(other)


def _split(part: str) -> tuple[str, str]:
    """Returns the command, which a backslash continues on the next line, and its output."""
    lines = part.split("\n")
    count = 1
    while lines[count - 1].endswith("\\"):
        count += 1
    return "\n".join(lines[:count]), "\n".join(lines[count:])


def _normalised(text: str) -> str:
    for pattern, replacement in _SAME:
        text = re.sub(pattern, replacement, text, flags=re.MULTILINE)
    return text
