"""What the pages say that commands print, they print.

UPDATE_TRANSCRIPTS=1 rewrites the pages; read the difference before it is committed.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from lambdabuild.errors import ExternalError
from lambdabuild.running.choice import choose_runner
from tests.docs.console import PROGRAMS, Console, same
from tests.docs.markdown import ROOT
from tests.oci.registry.real import running
from tests.require import unavailable


@pytest.mark.once
@pytest.mark.skipif(sys.platform != "linux", reason="the example's base is made from a Python on Linux")
@pytest.mark.parametrize("name", ["README.md", "docs/manual.md", "docs/infrastructure.md"])
def test_commands_print_what_the_page_says(name: str, tmp_path: Path) -> None:
    try:
        choose_runner()
    except ExternalError:
        unavailable("needs something that starts images: apt-get install bubblewrap")
    path = ROOT / name
    page = path.read_text()
    with running(tmp_path / "registry") as registry:
        console = Console(tmp_path, registry.host)
        replayed = console.replay(page)
    if os.environ.get("UPDATE_TRANSCRIPTS"):
        path.write_text(replayed)
    else:
        assert replayed == page
    for program in sorted(set(console.lacking)):
        unavailable(f"needs {program}: {PROGRAMS[program]}")


def test_equal_outputs_differ_in_nothing_but_the_machine() -> None:
    assert same("built  //a  linux/amd64  0.01s", "built  //a  linux/arm64  2.30s")
    assert same("b3-" + "0" * 32, "b3-" + "f" * 32)
    assert not same("built  //a  linux/amd64", "cached  //a  linux/amd64")
    assert not same("1 built in 0.01 s", "2 built in 0.01 s")
    assert not same("//a:b", "//a:c")
