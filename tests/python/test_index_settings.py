"""pip's configuration, as pip itself reads it."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lambdabuild.errors import UserError
from lambdabuild.python.index import Place, Settings, config_files, read_settings
from lambdabuild.python.index.settings import Login

HOME = Path("/home/somebody")
INDEX = {"PIP_INDEX_URL": "http://index.invalid/simple"}


def pip(*arguments: str, environ: dict[str, str]) -> str:
    clean = {"PATH": os.environ["PATH"], "COLUMNS": "1000", **environ}
    return subprocess.run(
        [sys.executable, "-m", "pip", *arguments], env=clean, check=True, capture_output=True, text=True
    ).stdout


def places(settings: Settings) -> list[str]:
    return [place.url for place in settings.places]


@pytest.fixture
def machine(tmp_path: Path) -> dict[str, str]:
    """Returns the environment of somebody with a configuration at every place that pip knows."""
    files = {
        "xdg/one/pip/pip.conf": "[global]\nindex-url = http://one\ntimeout = 1\nretries = 1\ncert = /one\n",
        "xdg/two/pip/pip.conf": "[global]\nindex-url = http://xdg-two\ntimeout = 2\nretries = 2\n",
        "home/.pip/pip.conf": "[global]\nindex_url = http://legacy\ntimeout = 3\nproxy = http://legacy\n",
        "home/.config/pip/pip.conf": "[global]\nindex-url = http://user\nclient-cert = /user\n",
        "own.conf": "[global]\nindex-url = http://own\n",
    }
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    return {"HOME": f"{tmp_path}/home", "XDG_CONFIG_DIRS": f"{tmp_path}/xdg/one:{tmp_path}/xdg/two"}


@pytest.mark.parametrize("variables", ["", "PIP_CONFIG_FILE", "PIP_CONFIG_FILE=absent", "XDG_CONFIG_HOME"])
def test_files_and_their_order_are_pips(machine: dict[str, str], tmp_path: Path, variables: str) -> None:
    own = {
        "": {},
        "PIP_CONFIG_FILE": {"PIP_CONFIG_FILE": f"{tmp_path}/own.conf"},
        "PIP_CONFIG_FILE=absent": {"PIP_CONFIG_FILE": f"{tmp_path}/absent.conf"},
        "XDG_CONFIG_HOME": {"XDG_CONFIG_HOME": f"{tmp_path}/xdg/one"},
    }[variables]
    environ = {**machine, **own, "PIP_TRUSTED_HOST": "x"}
    said = {}
    for line in pip("config", "list", environ=environ).splitlines():
        name, _, value = line.partition("=")
        said[name.removeprefix("global.").removeprefix(":env:.")] = ast.literal_eval(value)
    files = config_files(environ, Path(machine["HOME"]), Path(sys.prefix))
    settings = read_settings(environ, Path(machine["HOME"]), files)
    assert said["index-url"].startswith("http://")
    assert settings.places[-1].url.removesuffix("/") == said["index-url"]
    assert settings.timeout == float(said["timeout"])
    assert settings.retries == int(said["retries"])
    assert settings.cert == said["cert"]
    assert settings.client_cert == said.get("client-cert")
    assert settings.proxies.get("all") == said.get("proxy")


def test_without_an_index_it_is_the_one_that_pip_names_in_its_help(tmp_path: Path) -> None:
    said = pip("install", "--help", environ={"HOME": str(tmp_path)})
    (place,) = read_settings({}, HOME, []).places
    assert place.simple
    assert f"(default {place.url.removesuffix('/')}" in said


def test_without_an_index_and_without_pip_the_user_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pip._internal.models.index", None)
    with pytest.raises(UserError, match="no package index is configured") as caught:
        read_settings({}, HOME, [])
    assert "PIP_INDEX_URL" in str(caught.value.hint)
    assert places(read_settings(INDEX, HOME, [])) == ["http://index.invalid/simple/"]


def test_no_configuration_is_read_when_pip_is_told_so() -> None:
    assert config_files({"PIP_CONFIG_FILE": os.devnull}, HOME, Path("/venv")) == ()


def test_on_macos_files_are_where_pip_has_them_there(tmp_path: Path) -> None:
    support = tmp_path / "Library/Application Support/pip"
    everybody = Path("/Library/Application Support/pip/pip.conf")
    legacy, prefix = tmp_path / ".pip/pip.conf", Path("/venv/pip.conf")
    expected = (everybody, legacy, tmp_path / ".config/pip/pip.conf", prefix)
    assert config_files({}, tmp_path, Path("/venv"), "darwin") == expected
    support.mkdir(parents=True)
    assert config_files({}, tmp_path, Path("/venv"), "darwin") == (
        everybody,
        legacy,
        support / "pip.conf",
        prefix,
    )


def test_install_overrides_global_and_variables_override_both(tmp_path: Path) -> None:
    one, two = tmp_path / "one.conf", tmp_path / "two.conf"
    one.write_text("[install]\nindex_url = http://install\nretries = 7\n[download]\nretries = 8\n")
    two.write_text("[global]\nindex-url = http://global\nretries = 9\ntimeout = 9\n")
    settings = read_settings({}, HOME, [one, two])
    assert (places(settings), settings.retries, settings.timeout) == (["http://install/"], 7, 9)
    settings = read_settings({"PIP_RETRIES": "3", "PIP_INDEX_URL": ""}, HOME, [one, two])
    assert (places(settings), settings.retries) == (["http://install/"], 3)


def test_links_come_before_the_index_and_extra_ones_after() -> None:
    environ = {
        **INDEX,
        "PIP_EXTRA_INDEX_URL": "http://a/simple/\n http://b http://a/simple",
        "PIP_FIND_LINKS": "~/wheels /srv/wheels file:///srv/more http://c/page.html?x=1",
    }
    assert places(read_settings(environ, HOME, [])) == [
        "file:///home/somebody/wheels",
        "file:///srv/wheels",
        "file:///srv/more",
        "http://c/page.html?x=1",
        "http://index.invalid/simple/",
        "http://a/simple/",
        "http://b/",
    ]


def test_a_workspace_may_name_the_index_and_extra_ones_stay() -> None:
    environ = {**INDEX, "PIP_EXTRA_INDEX_URL": "http://extra/"}
    settings = read_settings(environ, HOME, [], "https://workspace.invalid/simple")
    assert places(settings) == ["https://workspace.invalid/simple/", "http://extra/"]


@pytest.mark.parametrize(("word", "count"), [("1", 0), ("TRUE", 0), ("no", 1), ("0", 1)])
def test_no_index_leaves_links_only(word: str, count: int) -> None:
    assert len(read_settings({**INDEX, "PIP_NO_INDEX": word}, HOME, []).places) == count


def test_a_login_is_taken_out_of_the_url() -> None:
    settings = read_settings({"PIP_INDEX_URL": "https://m%40e:s%2Fecret@host:8/simple"}, HOME, [])
    assert settings.places == (Place("https://host:8/simple/", True, Login("m@e", "s/ecret")),)
    assert settings.places[0].name == "host:8"
    token = read_settings({"PIP_INDEX_URL": "https://token@host/simple"}, HOME, []).places[0]
    assert token.login is not None
    assert tuple(token.login) == ("token", "")


def test_certificates_are_pips_own_before_those_of_others() -> None:
    environ = {**INDEX, "SSL_CERT_FILE": "ssl"}
    for name, value in [("CURL_CA_BUNDLE", "curl"), ("REQUESTS_CA_BUNDLE", "requests"), ("PIP_CERT", "pip")]:
        environ[name] = value
        assert read_settings(environ, HOME, []).cert == value


def test_proxies_are_those_of_the_environment_unless_pip_has_its_own() -> None:
    environ = {**INDEX, "http_proxy": "a", "HTTPS_PROXY": "b", "no_proxy": "c", "HTTP_PROXY": "d"}
    assert read_settings(environ, HOME, []).proxies == {"http": "a", "https": "b", "no": "c"}
    assert read_settings({**environ, "PIP_PROXY": "own"}, HOME, []).proxies == {"all": "own"}


@pytest.mark.parametrize(
    "text", ["http://me:secret@x", "[global]\nindex-url\n\nhttp://me:secret@x\n", "[global\nsecret", "\xff"]
)
def test_a_configuration_that_is_no_ini_file_is_named_but_not_quoted(tmp_path: Path, text: str) -> None:
    file = tmp_path / "pip.conf"
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(UserError, match="no INI file") as caught:
        read_settings({}, HOME, [file])
    assert str(caught.value.at) == str(file)
    assert "secret" not in repr(caught.value.__dict__)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("NO_INDEX", "perhaps"),
        ("TIMEOUT", "soon"),
        ("RETRIES", "-1"),
        ("TIMEOUT", "nan"),
        ("INDEX_URL", "ftp://me:secret@host/"),
        ("INDEX_URL", "http://me:secret@[host/"),
        ("INDEX_URL", "http://me:secret@host:port/"),
        ("EXTRA_INDEX_URL", "https://"),
    ],
)
def test_a_value_that_pip_would_not_take_is_the_users_error(name: str, value: str) -> None:
    with pytest.raises(UserError) as caught:
        read_settings({**INDEX, f"PIP_{name}": value}, HOME, [])
    assert "secret" not in repr(caught.value.__dict__)
