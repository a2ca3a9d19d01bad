"""How often `affected` evaluates: once where both sides look alike to whoever evaluates them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from lambdabuild.evaluation import evaluate
from tests.affected.repository import Repository, changes

FILES = {
    "WORKSPACE.toml": '[workspace]\nname = "t"\n',
    "lib/BUILD": 'files(name = "lib", srcs = glob(["*.py"]), dest = "opt/python")\n',
    "lib/a.py": "A = 1\n",
    "lib/notes.txt": "",
    "one/BUILD": 'lambda_image(name = "one", base = "scratch", srcs = ["handler.py", "//lib"])\n',
    "one/handler.py": "def main(event, context): pass\n",
}
BOTH = {"//lib": "changed", "//one": "changed"}


@pytest.mark.parametrize(
    ("edit", "count", "wanted"),
    [
        ({}, 1, {}),
        ({"lib/a.py": "A = 2\n"}, 1, BOTH),
        ({"one/BUILD": FILES["one/BUILD"] + "\n"}, 2, {}),
        ({"lib/b.py": ""}, 2, BOTH),
        ({"WORKSPACE.toml": FILES["WORKSPACE.toml"] + '[python]\nbytecode = "3.12.1"\n'}, 2, {}),
    ],
    ids=["nothing", "a source", "a BUILD file", "a listing", "a setting"],
)
def test_an_edit_of_sources_alone_is_evaluated_once(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    edit: Mapping[str, str],
    count: int,
    wanted: Mapping[str, str],
) -> None:
    repository = Repository(tmp_path.resolve())
    repository.write(FILES)
    repository.commit()
    repository.write(edit)
    asked = []

    def counting(*arguments: Any, **named: Any) -> Any:
        asked.append(arguments)
        return evaluate(*arguments, **named)

    monkeypatch.setattr("lambdabuild.affected.evaluate", counting)
    assert changes(repository.affected("HEAD")) == wanted
    assert len(asked) == count
