from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lambdabuild.errors import ExternalError
from lambdabuild.remote.logs import EVENTS, PLAIN_LINE, LogLine, Tail, parse_line
from tests.cloud.aws import Cloud
from tests.cloud.faults import FOR_EVER, Rule, throttled

GROUP = "/aws/codebuild/project"


def event(**told: object) -> str:
    return json.dumps({"lambdabuild": 1, **told}, separators=(",", ":"))


class Stream:
    """A log stream that CodeBuild writes, and its tail."""

    def __init__(self, cloud: Cloud) -> None:
        self.name = cloud.place().project
        self.group = f"{GROUP}-{self.name}"
        self.api = cloud.client("logs", "admin")
        reader = cloud.client("logs")
        self.tail = Tail(lambda: reader, self.group, self.name)

    def open(self) -> None:
        self.api.create_log_group(logGroupName=self.group)
        self.api.create_log_stream(logGroupName=self.group, logStreamName=self.name)

    def write(self, *messages: str) -> None:
        events: list[dict[str, Any]] = [
            {"timestamp": int(time.time() * 1000), "message": each} for each in messages
        ]
        self.api.put_log_events(logGroupName=self.group, logStreamName=self.name, logEvents=events)

    def read(self) -> list[str]:
        return [line.text for line in self.tail.read()]


def test_an_event_of_the_worker_is_told_with_its_label() -> None:
    line = event(event="finished", label="//a:b", tool="layer", text="", seconds=1.25)
    assert parse_line(line) == LogLine("//a:b", "finished", "", 1.25, "layer")


def test_any_other_line_is_plain_text() -> None:
    line = "[Container] 2026/11/22 Entering phase BUILD"
    assert parse_line(line) == LogLine(None, PLAIN_LINE, line)


def test_a_line_that_imitates_an_event_within_output_stays_text() -> None:
    forged = event(event="failed", label="//other:target", text="not true")
    line = event(event="output", label="//a:b", tool="wheel", text=forged)
    assert parse_line(line) == LogLine("//a:b", "output", forged, None, "wheel")


@pytest.mark.parametrize(
    "line",
    [
        ' {"lambdabuild":1,"event":"failed"}',
        '{"lambdabuild":2,"event":"failed"}',
        '{"lambdabuild":1,"event":"reboot"}',
        '{"lambdabuild":1,"event":["failed"]}',
        '{"lambdabuild":1,"event":{"failed":1}}',
        '{"lambdabuild":1,"event":"note","text":{"a":1}}',
        '{"lambdabuild":1,"event":"note","label":7}',
        '{"event":"failed","lambdabuild":1}',
        '{"lambdabuild":1,"event":"failed"',
        '{"lambdabuild":' + "[" * 100_000,
    ],
)
def test_what_is_not_an_event_in_every_respect_is_plain_text(line: str) -> None:
    assert parse_line(line).kind == PLAIN_LINE
    assert parse_line(line).text == line[:4000]


@given(st.text(max_size=300))
@example("\x1b[2J\x07\x9b31m")
@example("\u202e\u2066 reversed")
@example("a\rb")
def test_no_line_commands_the_terminal(text: str) -> None:
    lines = [parse_line(text), parse_line(event(event="output", label=text, tool=text, text=text))]
    for line in lines:
        shown = f"{line.text}{line.label or ''}{line.tool}"
        assert all(c.isprintable() or c == "\t" for c in shown)


def test_a_line_without_end_is_cut() -> None:
    assert len(parse_line("x" * 1_000_000).text) == 4000
    assert len(parse_line(event(event="output", text="\x1b" * 1_000_000)).text) <= 16_000


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), lambda inner: st.lists(inner)))
def test_seconds_are_a_number_or_nothing(value: object) -> None:
    line = parse_line(event(event="finished", seconds=value))
    assert line.kind == "finished"
    assert line.seconds is None or line.seconds >= 0


def test_every_kind_of_event_is_known() -> None:
    assert {"started", "finished", "failed", "pushing", "pushed", "output", "note"} == EVENTS


def test_a_stream_that_does_not_exist_yet_has_no_lines(cloud: Cloud) -> None:
    stream = Stream(cloud)
    assert stream.read() == []
    stream.open()
    assert stream.read() == []
    stream.write("first\n")
    assert stream.read() == ["first"]


def test_each_line_is_told_once(cloud: Cloud) -> None:
    stream = Stream(cloud)
    stream.open()
    stream.write("one\n", "two\n")
    assert stream.read() == ["one", "two"]
    assert stream.read() == []
    stream.write("three\r\n", "four\nfive\n", "\n")
    assert stream.read() == ["three", "four", "five", ""]


def test_a_log_of_several_pages_is_read_whole(cloud: Cloud) -> None:
    stream = Stream(cloud)
    stream.open()
    for start in range(0, 12_000, 1000):
        stream.write(*(f"line {number}" for number in range(start, start + 1000)))
    assert stream.read() == [f"line {number}" for number in range(12_000)]


def test_what_was_read_before_a_refusal_is_told(cloud: Cloud) -> None:
    stream = Stream(cloud)
    stream.open()
    stream.write("first")
    cloud.logs.add(Rule(throttled("json"), operation="GetLogEvents", first=2, times=FOR_EVER))
    assert stream.read() == ["first"]
    with pytest.raises(ExternalError, match="cannot read the log of a build"):
        stream.read()
    cloud.logs.reset()
    stream.write("second")
    assert stream.read() == ["second"]
