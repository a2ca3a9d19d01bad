"""Secrets: where WORKSPACE.toml says that they are, and what is read there."""

from __future__ import annotations

from pathlib import Path

import pytest

from lambdabuild.errors import Location, UserError
from lambdabuild.secret_values import MAX_BYTES, read
from lambdabuild.workspace import Secret, Workspace, load_workspace
from tests.project import Project

VALUE = "kept-from-everyone-4711"


def workspace(tmp_path: Path, text: str) -> Workspace:
    (tmp_path / "WORKSPACE.toml").write_text(text)
    return load_workspace(tmp_path, env={})


def secret(**where: str) -> Secret:
    return Secret("pip", Location("WORKSPACE.toml", 3), **where)


def test_tables_say_where_secrets_are(tmp_path: Path) -> None:
    text = '[secrets.pip]\nenv = "PIP_TOKEN"\narn = "arn:aws:x"\n[secrets.b]\nfile = "~/b"\n'
    assert dict(workspace(tmp_path, text).secrets) == {
        "b": Secret("b", Location("WORKSPACE.toml", 4, 10), file="~/b"),
        "pip": Secret("pip", Location("WORKSPACE.toml", 1, 10), env="PIP_TOKEN", arn="arn:aws:x"),
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[secrets.pip]\n", "[secrets.pip] does not say where the value is"),
        ('[secrets.pip]\nvalue = "x"\n', "unknown key 'value' in [secrets.pip]"),
        ("[secrets.pip]\nenv = 1\n", "secrets.pip.env must be a string, not 1"),
        ('[secrets]\npip = "x"\n', "unknown key 'pip' in [secrets]"),
        (
            '[secrets."a b"]\nenv = "X"\n',
            "there cannot be a secret 'a b': an id has letters, digits, '.', '_' and '-', at most 64",
        ),
    ],
)
def test_a_table_that_is_none_is_refused(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        workspace(tmp_path, text)
    assert caught.value.message == message
    assert caught.value.at
    assert caught.value.at.path == "WORKSPACE.toml"


def test_a_variable_comes_before_a_file(tmp_path: Path) -> None:
    (tmp_path / "value").write_bytes(b"from the file\n")
    both = secret(env="PIP_TOKEN", file=str(tmp_path / "value"))
    assert read(both, {"PIP_TOKEN": VALUE}) == VALUE.encode()
    assert read(both, {"PIP_TOKEN": ""}) == read(both, {}) == b"from the file\n"


def test_a_file_may_lie_below_the_home_directory(tmp_path: Path) -> None:
    (tmp_path / "value").write_text(VALUE)
    assert read(secret(file="~/value"), {"HOME": str(tmp_path)}) == VALUE.encode()


@pytest.mark.parametrize(
    ("where", "message", "hint"),
    [
        (
            {"env": "PIP_TOKEN"},
            "the secret 'pip' is in the variable PIP_TOKEN, which is not set",
            "export PIP_TOKEN, or add file = … to [secrets.pip]",
        ),
        (
            {"file": "/absent/x"},
            "the secret 'pip' is in /absent/x, which cannot be read: No such file or directory",
            "create the file, or correct its path",
        ),
        (
            {"arn": "arn:aws:secretsmanager:eu-west-1:111122223333:secret:pip"},
            "the secret 'pip' has nothing but an arn, which builds on this machine do not ask",
            "set env or file in [secrets.pip] to build here, or say --executor codebuild",
        ),
    ],
)
def test_a_secret_that_cannot_be_read_is_an_error_where_it_is_declared(
    where: dict[str, str], message: str, hint: str
) -> None:
    with pytest.raises(UserError) as caught:
        read(secret(**where), {"OTHER": VALUE})
    assert (caught.value.message, caught.value.hint) == (message, hint)
    assert caught.value.at == Location("WORKSPACE.toml", 3)


@pytest.mark.parametrize(
    ("data", "problem"), [(b"", "is empty"), (VALUE.encode() * MAX_BYTES, "has more than 64 KiB")]
)
def test_a_file_of_no_use_is_refused_without_its_content(data: bytes, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "value"
    path.write_bytes(data)
    with pytest.raises(UserError) as caught:
        read(secret(file=str(path)), {})
    assert caught.value.message == f"the secret 'pip' is in {path}, which {problem}"
    assert VALUE not in str(caught.value.__dict__)


def test_info_shows_where_secrets_are_and_never_their_values(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_TOKEN", VALUE)
    files = {"WORKSPACE.toml": '[secrets.pip]\nenv = "PIP_TOKEN"\nfile = "value"\n', "value": VALUE}
    project = Project(tmp_path / "w", tmp_path / "cache" / "lambdabuild", files)
    for arguments in (["info"], ["info", "--json"]):
        ran = project.run(*arguments)
        assert "secrets.pip.env" in ran.out
        assert "PIP_TOKEN" in ran.out
        assert VALUE not in ran.out + ran.err
