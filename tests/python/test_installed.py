"""Which files of installed distributions are taken."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lambdabuild.errors import ExternalError, UserError
from lambdabuild.python.installed import installed_files

if TYPE_CHECKING:
    from pathlib import Path

HINT = "pip install 'lambdabuild[host]'"


def install(site: Path, name: str, *files: str, requires: tuple[str, ...] = ()) -> None:
    info = f"{name.replace('-', '_')}-1.0.dist-info"
    headers = ["Metadata-Version: 2.1", f"Name: {name}", *(f"Requires-Dist: {each}" for each in requires)]
    texts = {f"{info}/METADATA": "\n".join([*headers, "", "Requires-Dist: in-the-description"])}
    texts |= {f"{info}/{each}": "" for each in ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json")}
    texts |= dict.fromkeys(files, "")
    for place, text in texts.items():
        path = site / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (site / info / "RECORD").write_text("".join(f'"{place}",,\n' for place in texts))


def test_requirements_come_along_and_extras_do_not(tmp_path: Path) -> None:
    requires = (
        "Second.Part (>=1)",
        "absent; extra == 'dev'",
        "absent-too; python_version < '3'",
        "third; os_name == 'posix'",
    )
    install(tmp_path, "first", "first.py", requires=requires)
    install(tmp_path, "second-part", "second/__init__.py", requires=("first",))
    install(tmp_path, "third", "third.py")
    install(tmp_path, "stranger", "stranger.py")
    files = installed_files("first", [str(tmp_path / "nowhere"), str(tmp_path)], hint=HINT)
    modules = {"first.py", "second/__init__.py", "third.py"}
    assert {place for place in files if ".dist-info" not in place} == modules
    assert {place.partition("/")[2] for place in files if ".dist-info" in place} == {"METADATA"}
    assert files["first.py"] == str(tmp_path / "first.py")


def test_scripts_bytecode_and_tests_stay_behind(tmp_path: Path) -> None:
    site = tmp_path / "lib" / "site"
    install(site, "one", "one/__init__.py", "one/__pycache__/x.pyc", "one/tests/test_one.py", "../../bin/one")
    files = installed_files("one", [str(site)], hint=HINT)
    assert [place for place in files if ".dist-info" not in place] == ["one/__init__.py"]


def test_the_first_directory_on_the_path_wins(tmp_path: Path) -> None:
    for name in ("a", "b"):
        install(tmp_path / name, "one", "one.py")
    files = installed_files("one", [str(tmp_path / "a"), str(tmp_path / "b")], hint=HINT)
    assert files["one.py"] == str(tmp_path / "a" / "one.py")


def test_what_is_not_installed_is_named_with_the_command_that_installs_it(tmp_path: Path) -> None:
    install(tmp_path, "one", requires=("two",))
    with pytest.raises(UserError, match="lacks the package two") as caught:
        installed_files("one", [str(tmp_path)], hint=HINT)
    assert caught.value.hint == HINT


@pytest.mark.parametrize("gone", ["one.py", "one-1.0.dist-info/RECORD"])
def test_a_damaged_installation_is_an_error(tmp_path: Path, gone: str) -> None:
    install(tmp_path, "one", "one.py")
    (tmp_path / gone).unlink()
    with pytest.raises(ExternalError, match="one is damaged") as caught:
        installed_files("one", [str(tmp_path)], hint=HINT)
    assert caught.value.hint == "python -m pip install --force-reinstall one"
