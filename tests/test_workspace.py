from __future__ import annotations

import json
import platform
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given

from lambdabuild.errors import UserError
from lambdabuild.settings import SETTINGS
from lambdabuild.workspace import (
    Workspace,
    find_root,
    host_machine_platform,
    load_workspace,
    resolve_platforms,
)

from .strategies import settings, toml_texts

SECTIONS = "workspace, python, images, secrets, registry, store, guard, executor, codebuild, deploy, define"


def load(text: str | bytes, *configs: str, env: Mapping[str, str] | None = None) -> Workspace:
    with tempfile.TemporaryDirectory() as directory:
        data = text.encode() if isinstance(text, str) else text
        (Path(directory) / "WORKSPACE.toml").write_bytes(data)
        return load_workspace(Path(directory), configs=configs, env=env or {})


def refused(text: str | bytes, *configs: str, env: Mapping[str, str] | None = None) -> tuple[str, str, str]:
    """Returns place, message and hint of the error that WORKSPACE.toml with `text` gives."""
    with pytest.raises(UserError) as caught:
        load(text, *configs, env=env)
    return str(caught.value.at), caught.value.message, caught.value.hint or ""


# --- what is understood ------------------------------------------------------


def test_an_empty_file_is_a_workspace_of_defaults(tmp_path: Path) -> None:
    (tmp_path / "WORKSPACE.toml").touch()
    workspace = load_workspace(tmp_path, env={})
    assert workspace.root == tmp_path.resolve()
    assert workspace.name == tmp_path.name
    assert workspace.platforms == ("linux/amd64",)
    assert workspace.ignore == {"node_modules", "lambdabuild-out", "__pycache__"}
    assert set(workspace.origins.values()) == {"default"}


def test_a_workspace_says_what_it_is() -> None:
    workspace = load(
        '[workspace]\nname = "receipts"\nplatforms = ["linux/arm64", "linux/amd64"]\nignore = ["dist"]\n'
    )
    assert workspace.name == "receipts"
    assert workspace.platforms == ("linux/arm64", "linux/amd64")
    assert workspace.ignore == {"dist", "lambdabuild-out"}


def test_every_setting_has_a_value_an_origin_and_a_sentence() -> None:
    workspace = load("")
    keys = {f"{section}.{key}" for section, known in SETTINGS.items() for key in known}
    assert workspace.values.keys() == workspace.origins.keys() == keys
    assert all(setting.doc.endswith(".") for known in SETTINGS.values() for setting in known.values())


def test_the_root_is_absolute_with_its_links_resolved(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "WORKSPACE.toml").touch()
    (tmp_path / "link").symlink_to("real")
    assert load_workspace(tmp_path / "link", env={}).root == (tmp_path / "real").resolve()


def test_host_is_the_platform_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for machine, expected in [
        ("x86_64", "amd64"),
        ("AMD64", "amd64"),
        ("aarch64", "arm64"),
        ("arm64", "arm64"),
    ]:
        monkeypatch.setattr(platform, "machine", lambda machine=machine: machine)
        assert host_machine_platform() == f"linux/{expected}"
        assert resolve_platforms(["host", f"linux/{expected}"]) == (f"linux/{expected}",)
        assert load('[workspace]\nplatforms = ["host"]').platforms == (f"linux/{expected}",)


def test_a_host_that_lambda_does_not_run_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    assert refused('[workspace]\nplatforms = ["host"]') == (
        "WORKSPACE.toml:2:1",
        "this machine is linux/riscv64, for which there are no Lambda functions",
        "name linux/amd64 or linux/arm64 instead of host",
    )


def test_platforms_keep_their_order_and_lose_their_duplicates() -> None:
    assert resolve_platforms(["linux/arm64", "linux/amd64", "linux/arm64"]) == ("linux/arm64", "linux/amd64")


# --- layers of settings ------------------------------------------------------

_LISTS = ("platforms", "ignore")


def _toml(table: Mapping[str, Any]) -> str:
    return "".join(f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in table.items())


def _environment(table: Mapping[str, Any]) -> dict[str, str]:
    return {
        f"LAMBDABUILD_WORKSPACE_{key.upper()}": ", ".join(value) if key in _LISTS else value
        for key, value in table.items()
    }


@given(settings, settings, settings, settings)
@example({"name": "file"}, {"name": "one"}, {"name": "two"}, {"name": "environment"})
def test_later_layers_take_precedence(
    file: dict[str, Any], one: dict[str, Any], two: dict[str, Any], env: dict[str, Any]
) -> None:
    text = (
        f"[workspace]\n{_toml(file)}[config.one.workspace]\n{_toml(one)}[config.two.workspace]\n{_toml(two)}"
        "[config.unused.workspace]\nname = 'unused'\n"
    )
    workspace = load(text, "one", "two", env=_environment(env))
    layers = [
        ("WORKSPACE.toml", file),
        ("--config one", one),
        ("--config two", two),
        ("environment", env),
    ]
    for key, setting in SETTINGS["workspace"].items():
        origin, value = "default", setting.default
        for name, layer in layers:
            if key in layer:
                origin, value = name, tuple(layer[key]) if key in _LISTS else layer[key]
        assert workspace.values[f"workspace.{key}"] == value
        assert workspace.origins[f"workspace.{key}"] == origin


def test_of_two_configs_the_last_one_wins() -> None:
    text = "[config.a.workspace]\nname = 'a'\n[config.b.workspace]\nname = 'b'\n"
    assert load(text, "a", "b").name == "b"
    assert load(text, "b", "a").name == "a"
    assert load(text).values["workspace.name"] == ""


def test_lists_in_the_environment_are_separated_by_commas() -> None:
    workspace = load("", env={"LAMBDABUILD_WORKSPACE_IGNORE": " dist, build ,", "LAMBDABUILD_TEST": "x"})
    assert workspace.values["workspace.ignore"] == ("dist", "build")
    assert load("", env={"LAMBDABUILD_WORKSPACE_IGNORE": ""}).values["workspace.ignore"] == ()


# --- what is refused ---------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "at", "message", "hint"),
    [
        ("[worspace]", "1:2", "unknown section [worspace]", "did you mean 'workspace'?"),
        ("\n[confg.x]", "2:2", "unknown section [confg]", "did you mean 'config'?"),
        (
            "[zzz]",
            "1:2",
            "unknown section [zzz]",
            f"there are {SECTIONS}, config",
        ),
        (
            "zzz = 1",
            "1:1",
            "unknown section [zzz]",
            f"there are {SECTIONS}, config",
        ),
        ("[workspace]\nnam = ''", "2:1", "unknown key 'nam' in [workspace]", "did you mean 'name'?"),
        ("[workspace]\n  'nam' = ''", "2:3", "unknown key 'nam' in [workspace]", "did you mean 'name'?"),
        ("[workspace]\nx = 1", "2:1", "unknown key 'x' in [workspace]", "there are name, platforms, ignore"),
        ("[workspace.name]", "1:12", "workspace.name must be a string, not {}", ""),
        ("[[workspace]]", "1:3", "workspace must be a table, not [{}]", ""),
        ("workspace = 3", "1:1", "workspace must be a table, not 3", ""),
        ("[workspace]\r\n\r\nname = 3", "3:1", "workspace.name must be a string, not 3", ""),
        ("[workspace]\nname = ['a']", "2:1", "workspace.name must be a string, not ['a']", ""),
        ("[workspace]\nignore = 'a'", "2:1", "workspace.ignore must be a list of strings, not 'a'", ""),
        (
            "[workspace]\nignore = ['a', 1]",
            "2:1",
            "workspace.ignore must be a list of strings, not ['a', 1]",
            "",
        ),
        (
            "[workspace]\nplatforms = true",
            "2:1",
            "workspace.platforms must be a list of strings, not True",
            "",
        ),
        ("workspace.nam = 1", "1:11", "unknown key 'nam' in [workspace]", "did you mean 'name'?"),
        ("workspace = {nam = 1}", "1:1", "unknown key 'nam' in [workspace]", "did you mean 'name'?"),
        (
            "[workspace]\nplatforms = ['linux/arm']",
            "2:1",
            "'linux/arm' is not a platform that Lambda runs",
            "did you mean 'linux/arm64'?",
        ),
        (
            "[workspace]\nplatforms = ['zzz']",
            "2:1",
            "'zzz' is not a platform that Lambda runs",
            "there are linux/amd64, linux/arm64 and host",
        ),
        (
            "[workspace]\nplatforms = []",
            "2:1",
            "no platform to build for",
            "there are linux/amd64, linux/arm64 and host",
        ),
    ],
)
def test_what_is_not_understood_is_refused_with_its_place(
    text: str, at: str, message: str, hint: str
) -> None:
    assert refused(text) == (f"WORKSPACE.toml:{at}", message, hint)


@pytest.mark.parametrize(
    ("text", "at", "message", "hint"),
    [
        ("config = 3", "1:1", "[config] holds tables [config.NAME]", ""),
        ("[config]\nci = 3", "2:1", "[config.ci] must be a table", ""),
        ("[config.ci.worspace]", "1:12", "unknown section [config.ci.worspace]", "did you mean 'workspace'?"),
        (
            "[config.ci.config]",
            "1:12",
            "unknown section [config.ci.config]",
            f"there are {SECTIONS}",
        ),
        ("[config.ci]\nworkspace = 3", "2:1", "config.ci.workspace must be a table, not 3", ""),
        (
            "[workspace]\nname = 'a'\n[config.ci.workspace]\nname = 3",
            "4:1",
            "config.ci.workspace.name must be a string, not 3",
            "",
        ),
        (
            "[config.ci.workspace]\nname = 'a'\n[workspace]\nname = 3",
            "4:1",
            "workspace.name must be a string, not 3",
            "",
        ),
        (
            "[config.a.workspace]\nname = 'a'\n[config.b]\nworkspace.nme = 3",
            "4:11",
            "unknown key 'nme' in [config.b.workspace]",
            "did you mean 'name'?",
        ),
        (
            "[config.ci.workspace]\nplatforms = ['linux/amd46']",
            "2:1",
            "'linux/amd46' is not a platform that Lambda runs",
            "did you mean 'linux/amd64'?",
        ),
    ],
)
def test_a_config_is_checked_even_when_nobody_asks_for_it(
    text: str, at: str, message: str, hint: str
) -> None:
    assert refused(text) == (f"WORKSPACE.toml:{at}", message, hint)


def test_an_unknown_config_suggests_the_nearest_name() -> None:
    text = "[config.release.workspace]\n"
    assert refused(text, "relase") == (
        "WORKSPACE.toml",
        "WORKSPACE.toml has no [config.relase]",
        "did you mean 'release'?",
    )
    assert refused("", "ci")[2] == "add [config.ci.workspace] to it, or drop --config ci"


def test_a_bad_value_in_the_environment_names_its_variable() -> None:
    text = "[workspace]\nplatforms = ['linux/amd64']\n"
    assert refused(text, env={"LAMBDABUILD_WORKSPACE_PLATFORMS": "linux/arm46"}) == (
        "LAMBDABUILD_WORKSPACE_PLATFORMS",
        "'linux/arm46' is not a platform that Lambda runs",
        "did you mean 'linux/arm64'?",
    )
    assert refused(text, env={"LAMBDABUILD_WORKSPACE_PLATFORMS": " ,"})[1] == "no platform to build for"


@pytest.mark.parametrize(
    ("text", "at", "message"),
    [
        ("[workspace\n", "1:11", "not TOML: expected ']' at the end of a table declaration"),
        ("[workspace]\nname = \n", "2:8", "not TOML: invalid value"),
        ("[workspace]\nname = 'a'\nname = 'b'\n", "3:11", "not TOML: cannot overwrite a value"),
        ("[workspace]\n[workspace]\n", "2:11", "not TOML: cannot declare ('workspace',) twice"),
        ("[workspace]\nname = '''", "2:11", "not TOML: expected \"'''\""),
        ("a = " + "[" * 10_000, "1", "a value is nested too deeply, or a number too long, to be read"),
        ("a = " + "1" * 10_000, "1", "a value is nested too deeply, or a number too long, to be read"),
        ("a" + ".a" * 10_000 + " = 1", "1", "a value is nested too deeply, or a number too long, to be read"),
    ],
)
def test_what_is_no_toml_is_refused_with_its_place(text: str, at: str, message: str) -> None:
    assert refused(text)[:2] == (f"WORKSPACE.toml:{at}" if at else "WORKSPACE.toml", message)


def test_what_is_not_utf_8_is_refused() -> None:
    assert refused(b"[workspace]\nname = '\xff'\n")[:2] == ("WORKSPACE.toml:2", "not UTF-8")


def test_a_file_that_is_missing_or_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read: No such file or directory"):
        load_workspace(tmp_path, env={})
    (tmp_path / "WORKSPACE.toml").mkdir()
    with pytest.raises(UserError, match="cannot be read: Is a directory"):
        load_workspace(tmp_path, env={})


@given(toml_texts)
def test_any_text_is_a_workspace_or_refused(text: str) -> None:
    try:
        load(text)
    except UserError as error:
        assert error.at is not None, text  # noqa: PT017 - that it raises nothing else is the law


# --- finding it --------------------------------------------------------------


def test_the_root_is_the_nearest_directory_with_a_workspace(tmp_path: Path) -> None:
    inner = tmp_path / "a" / "nested"
    (inner / "b" / "c").mkdir(parents=True)
    for directory in (tmp_path, inner):
        (directory / "WORKSPACE.toml").touch()
    (tmp_path / "a" / "WORKSPACE.toml").mkdir()  # a directory of that name is no workspace
    assert find_root(inner / "b" / "c") == inner.resolve()
    assert find_root(inner) == inner.resolve()
    assert find_root(tmp_path / "a") == tmp_path.resolve()


def test_without_a_workspace_the_error_says_how_to_make_one() -> None:
    with pytest.raises(UserError, match="or above it") as caught:
        find_root(Path("/"))
    assert "echo" in (caught.value.hint or "")


# --- numbers, truths and choices ---------------------------------------------


def test_settings_that_are_numbers_and_truths_are_read_from_file_and_environment() -> None:
    text = "[codebuild]\nconcurrency = 4\n[store]\nupload = true\n"
    workspace = load(text)
    assert workspace.number("codebuild.concurrency") == 4
    assert workspace.number("store.upload") is True
    env = {"LAMBDABUILD_CODEBUILD_CONCURRENCY": "2", "LAMBDABUILD_STORE_UPLOAD": "false"}
    over = load(text, env=env)
    assert over.number("codebuild.concurrency") == 2
    assert over.number("store.upload") is False


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        (
            '[codebuild]\nconcurrency = "4"',
            "codebuild.concurrency must be a number, not '4'",
            "",
        ),
        ("[codebuild]\nconcurrency = true", "codebuild.concurrency must be a number, not True", ""),
        ("[codebuild]\nconcurrency = 0", "codebuild.concurrency must be 1 or more, not 0", ""),
        ("[store]\nupload = 1", "store.upload must be true or false, not 1", ""),
        (
            '[executor]\ndefault = "codebild"',
            "executor.default cannot be 'codebild'",
            "did you mean 'codebuild'?",
        ),
    ],
)
def test_numbers_truths_and_choices_are_checked(text: str, message: str, hint: str | None) -> None:
    assert refused(text) == ("WORKSPACE.toml:2:1", message, hint)


def test_a_variable_that_is_no_number_names_itself() -> None:
    with pytest.raises(UserError) as caught:
        load("", env={"LAMBDABUILD_CODEBUILD_CONCURRENCY": "many"})
    assert str(caught.value.at) == "LAMBDABUILD_CODEBUILD_CONCURRENCY"
    assert caught.value.message == "LAMBDABUILD_CODEBUILD_CONCURRENCY must be a number, not 'many'"


def test_variables_of_function_names_are_laid_over_each_other() -> None:
    text = '[define]\nstage = "dev"\nteam = "x"\n[config.prod.define]\nstage = "prod"\n'
    assert load(text).define == {"stage": "dev", "team": "x"}
    over = load(text, "prod")
    assert over.define == {"stage": "prod", "team": "x"}
    assert over.origins["define.stage"] == "--config prod"
    assert over.origins["define.team"] == "WORKSPACE.toml"
