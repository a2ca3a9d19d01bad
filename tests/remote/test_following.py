from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

import pytest

from lambdabuild.errors import ExternalError
from lambdabuild.remote.builds import Busy
from lambdabuild.remote.following import BuildEvent, Ended, Logged, PhaseChanged, Poller
from lambdabuild.remote.logs import LogLine, Tail, parse_line
from lambdabuild.remote.states import VANISHED, BuildState
from tests.cloud.aws import Cloud
from tests.remote.test_builds import Project

RUNNING = BuildState("p:1", "IN_PROGRESS", "BUILD", log_group="g", log_stream="s")
OVER = replace(RUNNING, status="SUCCEEDED", phase="COMPLETED", complete=True)
TALKING = """
version: 0.2
phases:
  build:
    commands:
      - echo '{"lambdabuild":1,"event":"started","label":"//a:a","tool":"layer"}'
      - echo '{"lambdabuild":1,"event":"output","label":"//a:a","text":"working"}'
"""


class Answers:
    """Builds that answer what a test says, round by round; the last answer stays."""

    def __init__(self, *rounds: Mapping[str, BuildState] | ExternalError) -> None:
        self.rounds = list(rounds)
        self.asked: list[frozenset[str]] = []

    def states(self, ids: Iterable[str]) -> Mapping[str, BuildState]:
        self.asked.append(frozenset(ids))
        answer = self.rounds.pop(0) if len(self.rounds) > 1 else self.rounds[0]
        if isinstance(answer, ExternalError):
            raise answer
        return answer


class Lines:
    """A tail that gives what a test says, read by read."""

    def __init__(self, *reads: Iterable[str] | ExternalError) -> None:
        self.reads = list(reads)

    def read(self) -> tuple[LogLine, ...]:
        found = self.reads.pop(0) if self.reads else ()
        if isinstance(found, ExternalError):
            raise found
        return tuple(parse_line(text) for text in found)


class Followed:
    """A poller whose sleeps are recorded and not slept."""

    def __init__(
        self, answers: Answers, tail_of: Callable[[str, str], Lines] = lambda group, stream: Lines()
    ) -> None:
        self.events: list[BuildEvent] = []
        self.slept: list[float] = []
        self.poller = Poller(answers, tail_of, self.slept.append, self.events.append, interval=2.0)

    def run(self, *builds: str) -> Mapping[str, BuildState]:
        for build in builds or ("p:1",):
            self.poller.follow(build)
        return to_the_end(self.poller)


def to_the_end(poller: Poller) -> Mapping[str, BuildState]:
    """Makes rounds and rests until all builds are over; returns how they ended."""
    ended: dict[str, BuildState] = {}
    while poller.following:
        ended |= {state.id: state for state in poller.round()}
        if poller.following:
            poller.rest()
    return ended


def a(state: BuildState) -> Mapping[str, BuildState]:
    return {state.id: state}


def test_phases_are_told_when_they_change_and_the_end_once() -> None:
    queued = replace(RUNNING, phase="QUEUED")
    followed = Followed(Answers(a(queued), a(queued), a(RUNNING), a(RUNNING), a(OVER)))
    assert followed.run() == a(OVER)
    assert followed.events == [
        PhaseChanged("p:1", "QUEUED"),
        PhaseChanged("p:1", "BUILD"),
        PhaseChanged("p:1", "COMPLETED"),
        Ended("p:1", OVER),
    ]


def test_all_builds_are_asked_for_at_once_and_those_that_ended_no_more() -> None:
    second = replace(RUNNING, id="p:2")
    answers = Answers({"p:1": OVER, "p:2": second}, a(replace(OVER, id="p:2")))
    assert set(Followed(answers).run("p:1", "p:2")) == {"p:1", "p:2"}
    assert answers.asked == [{"p:1", "p:2"}, {"p:2"}]


def test_a_round_without_builds_asks_nothing() -> None:
    answers = Answers({})
    assert Followed(answers).poller.round() == ()
    assert answers.asked == []


def test_a_build_that_is_forgotten_is_asked_for_no_more() -> None:
    answers = Answers(a(RUNNING))
    followed = Followed(answers)
    followed.poller.follow("p:1")
    followed.poller.forget("p:1")
    assert to_the_end(followed.poller) == {}
    assert followed.poller.following == frozenset()


def test_a_build_that_no_answer_holds_for_a_minute_has_vanished() -> None:
    followed = Followed(Answers(a(RUNNING), {}))
    (state,) = followed.run().values()
    assert (state.status, state.complete, state.log_group) == (VANISHED, True, "g")
    assert 60 <= sum(followed.slept) < 70


def test_a_build_that_comes_back_in_time_has_not_vanished() -> None:
    absences: list[Mapping[str, BuildState]] = [{}] * 12
    followed = Followed(Answers(*absences, a(RUNNING), *absences, a(OVER)))
    assert followed.run() == a(OVER)


def test_a_build_that_was_never_known_vanishes_too() -> None:
    (state,) = Followed(Answers({})).run().values()
    assert (state.id, state.status) == ("p:1", VANISHED)


def test_the_pauses_grow_while_a_build_stays_in_its_phase_and_shrink_with_the_next() -> None:
    same, next_phase = [a(RUNNING)] * 7, replace(RUNNING, phase="POST_BUILD")
    followed = Followed(Answers(*same, a(next_phase), a(OVER)))
    followed.run()
    assert followed.slept[:4] == [2.0, 2.0, 2.5, 3.125]
    assert followed.slept[6:8] == [5.0, 2.0]


def test_the_pauses_grow_while_codebuild_is_busy_and_shrink_again() -> None:
    busy = Busy("slow down")
    followed = Followed(Answers(a(RUNNING), busy, busy, busy, busy, busy, a(RUNNING), a(OVER)))
    followed.run()
    assert followed.slept[:7] == [2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 2.0]


def test_a_build_does_not_vanish_while_codebuild_is_busy() -> None:
    followed = Followed(Answers(a(RUNNING), *[Busy("slow down")] * 10, a(OVER)))
    assert followed.run() == a(OVER)


def test_patience_with_a_busy_codebuild_ends_after_ten_minutes() -> None:
    followed = Followed(Answers(Busy("slow down")))
    with pytest.raises(Busy):
        followed.run()
    assert 600 <= sum(followed.slept) < 640


def test_any_other_refusal_ends_it_at_once() -> None:
    followed = Followed(Answers(ExternalError("no credentials")))
    with pytest.raises(ExternalError, match="no credentials"):
        followed.run()
    assert followed.slept == []


def test_the_last_lines_of_the_right_label_are_kept() -> None:
    def said(label: str, text: str) -> str:
        return f'{{"lambdabuild":1,"event":"output","label":"{label}","text":"{text}"}}'

    many = [said("//a:a", f"a {number}") for number in range(100)]
    tail = Lines([*many, said("//b:b", "b"), "of the build"])
    followed = Followed(Answers(a(RUNNING), a(OVER)), lambda group, stream: tail)
    followed.run()
    last_lines = followed.poller.last_lines
    assert last_lines("p:1", "//a:a") == tuple(f"a {number}" for number in range(50, 100))
    assert last_lines("p:1", "//b:b") == ("b",)
    assert last_lines("p:1") == ("of the build",)
    assert last_lines("p:2") == ()


def test_a_log_with_endless_labels_takes_no_endless_memory() -> None:
    lines = [
        f'{{"lambdabuild":1,"event":"note","label":"//x:{number}","text":"x"}}' for number in range(5000)
    ]
    followed = Followed(Answers(a(OVER)), lambda group, stream: Lines(lines))
    followed.run()
    assert sum(bool(followed.poller.last_lines("p:1", f"//x:{number}")) for number in range(5000)) <= 1000


def test_lines_that_come_after_the_end_are_told_before_it() -> None:
    tail = Lines([], ["late"], ["later"], [])
    followed = Followed(Answers(a(OVER)), lambda group, stream: tail)
    followed.run()
    assert [type(event) for event in followed.events] == [PhaseChanged, Logged, Logged, Ended]


def test_a_log_that_never_ends_does_not_hold_up_the_end() -> None:
    class Endless(Lines):
        def read(self) -> tuple[LogLine, ...]:
            return (parse_line("more"),)

    followed = Followed(Answers(a(OVER)), lambda group, stream: Endless())
    assert followed.run() == a(OVER)


def test_a_log_that_cannot_be_read_is_told_once_and_spoils_nothing() -> None:
    denied = ExternalError("logs:GetLogEvents is not allowed")
    tail = Lines(denied, denied, ["readable again"], [])
    followed = Followed(Answers(a(RUNNING), a(RUNNING), a(RUNNING), a(OVER)), lambda group, stream: tail)
    assert followed.run() == a(OVER)
    told = [event.line.text for event in followed.events if isinstance(event, Logged)]
    assert told == ["logs:GetLogEvents is not allowed", "readable again"]


def test_a_real_build_is_followed_from_its_queue_to_its_end(cloud: Cloud) -> None:
    project = Project(cloud, TALKING)
    logs = cloud.client("logs")
    events: list[BuildEvent] = []
    cloud.codebuild.hold_in_queue()
    build = project.start()

    def sleep(seconds: float) -> None:
        cloud.codebuild.release()
        cloud.codebuild.wait(build)

    poller = Poller(
        project.builds, lambda group, stream: Tail(lambda: logs, group, stream), sleep, events.append
    )
    poller.follow(build)
    assert to_the_end(poller)[build].status == "SUCCEEDED"
    assert events[0] == PhaseChanged(build, "QUEUED")
    assert Logged(build, LogLine("//a:a", "output", "working")) in events
    assert poller.last_lines(build, "//a:a") == ("", "working")
    assert isinstance(events[-1], Ended)


def test_a_real_build_that_vanishes_ends(cloud: Cloud) -> None:
    project = Project(cloud)
    build = project.start()
    cloud.codebuild.vanish(build)
    poller = Poller(project.builds, lambda group, stream: Lines(), lambda seconds: None, lambda event: None)
    poller.follow(build)
    assert to_the_end(poller)[build].status == VANISHED
