"""Runs the transcripts beside this file: what a person types, and what they see.

    ### title             a case; it begins with the files of START
    == path               the lines that follow are that file's
    $ lambdabuild …       run in the workspace; what follows is its stdout, then its stderr
    $ anything else       run by the shell, in the workspace
    [exit N]              after output, unless N is 0

Seconds and this machine's directories are replaced. UPDATE_TRANSCRIPTS=1
rewrites the files (in one process: without -n); read the difference before it
is committed. A case that ends with exit 2 must have left the cache and
lambdabuild-out as they were, unless it was told to keep going.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.project import Project

TRANSCRIPTS = sorted((Path(__file__).parent / "transcripts").glob("*.txt"))
START = {
    "app/handler.py": "def lambda_handler(event, context):\n    return event\n",
    "lib/x.py": "X = 1\n",
}


def cases() -> list[tuple[Path, str, str]]:
    found = []
    for path in TRANSCRIPTS:
        _, *parts = re.split(r"^### ", path.read_text(), flags=re.MULTILINE)
        found += [(path, *part.split("\n", 1)) for part in parts]
    return found


@pytest.mark.parametrize(
    ("path", "title", "body"), [pytest.param(*case, id=f"{case[0].stem}: {case[1]}") for case in cases()]
)
def test_transcript(
    path: Path, title: str, body: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    project = Project(tmp_path / "w", tmp_path / "cache" / "lambdabuild", START)
    replayed = replay(project, body)
    if os.environ.get("UPDATE_TRANSCRIPTS"):
        assert "PYTEST_XDIST_WORKER" not in os.environ, "update transcripts without -n"
        path.write_text(path.read_text().replace(f"### {title}\n{body}", f"### {title}\n{replayed}"))
    else:
        assert replayed == body


def replay(project: Project, body: str) -> str:
    """Returns `body` with what is printed now in place of what it says was printed."""
    out: list[str] = []
    for block in re.split(r"^(?=== |\$ )", body, flags=re.MULTILINE):
        head, _, rest = block.partition("\n")
        if head.startswith("== "):
            project.write({head[3:]: rest})
            out.append(block)
        elif head.startswith("$ "):
            out.append(f"{head}\n{_printed(project, head[2:])}")
        else:
            out.append(block)
    text = "".join(out)
    return text if text.endswith("\n") else text + "\n"


def _printed(project: Project, command: str) -> str:
    program, *arguments = shlex.split(command)
    if program != "lambdabuild":
        subprocess.run(command, shell=True, cwd=project.root, check=True)
        return ""
    before = project.stored()
    ran = project.run(*arguments)
    if ran.code == 2 and "-k" not in arguments:
        assert project.stored() == before
    text = re.sub(r"\d+\.\d\d ?s\b", "0.00 s", ran.out + ran.err)
    text = text.replace(str(project.root), "<workspace>").replace(str(project.cache), "<cache>")
    return text + (f"[exit {ran.code}]\n" if ran.code else "")
