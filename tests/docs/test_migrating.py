"""What docs/migrating.md says that commands print, they print: in a small monorepo, on a real registry.

A block after `<!-- file: path -->` is written to that path when the page comes to it.
UPDATE_TRANSCRIPTS=1 rewrites the page; read the difference before it is committed.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from lambdabuild.engines.choice import AUTO, choose_engine
from lambdabuild.errors import ExternalError
from lambdabuild.running.choice import choose_runner
from tests.docs.console import Console
from tests.docs.markdown import ROOT
from tests.docs.monorepo import FILES
from tests.external.conftest import StandIn, stand_in
from tests.require import unavailable

__all__ = ["stand_in"]

PAGE = ROOT / "docs/migrating.md"

_FILE = re.compile(r"(<!-- file: (\S+) -->\n```\w+\n(.*?)^```$\n?)", re.MULTILINE | re.DOTALL)


class Shop(Console):
    """The monorepo of the page, in a repository of git of its own."""

    def __init__(self, tmp_path: Path, host: str) -> None:
        super().__init__(tmp_path)
        self._directory = self._root / "shop"
        self._write(FILES)
        self._env |= {
            "LAMBDABUILD_REGISTRY_MIRRORS": f"public.ecr.aws={host}",
            "LAMBDABUILD_WORKSPACE_PLATFORMS": "host",
            **{f"GIT_{who}_NAME": "me" for who in ("AUTHOR", "COMMITTER")},
            **{f"GIT_{who}_EMAIL": "me@example.com" for who in ("AUTHOR", "COMMITTER")},
        }
        for git in (("init", "-q", "-b", "main"), ("add", "."), ("commit", "-qm", "start")):
            subprocess.run(["git", *git], cwd=self._directory, env=self._env, check=True)

    def replay(self, page: str) -> str:
        out = ""
        for part in re.split(r"(?m)^(?=<!-- file: )", page):
            if match := _FILE.match(part):
                self._write({match[2]: match[3]})
                out += match[1] + super().replay(part[match.end() :])
            else:
                out += super().replay(part)
        return out

    def _write(self, files: dict[str, str]) -> None:
        for path, text in files.items():
            target = self._directory / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)


@pytest.mark.once
def test_commands_of_the_migration_print_what_the_page_says(tmp_path: Path, stand_in: StandIn) -> None:
    try:
        choose_runner()
        choose_engine(AUTO, os.environ)
    except ExternalError as error:
        unavailable(f"{error.message}: {error.hint}")
    page = PAGE.read_text()
    replayed = Shop(tmp_path, stand_in.host).replay(page)
    if os.environ.get("UPDATE_TRANSCRIPTS"):
        PAGE.write_text(replayed)
    else:
        assert replayed == page
