from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from lambdabuild.errors import ExternalError, UserError
from lambdabuild.remote.builds import Builds, Busy
from lambdabuild.remote.environments import DOCKER_AMD64, DOCKER_ARM64, PLAIN
from lambdabuild.remote.states import build_state, console_url, plain
from tests.cloud.aws import Cloud
from tests.cloud.faults import FOR_EVER, Rule, cut_off, server_error, throttled

ORDER, OTHER = "0a" * 32, "0b" * 32
SLEEPING = "version: 0.2\nphases:\n  build:\n    commands:\n      - sleep 600\n"
QUICK = "version: 0.2\nphases:\n  build:\n    commands:\n      - echo $LAMBDABUILD_ORDER\n"


class Project:
    """A project of the stand-in, and what asks it."""

    def __init__(self, cloud: Cloud, buildspec: str = SLEEPING, **changes: Any) -> None:
        self.cloud = cloud
        self.place = cloud.place()
        cloud.create_project(self.place, buildspec, **changes)
        api = cloud.client("codebuild")
        self.builds = Builds(lambda: api, self.place.project)

    def start(self, order: str = ORDER, token: str = "t-1") -> str:
        return self.builds.start(order, self.token(token), PLAIN, short=False).id

    def token(self, name: str) -> str:
        """Returns a token that no other test has used: the account remembers them for five minutes."""
        return f"{self.place.project}-{name}"


def test_a_build_is_started_for_an_order(cloud: Cloud) -> None:
    project = Project(cloud)
    state = project.builds.start(ORDER, project.token("t-1"), PLAIN, short=False)
    assert state.id.startswith(f"{project.place.project}:")
    assert (state.order, state.complete, state.environment) == (ORDER, False, "LINUX_CONTAINER")
    assert state.console.endswith("/?region=eu-central-1")


def test_a_token_starts_one_build_however_often_it_is_used(cloud: Cloud) -> None:
    project = Project(cloud)
    assert project.start() == project.start() != project.start(token="t-2")
    assert len(project.cloud.codebuild_gate.asked(operation="StartBuild")) == 3


def test_only_the_order_is_told_to_a_plain_build(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, Any]] = []
    project = Project(cloud)
    api = project.builds._client()
    real = api.start_build

    def start_build(**request: Any) -> Any:
        asked.append(request)
        return real(**request)

    monkeypatch.setattr(api, "start_build", start_build)
    project.start()
    project.builds.start(ORDER, project.token("t-2"), DOCKER_ARM64, short=True)
    variables = [{"name": "LAMBDABUILD_ORDER", "value": ORDER, "type": "PLAINTEXT"}]
    same = {"projectName": project.place.project, "environmentVariablesOverride": variables}
    assert asked == [
        {**same, "idempotencyToken": project.token("t-1")},
        {
            **same,
            "idempotencyToken": project.token("t-2"),
            "environmentTypeOverride": "ARM_CONTAINER",
            "imageOverride": "aws/codebuild/amazonlinux-aarch64-standard:3.0",
            "privilegedModeOverride": True,
        },
    ]


def test_only_short_plain_work_goes_to_lambda_compute() -> None:
    builds = Builds(lambda: None, "project", "on-lambda")
    assert builds.project_for(PLAIN, short=True) == "on-lambda"
    assert builds.project_for(PLAIN, short=False) == "project"
    assert builds.project_for(DOCKER_AMD64, short=True) == "project"
    assert Builds(lambda: None, "project").project_for(PLAIN, short=True) == "project"


def test_builds_are_asked_for_a_hundred_at_a_time_and_unknown_ones_are_absent(cloud: Cloud) -> None:
    project = Project(cloud)
    known = project.start()
    unknown = [f"{project.place.project}:{number:08x}" for number in range(150)]
    assert set(project.builds.states([known, *unknown])) == {known}
    assert len(cloud.codebuild_gate.asked(operation="BatchGetBuilds")) == 2
    assert project.builds.states([]) == {}


def test_a_build_that_is_over_tells_its_phases(cloud: Cloud) -> None:
    project = Project(cloud, QUICK)
    build = project.start()
    cloud.codebuild.wait(build)
    state = project.builds.states([build])[build]
    assert (state.status, state.complete, state.phase) == ("SUCCEEDED", True, "COMPLETED")
    assert [phase.name for phase in state.phases][:3] == ["SUBMITTED", "QUEUED", "PROVISIONING"]
    assert all(phase.seconds is not None for phase in state.phases if phase.name != "COMPLETED")
    assert state.log_group == f"/aws/codebuild/{project.place.project}"
    assert state.log_stream


def test_a_build_that_failed_tells_why(cloud: Cloud) -> None:
    project = Project(cloud, QUICK.replace("echo", "false"))
    build = project.start()
    cloud.codebuild.wait(build)
    state = project.builds.states([build])[build]
    assert state.status == "FAILED"
    assert any(phase.message for phase in state.phases)


def test_a_build_is_stopped_and_stopping_again_is_no_error(cloud: Cloud) -> None:
    project = Project(cloud)
    build = project.start()
    project.builds.stop(build)
    cloud.codebuild.wait(build)
    project.builds.stop(build)
    assert project.builds.states([build])[build].status == "STOPPED"
    project.builds.stop(f"{project.place.project}:unknown")


def test_the_build_of_an_order_is_found_and_one_that_runs_before_one_that_is_over(cloud: Cloud) -> None:
    project = Project(cloud)
    running, over = project.start(token="t-1"), project.start(token="t-2")
    project.start(OTHER, "t-3")
    project.builds.stop(over)
    cloud.codebuild.wait(over)
    found = project.builds.find(ORDER)
    assert found
    assert found.id == running
    assert project.builds.find("0c" * 32) is None


def test_the_builds_of_both_projects_are_searched(cloud: Cloud) -> None:
    first, second = Project(cloud), Project(cloud)
    build = second.start()
    api = cloud.client("codebuild")
    found = Builds(lambda: api, first.place.project, second.place.project).find(ORDER)
    assert found
    assert found.id == build


def test_a_long_history_is_not_searched_to_its_end() -> None:
    class Endless:
        asked = 0

        def list_builds_for_project(self, **request: Any) -> dict[str, Any]:
            self.asked += 1
            return {"ids": ["p:1"], "nextToken": "more"}

        def batch_get_builds(self, **request: Any) -> dict[str, Any]:
            return {"builds": []}

    api = Endless()
    assert Builds(lambda: api, "p").find(ORDER) is None
    assert api.asked <= 5


def test_a_project_that_is_not_there_is_for_bootstrap_to_make(cloud: Cloud) -> None:
    api = cloud.client("codebuild")
    builds = Builds(lambda: api, "absent")
    asks: list[Callable[[], object]] = [
        lambda: builds.start(ORDER, "absent-t-1", PLAIN, short=False),
        lambda: builds.find(ORDER),
    ]
    for ask in asks:
        with pytest.raises(UserError, match="no CodeBuild project absent") as caught:
            ask()
        assert "lambdabuild bootstrap" in str(caught.value.hint)


def test_too_many_builds_are_an_error_that_says_what_to_do(cloud: Cloud) -> None:
    project = Project(cloud, concurrentBuildLimit=1)
    project.start()
    with pytest.raises(ExternalError, match="no more builds") as caught:
        project.start(OTHER, "t-2")
    assert not isinstance(caught.value, Busy)
    assert "[codebuild] concurrency" in str(caught.value.hint)


def test_one_token_for_two_orders_is_refused(cloud: Cloud) -> None:
    project = Project(cloud)
    project.start()
    with pytest.raises(ExternalError, match="does not take the request"):
        project.start(OTHER)


@pytest.mark.parametrize(
    "fault", [throttled("json"), server_error("json"), cut_off()], ids=["throttled", "500", "cut"]
)
def test_what_passes_is_told_apart_from_what_does_not(cloud: Cloud, fault: Any) -> None:
    project = Project(cloud)
    cloud.codebuild_gate.add(Rule(fault, times=FOR_EVER))
    with pytest.raises(Busy):
        project.builds.states(["p:1"])


def test_an_expired_token_is_nothing_to_wait_for(cloud: Cloud) -> None:
    error = ClientError({"Error": {"Code": "ExpiredTokenException", "Message": "expired"}}, "BatchGetBuilds")

    class Expired:
        def batch_get_builds(self, **request: Any) -> dict[str, Any]:
            raise error

    with pytest.raises(ExternalError) as caught:
        Builds(Expired, "p").states(["p:1"])
    assert not isinstance(caught.value, Busy)


@pytest.mark.parametrize(
    ("partition", "region", "host"),
    [
        ("aws", "eu-west-1", "eu-west-1.console.aws.amazon.com"),
        ("aws-cn", "cn-north-1", "cn-north-1.console.amazonaws.cn"),
        ("aws-us-gov", "us-gov-west-1", "us-gov-west-1.console.amazonaws-us-gov.com"),
    ],
)
def test_the_page_of_a_build_is_in_the_console_of_its_partition(
    partition: str, region: str, host: str
) -> None:
    arn = f"arn:{partition}:codebuild:{region}:123456789012:build/p:12-ab"
    page = f"/codesuite/codebuild/123456789012/projects/p/build/p%3A12-ab/?region={region}"
    assert console_url(arn) == f"https://{host}{page}"


@given(st.text())
def test_what_is_no_arn_has_no_page(text: str) -> None:
    assert console_url(text) == ""


def test_a_partition_without_a_known_console_has_no_page() -> None:
    assert console_url("arn:aws-iso:codebuild:us-iso-east-1:123456789012:build/p:1") == ""


def test_an_answer_with_next_to_nothing_is_a_build_in_progress() -> None:
    state = build_state({"id": "p:1"})
    assert (state.status, state.phase, state.complete, state.order) == (
        "IN_PROGRESS",
        "SUBMITTED",
        False,
        None,
    )


@given(st.text())
def test_plain_text_is_one_line_that_prints(text: str) -> None:
    assert all(c.isprintable() or c == "\t" for c in plain(text))
