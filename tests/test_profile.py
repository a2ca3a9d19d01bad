"""--profile: a file that Perfetto takes, of what was done, however it ended."""

from __future__ import annotations

import json
import threading
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdabuild import noop, tracing
from lambdabuild.action import Made, ToolCall
from lambdabuild.errors import ActionFailed
from lambdabuild.evaluation import Evaluation
from lambdabuild.remote.build_rows import BuildRows
from lambdabuild.remote.following import Ended, PhaseChanged
from lambdabuild.remote.states import BuildState, Phase
from lambdabuild.session import Session
from lambdabuild.store.layered import LayeredStore
from lambdabuild.store.local import LocalStore
from lambdabuild.tools.image import ImageTool
from tests.project import Project, Ran
from tests.store.conftest import place as place
from tests.store.s3_place import S3Place

BUILD = """
print("evaluated")
files(name = "lib", srcs = glob(["lib/*.py"]), dest = "opt/python")
base_image(name = "base", base = "scratch", srcs = [":lib"], env = {"TOKEN": "hunter2"})
lambda_image(name = "app", base = ":base", srcs = ["handler.py"], handler = "handler.main")
"""
FILES = {"BUILD": BUILD, "lib/a.py": "A = 1\n", "handler.py": "def main(event, context):\n    return 1\n"}

Event = dict[str, Any]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "w", tmp_path / "cache" / "lambdabuild", FILES)


def profiled(project: Project, command: str, *arguments: str) -> tuple[Ran, list[Event]]:
    """Returns what a command with --profile came to, and the spans of its profile."""
    path = project.root.parent / "profile.json"
    path.unlink(missing_ok=True)
    ran = project.ask(command, "--profile", str(path), *arguments)
    return ran, spans_of(path)


def spans_of(path: Path) -> list[Event]:
    document = json.loads(path.read_bytes())
    assert document["displayTimeUnit"] == "ms"
    return [event for event in document["traceEvents"] if event["ph"] == "X"]


def names(spans: list[Event], kind: str) -> list[str]:
    return sorted(span["name"] for span in spans if span["cat"] == kind)


def overlapping(spans: list[Event]) -> list[tuple[str, str]]:
    """Returns the pairs of spans of one thread of which neither lies within the other, nor apart from it."""
    rows: dict[tuple[int, int], list[Event]] = defaultdict(list)
    for span in spans:
        rows[span["pid"], span["tid"]].append(span)
    found = []
    for row in rows.values():
        open_: list[tuple[int, str]] = []
        for span in sorted(row, key=lambda span: (span["ts"], -span["dur"])):
            start, end = round(span["ts"] * 1000), round((span["ts"] + span["dur"]) * 1000)
            while open_ and open_[-1][0] <= start:
                open_.pop()
            if open_ and end > open_[-1][0]:
                found.append((open_[-1][1], span["name"]))
            open_.append((end, span["name"]))
    return found


def test_a_profile_tells_each_step_of_a_build(project: Project) -> None:
    ran, spans = profiled(project, "build", "//...")
    assert ran.code == 0, ran.err
    assert names(spans, "command") == ["build"]
    assert names(spans, "loading") == ["//"]
    assert names(spans, "analysis") == ["//:app", "//:base", "//:lib"]
    assert names(spans, "action") == ["image //:app", "image //:base", "layer //:app", "layer //:lib"]
    assert names(spans, "tool") == ["image", "image", "layer", "layer"]
    assert {"evaluation", "hashing", "planning", "execution", "store", "outputs"} <= {s["cat"] for s in spans}
    action = next(span for span in spans if span["name"] == "image //:app")
    assert (action["args"]["tool"], action["args"]["platform"]) == ("image", "linux/amd64")
    assert action["args"]["ran"] is True
    assert len(action["args"]["key"]) == 64


def test_what_runs_in_other_threads_and_processes_has_rows_of_its_own(project: Project) -> None:
    _, spans = profiled(project, "build", "//...")
    where = {span["cat"]: (span["pid"], span["tid"]) for span in spans}
    assert where["loading"] == where["analysis"]
    assert where["tool"][0] == where["command"][0] != where["loading"][0]
    assert len({where["command"], where["loading"], where["tool"]}) == 3
    document = json.loads((project.root.parent / "profile.json").read_bytes())
    named = {
        (event["name"], event["pid"], event["tid"]): event["args"]["name"]
        for event in document["traceEvents"]
        if event["ph"] == "M"
    }
    assert named["process_name", where["command"][0], 0] == "lambdabuild"
    assert named["process_name", where["loading"][0], 0] == "evaluation of BUILD files"
    assert named["thread_name", *where["tool"]].startswith("action_")


@pytest.mark.parametrize(
    "arguments",
    [
        ("build", "//..."),
        ("hash", "//..."),
        ("query", "deps(//:app)"),
        ("check", "//:app"),
        ("why", "//:app"),
    ],
)
def test_spans_follow_the_trace_event_format(project: Project, arguments: tuple[str, ...]) -> None:
    _, spans = profiled(project, *arguments)
    assert names(spans, "command") == [arguments[0]]
    assert "//" in names(spans, "loading")
    for span in spans:
        assert (type(span["pid"]), type(span["tid"])) == (int, int)
        assert (type(span["ts"]), type(span["dur"])) == (float, float)
        assert min(span["ts"], span["dur"]) >= 0
    assert overlapping(spans) == []


def test_no_value_of_an_attribute_or_variable_is_in_a_profile(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAMBDABUILD_PYTHON_INDEX", "https://user:hunter3@index.example/simple")
    ran, _ = profiled(project, "build", "//...")
    assert ran.code == 0, ran.err
    text = (project.root.parent / "profile.json").read_text()
    assert "hunter" not in text
    assert "index.example" not in text


def test_a_build_that_fails_leaves_its_profile(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: ImageTool, call: ToolCall) -> Mapping[str, Made]:
        raise ActionFailed("it broke")

    monkeypatch.setattr(ImageTool, "run", fail)
    ran, spans = profiled(project, "build", "//...")
    assert ran.code == 1
    ended = {span["name"]: span["args"].get("ended") for span in spans if span["cat"] == "tool"}
    assert ended == {"layer": None, "image": "ActionFailed"}
    project.write({"BUILD": "fail('no')\n"})
    ran, spans = profiled(project, "build", "//...")
    assert ran.code == 2
    assert [s["args"]["ended"] for s in spans if s["cat"] in ("loading", "command")] == [
        "EvaluationError"
    ] * 2


def test_a_build_that_is_interrupted_leaves_its_profile(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(self: Session, evaluation: Evaluation, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Session, "build", interrupted)
    ran, spans = profiled(project, "build", "//...")
    assert ran.code == 130
    assert names(spans, "analysis") == ["//:app", "//:base", "//:lib"]


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("-", "a profile goes to a file"),
        ("lib", "is a directory"),
        ("none/profile.json", "No such file or directory"),
        ("handler.py/profile.json", "Not a directory"),
        ("//:app", "//:app is none"),
        ("handler.py", "is there and is no profile"),
        ("/dev/null", "is there and is no profile"),
    ],
)
def test_a_file_that_cannot_be_a_profile_is_an_error_before_anything_runs(
    project: Project, path: str, problem: str
) -> None:
    before = project.stored()
    ran = project.run("build", "//...", "--profile", path)
    assert ran.code == 2
    assert problem in ran.err
    assert "hint: " in ran.err
    assert "evaluated" not in ran.err
    assert project.stored() == before
    assert (project.root / "handler.py").read_text() == FILES["handler.py"]


def test_a_profile_takes_the_place_of_an_earlier_one_alone(project: Project) -> None:
    for _ in range(2):
        ran = project.run("build", "//...", "--profile", "profile.json")
        assert ran.code == 0, ran.err
    assert names(spans_of(project.root / "profile.json"), "tool") == []
    assert [path.name for path in project.root.glob("*prof*")] == ["profile.json"]


def test_the_file_is_seen_from_where_the_command_is_told_to_run(project: Project) -> None:
    ran = project.run("build", "-C", "lib", "//...", "--profile", "profile.json")
    assert ran.code == 0, ran.err
    assert names(spans_of(project.root / "lib/profile.json"), "command") == ["build"]


def test_an_answer_that_still_holds_is_worked_out_and_profiled(project: Project) -> None:
    plain = [project.ask("build", "//...") for _ in range(2)]
    ran, spans = profiled(project, "build", "//...")
    assert ran.code == 0, ran.err
    assert ran.out == plain[1].out
    assert names(spans, "loading") == []
    assert "recall the last answer" in names(spans, "evaluation")


def test_a_profiled_build_answers_the_next_one_that_nobody_profiles(project: Project) -> None:
    asked = ("build", "//...")
    profiled(project, *asked)
    assert noop.question(asked) == noop.question(["build", "--profile", "x", "//..."])
    ran = project.ask(*asked)
    assert "3 cached" in ran.err


@given(
    st.lists(st.sampled_from(["//...", "-k", "--json", "--platform=a", "//x"])),
    st.lists(st.sampled_from(["//...", "-C", "--jobs", "-k", "//y"])),
    st.sampled_from([["--profile", "f"], ["--profile=f"]]),
)
def test_the_question_is_the_same_whoever_watches(
    before: list[str], after: list[str], option: list[str]
) -> None:
    words = ["build", *before, *option, *after]
    assert noop.question(words) in (noop.question(["build", *before, *after]), None)
    if before[-1:] != ["--platform=a"]:
        assert noop.without_profile(words) == ["build", *before, *after]


@pytest.mark.parametrize("option", ["-C", "--platform", "-j", "--config"])
def test_a_value_that_looks_like_the_option_is_left_alone(option: str) -> None:
    assert noop.question(["build", option, "--profile", "a", "//..."]) is None
    assert noop.question(["build", option, "--profile=a", "//..."]) is None


def test_nothing_is_recorded_that_nobody_asked_for(project: Project) -> None:
    assert tracing.span("kind", "name") is tracing.span("other")
    with tracing.recording() as recorder, tracing.span("kind", "name"):
        pass
    with tracing.span("kind", "late"):
        pass
    assert [span.name for span in recorder.spans] == ["name"]
    assert tracing.current() is None


def test_threads_record_at_once(project: Project) -> None:
    def work(number: int) -> None:
        for step in range(100):
            with tracing.span("kind", number, step):
                pass

    with tracing.recording() as recorder:
        threads = [threading.Thread(target=work, args=[number]) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(s.name for s in recorder.spans) == sorted(f"{n} {s}" for n in range(4) for s in range(100))


def test_transfers_of_the_remote_store_are_spans(place: S3Place, tmp_path: Path) -> None:
    with tracing.recording() as recorder:
        digest = place.store().put(b"data")
        LayeredStore(LocalStore(tmp_path / "local"), place.store()).verified(digest)
    found = {span.name: span.details for span in recorder.spans if span.kind == "remote store"}
    assert found["upload"]["blobs"] == 1
    assert found["fetch a blob"] == {"bytes": 4}
    assert {"put_object", "get_object"} <= found.keys()


def test_a_build_on_codebuild_is_a_row_with_its_phases() -> None:
    state = BuildState("p:123", "SUCCEEDED", "COMPLETED", (Phase("BUILD", 12.5, ""),), complete=True)
    told: list[object] = []
    with tracing.recording() as recorder:
        rows = BuildRows(recorder)
        tell = rows.noting(told.append)
        for event in (
            PhaseChanged("p:123", "QUEUED"),
            PhaseChanged("p:456", "QUEUED"),
            PhaseChanged("p:123", "BUILD"),
            Ended("p:123", state),
        ):
            tell(event)
        rows.close()
    first = [span for span in recorder.spans if span.row.name == "build 123"]
    assert [span.name for span in first] == ["QUEUED", "BUILD", "build p:123"]
    assert first[-1].details == {"status": "SUCCEEDED", "BUILD seconds": "12.5"}
    assert first[-1].started == first[0].started
    assert first[-1].ended >= first[1].ended
    other = [span for span in recorder.spans if span.row.name == "build 456"]
    assert [span.details.get("status") for span in other] == [None, "followed no longer"]
    assert len(told) == 4
