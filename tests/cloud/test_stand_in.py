"""The stand-in for CodeBuild, asked with boto3 as the product asks it."""

from __future__ import annotations

import io
import subprocess
import time
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from .asking import SIMPLE, SLEEPING, Asking, phases, refused, until
from .aws import ACCOUNT, Cloud
from .codebuild.shell import Shell


def test_a_build_goes_through_all_phases(cloud: Cloud) -> None:
    asking = Asking(cloud)
    build = asking.run()
    assert (build["buildStatus"], build["buildComplete"], build["currentPhase"]) == (
        "SUCCEEDED",
        True,
        "COMPLETED",
    )
    names = "SUBMITTED QUEUED PROVISIONING DOWNLOAD_SOURCE INSTALL PRE_BUILD BUILD POST_BUILD"
    assert list(phases(build)) == [*names.split(), "UPLOAD_ARTIFACTS", "FINALIZING", "COMPLETED"]
    assert set(phases(build).values()) == {"SUCCEEDED", ""}
    assert asking.said(build) == ["hello"]
    assert build["logs"]["groupName"] == f"/aws/codebuild/{asking.place.project}"


def test_all_commands_share_one_shell(cloud: Cloud) -> None:
    asking = Asking(
        cloud,
        """
version: 0.2
env: {shell: sh, variables: {WORD: spec}}
phases:
  install: {commands: [cd /, "export KEPT=kept"]}
  pre_build: {commands: ["printf no-newline"]}
  build: {commands: ["echo $PWD $KEPT $WORD $LAMBDABUILD_OWNER", "cat", "echo; echo spaced", 'echo "it''s"']}
""",
    )
    build = asking.run()
    assert asking.said(build) == ["no-newline", f"/ kept spec {ACCOUNT}", "", "spaced", "it's"]


def test_variables_of_a_start_override_those_of_the_project(cloud: Cloud) -> None:
    asking = Asking(cloud, SIMPLE.replace("echo hello", "echo $LAMBDABUILD_OWNER $CODEBUILD_BUILD_ID"))
    build = asking.run(environmentVariablesOverride=[{"name": "LAMBDABUILD_OWNER", "value": "me"}])
    assert asking.said(build) == [f"me {build['id']}"]


def test_a_build_sees_the_variables_of_codebuild_and_nothing_of_the_test(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path.cwd()))
    monkeypatch.setenv("SECRET_OF_THE_TEST", "1")
    asking = Asking(cloud, SIMPLE.replace("echo hello", "env"))
    names = {line.partition("=")[0] for line in asking.said(asking.run())}
    assert {"AWS_REGION", "CODEBUILD_SRC_DIR", "CODEBUILD_START_TIME", "HOME", "PATH"} <= names
    own = ("AWS_", "CODEBUILD_", "LAMBDABUILD_", "PIP_", "SSL_CERT_", "REQUESTS_CA_BUNDLE")
    assert {name for name in names if not name.startswith(own)} <= {
        "HOME",
        "PATH",
        "PWD",
        "OLDPWD",
        "SHLVL",
        "_",
    }


def test_a_build_speaks_to_aws_as_the_worker(cloud: Cloud) -> None:
    program = "import os, urllib.request; urllib.request.urlopen(os.environ['AWS_ENDPOINT_URL_S3'])"
    asking = Asking(cloud, SIMPLE.replace("echo hello", f'python3 -c "{program}"; echo $AWS_ACCESS_KEY_ID'))
    assert asking.said(asking.run()) == ["AKIAWORKER"]
    assert cloud.s3.asked("GET")


FAILING = """
version: 0.2
phases:
  {phase}:
    {on_failure}
    commands: [echo one, {command}, echo never]
    finally: [echo finally]
  post_build: {{commands: ["echo after $CODEBUILD_BUILD_SUCCEEDING"]}}
"""


@pytest.mark.parametrize("command", ["'false'", "exit 1"])
def test_a_failed_command_fails_the_build(cloud: Cloud, command: str) -> None:
    asking = Asking(cloud, FAILING.format(phase="build", on_failure="", command=command))
    build = asking.run()
    assert build["buildStatus"] == "FAILED"
    assert asking.said(build) == ["one", "finally", "after 0"]
    (context,) = next(each["contexts"] for each in build["phases"] if each["phaseType"] == "BUILD")
    assert context["statusCode"] == "COMMAND_EXECUTION_ERROR"
    assert context["message"].endswith("Reason: exit status 1")


@pytest.mark.parametrize(("phase", "on_failure"), [("install", ""), ("build", "on-failure: ABORT")])
def test_what_comes_after_a_failure_is_left_out(cloud: Cloud, phase: str, on_failure: str) -> None:
    asking = Asking(cloud, FAILING.format(phase=phase, on_failure=on_failure, command="'false'"))
    build = asking.run()
    assert build["buildStatus"] == "FAILED"
    assert asking.said(build) == ["one", "finally"]
    assert "POST_BUILD" not in phases(build)


def test_on_failure_continue_forgives(cloud: Cloud) -> None:
    asking = Asking(
        cloud, FAILING.format(phase="build", on_failure="on-failure: CONTINUE", command="'false'")
    )
    build = asking.run()
    assert build["buildStatus"] == "SUCCEEDED"
    assert asking.said(build) == ["one", "finally", "after 1"]


def test_a_buildspec_that_is_none_fails_before_anything_runs(cloud: Cloud) -> None:
    build = Asking(cloud, "version: 0.1\nphases: {}\n").run()
    assert (build["buildStatus"], phases(build)["DOWNLOAD_SOURCE"]) == ("FAILED", "FAILED")
    assert "INSTALL" not in phases(build)


def test_a_source_comes_from_s3_with_its_modes(cloud: Cloud) -> None:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        program = zipfile.ZipInfo("run.sh")
        program.external_attr = 0o755 << 16
        archive.writestr(program, "#!/bin/sh\necho ran in $CODEBUILD_SRC_DIR\n")
    asking = Asking(cloud, "version: 0.2\nphases: {build: {commands: [./run.sh]}}\n")
    source = {
        "type": "S3",
        "location": f"{asking.place.bucket}/{asking.place.prefix}/worker/one.zip",
        "buildspec": "version: 0.2\nphases: {build: {commands: [./run.sh]}}\n",
    }
    asking.api.update_project(name=asking.place.project, source=source)
    missing = asking.run()
    assert (missing["buildStatus"], phases(missing)["DOWNLOAD_SOURCE"]) == ("FAILED", "FAILED")
    cloud.client("s3").put_object(
        Bucket=asking.place.bucket, Key=f"{asking.place.prefix}/worker/one.zip", Body=data.getvalue()
    )
    (line,) = asking.said(asking.run())
    assert line.startswith("ran in /")


def test_a_stopped_build_leaves_no_process(cloud: Cloud, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    # In a session of its own, so that a process group would not do.
    program = f"import os, time; os.setsid(); open('{pid}', 'w').write(str(os.getpid())); time.sleep(600)"
    child = f'python3 -c "{program}" & while ! test -s {pid}; do sleep 0.05; done'
    buildspec = (
        f"version: 0.2\nphases:\n  build:\n    commands:\n      - |\n        {child}; echo up; sleep 600\n"
    )
    asking = Asking(cloud, buildspec)
    build = asking.start()
    asking.until_up(build)
    stopped = asking.api.stop_build(id=build)["build"]
    assert stopped["buildStatus"] == "STOPPED"
    cloud.codebuild.wait(build)
    found = asking.get(build)
    assert (found["buildStatus"], phases(found)["BUILD"]) == ("STOPPED", "STOPPED")
    assert "FINALIZING" not in phases(found)
    until(lambda: not is_running(int(pid.read_text())))


def is_running(process: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return False


def test_what_a_build_leaves_in_the_background_ends_with_it(cloud: Cloud, tmp_path: Path) -> None:
    asking = Asking(cloud, SIMPLE.replace("echo hello", f"sleep 600 & echo $! > {tmp_path}/pid"))
    assert asking.run()["buildStatus"] == "SUCCEEDED"
    until(lambda: not is_running(int((tmp_path / "pid").read_text())))


def test_a_build_that_takes_too_long_is_timed_out(cloud: Cloud) -> None:
    cloud.codebuild.minute = 0.05
    build = Asking(cloud, SLEEPING, timeoutInMinutes=5).run()
    assert build["buildStatus"] == "TIMED_OUT"
    assert list(phases(build).values())[-2] == "TIMED_OUT"


def test_a_build_that_never_leaves_the_queue_is_timed_out(cloud: Cloud) -> None:
    cloud.codebuild.minute = 0.01
    cloud.codebuild.hold_in_queue()
    build = Asking(cloud, queuedTimeoutInMinutes=5).run()
    assert (build["buildStatus"], phases(build)["QUEUED"]) == ("TIMED_OUT", "TIMED_OUT")
    assert "streamName" not in build["logs"]


def test_a_faulty_machine_ends_a_build_with_a_fault(cloud: Cloud) -> None:
    asking = Asking(cloud)
    cloud.codebuild.fail_next("FAULT")
    build = asking.run()
    assert (build["buildStatus"], phases(build)["PROVISIONING"]) == ("FAULT", "FAULT")
    assert asking.run()["buildStatus"] == "SUCCEEDED"


def test_a_killed_worker_fails_its_build(cloud: Cloud) -> None:
    asking = Asking(cloud, SLEEPING)
    build = asking.start()
    asking.until_up(build)
    cloud.codebuild.kill_worker(build)
    cloud.codebuild.wait(build)
    assert asking.get(build)["buildStatus"] == "FAILED"


def test_a_vanished_build_is_not_found(cloud: Cloud) -> None:
    asking = Asking(cloud, SLEEPING)
    build = asking.start()
    cloud.codebuild.vanish(build)
    assert asking.api.batch_get_builds(ids=[build])["buildsNotFound"] == [build]
    assert asking.api.list_builds_for_project(projectName=asking.place.project)["ids"] == []


def test_a_token_starts_one_build(cloud: Cloud) -> None:
    asking = Asking(cloud)
    before = cloud.codebuild.builds_started
    assert asking.start(idempotencyToken="t") == asking.start(idempotencyToken="t")
    assert cloud.codebuild.builds_started == before + 1
    text = refused(
        "InvalidInputException", lambda: asking.start(idempotencyToken="t", timeoutInMinutesOverride=7)
    )
    assert "idempotency token" in text
    cloud.codebuild.clock = lambda: time.monotonic() + 301
    asking.start(idempotencyToken="t")
    assert cloud.codebuild.builds_started == before + 2


def test_builds_wait_in_the_queue_until_one_is_over(cloud: Cloud) -> None:
    asking = Asking(cloud, SLEEPING)
    cloud.codebuild.concurrency = 1
    first, second, third = asking.start(), asking.start(), asking.start()
    asking.until_up(first)
    assert [asking.get(each)["currentPhase"] for each in (second, third)] == ["QUEUED", "QUEUED"]
    asking.api.stop_build(id=first)
    asking.until_up(second)
    assert asking.get(third)["currentPhase"] == "QUEUED"
    asking.api.stop_build(id=third)
    assert cloud.codebuild.wait(third)["buildStatus"] == "STOPPED"


def test_a_queue_is_full_at_five_times_the_concurrency(cloud: Cloud) -> None:
    asking = Asking(cloud)
    cloud.codebuild.hold_in_queue()
    cloud.codebuild.concurrency = 1
    for _ in range(5):
        asking.start()
    refused("AccountLimitExceededException", asking.start)


def test_a_project_can_limit_its_own_builds(cloud: Cloud) -> None:
    asking = Asking(cloud, SLEEPING, concurrentBuildLimit=1)
    asking.start()
    refused("AccountLimitExceededException", asking.start)


def test_what_the_service_model_forbids_is_refused(cloud: Cloud) -> None:
    asking = Asking(cloud)
    refused("InvalidInputException", lambda: asking.api.batch_get_builds(ids=["x"] * 101))
    refused("InvalidInputException", lambda: asking.start(environmentTypeOverride="TOASTER"))
    lambdas = {"environmentTypeOverride": "LINUX_LAMBDA_CONTAINER", "computeTypeOverride": "BUILD_LAMBDA_1GB"}
    refused("InvalidInputException", lambda: asking.start(**lambdas, privilegedModeOverride=True))
    missing = "ResourceNotFoundException"
    refused(missing, lambda: asking.api.start_build(projectName="nobody"))
    refused(missing, lambda: asking.api.stop_build(id="nobody:1"))


def test_builds_are_listed_in_pages_newest_first(cloud: Cloud) -> None:
    asking = Asking(cloud)
    cloud.codebuild.concurrency = 30
    cloud.codebuild.hold_in_queue()
    started = [asking.start() for _ in range(105)]
    pages = list(
        asking.api.get_paginator("list_builds_for_project").paginate(projectName=asking.place.project)
    )
    assert [len(page["ids"]) for page in pages] == [100, 5]
    assert [each for page in pages for each in page["ids"]] == started[::-1]


def test_projects_are_found_by_name(cloud: Cloud) -> None:
    asking = Asking(cloud)
    found = asking.api.batch_get_projects(names=[asking.place.project, "nobody"])
    assert [each["name"] for each in found["projects"]] == [asking.place.project]
    assert found["projectsNotFound"] == ["nobody"]
    assert asking.place.project in asking.api.list_projects()["projects"]
    asking.api.delete_project(name=asking.place.project)
    assert asking.place.project not in asking.api.list_projects()["projects"]


@given(st.text(st.characters(codec="ascii", exclude_characters="\0\r"), max_size=40), st.integers(0, 255))
def test_the_shell_says_what_commands_said_and_how_they_ended(text: str, status: int) -> None:
    said: list[str] = []
    quoted = "'" + text.replace("'", "'\\''") + "'"
    shell = Shell(
        lambda: subprocess.Popen(
            ["sh"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ),
        said.append,
    )
    assert shell.run(f"printf %s {quoted}; (exit {status})", True) == status
    assert shell.run("echo end", True) == 0
    shell.close()
    lines = text.split("\n")
    assert said == [*(lines[:-1] if lines[-1] == "" else lines), "end"]
