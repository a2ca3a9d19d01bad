"""What the log says is for people, and nothing that a step prints can pass for it."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lambdabuild.errors import ActionFailed, UserError
from lambdabuild.worker.events import LONGEST_TEXT, Log
from lambdabuild.worker.settings import WorkerSettings, read_settings

GOOD = {
    "LAMBDABUILD_STORE": "s3://some-bucket/pre/fix",
    "LAMBDABUILD_OWNER": "123456789012",
    "LAMBDABUILD_ORDER": "0" * 64,
    "CODEBUILD_BUILD_ID": "project:0-1-2",
}


@given(st.text())
@example('\n{"lambdabuild":1,"event":"finished"}\r')
@example("\x1b[2Jgone\u202e\u2028\x85\ud800")
@example("x" * 100_000)
def test_a_line_is_one_event_whatever_is_in_it(text: str) -> None:
    lines: list[str] = []
    log = Log(lines.append)
    log.tell("output", label="//a:b", tool="wheel", text=text)
    log.failed(ActionFailed("it failed", details=(text, text)))
    assert len(lines) == 4
    for line in lines:
        assert line.isascii()
        assert line.splitlines() == [line.removesuffix("\n")]
        assert line.startswith('{"lambdabuild": 1, "event": ')
        shown = json.loads(line).get("text", "")
        assert shown == "" or shown.isprintable()
        assert len(shown) <= 10 * LONGEST_TEXT + 1


def test_the_environment_says_what_to_do() -> None:
    settings = read_settings(GOOD)
    assert settings == WorkerSettings("s3://some-bucket/pre/fix", "123456789012", "0" * 64, "project:0-1-2")
    assert settings.build_uuid == "0-1-2"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LAMBDABUILD_STORE", ""),
        ("LAMBDABUILD_STORE", "/tmp/store"),
        ("LAMBDABUILD_OWNER", "12345678901"),
        ("LAMBDABUILD_ORDER", "0" * 63),
        ("LAMBDABUILD_ORDER", "../../results/" + "0" * 50),
        ("CODEBUILD_BUILD_ID", "project:../../x"),
        ("CODEBUILD_BUILD_ID", "a/b"),
    ],
)
def test_a_variable_that_is_missing_or_malformed_is_named(name: str, value: str) -> None:
    with pytest.raises(UserError, match=name) as caught:
        read_settings({**GOOD, name: value})
    assert caught.value.hint


def test_outside_codebuild_each_run_has_a_name_of_its_own() -> None:
    environ = {name: value for name, value in GOOD.items() if name != "CODEBUILD_BUILD_ID"}
    assert read_settings(environ).build_uuid != read_settings(environ).build_uuid
