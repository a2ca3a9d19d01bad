"""How an invocation is followed, with a runner that starts a script on this machine."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import textwrap
import time
from typing import TYPE_CHECKING, Any

import pytest

from lambdabuild.errors import ExternalError, UserError
from lambdabuild.oci.image import Image
from lambdabuild.running import Answer, RunnableImage, invoke
from lambdabuild.running.runner import kill, popen

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from lambdabuild.oci.digest import OciDigest

CLIENT = """
    import http.client, os, sys, time

    def call(method, path, body=None):
        connection = http.client.HTTPConnection(sys.argv[1])
        connection.request(method, "/2018-06-01/runtime/" + path, body)
        response = connection.getresponse()
        return response.headers["Lambda-Runtime-Aws-Request-Id"], response.read()

    def say(text):
        print(text, flush=True)
"""


def no_blob(digest: OciDigest) -> Path:
    raise AssertionError(digest)


class Script:
    """Starts a script instead of an image's program, with the runtime API's address as argument."""

    name = "script"
    api_host = "127.0.0.1"

    def __init__(self, code: str) -> None:
        self.code = textwrap.dedent(CLIENT) + textwrap.dedent(code)
        self.env: Mapping[str, str] = {}
        self.arguments: Sequence[str] = ()

    def problem(self) -> str | None:
        return None

    def describe(self) -> str:
        return "a script"

    @contextlib.contextmanager
    def started(
        self, image: RunnableImage, arguments: Sequence[str], env: Mapping[str, str], scratch: Path
    ) -> Iterator[subprocess.Popen[bytes]]:
        self.env, self.arguments = env, arguments
        process = popen([sys.executable, "-c", self.code, env["AWS_LAMBDA_RUNTIME_API"]])
        try:
            yield process
        finally:
            kill(process)

    def refusal(self, last_lines: Sequence[str]) -> str | None:
        return next((line for line in last_lines if line.startswith("script: ")), None)


IMAGE = Image.scratch("linux/amd64").with_config(
    entrypoint=["/entry"], cmd=["a.b"], env={"A": "1", "TZ": "x"}
)


def run(code: str, scratch: Path, image: Image = IMAGE, **more: Any) -> tuple[Answer, list[bytes], Script]:
    runner, log = Script(code), list[bytes]()
    more = {"timeout": 10.0, **more}
    runnable = RunnableImage(image, no_blob)
    return invoke(runnable, b"1", runner=runner, scratch=scratch, log=log.append, **more), log, runner


def test_lines_printed_after_the_answer_are_logged_too_until_the_runtime_asks_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lambdabuild.running.invocation._SETTLE_SECONDS", 60.0)
    began = time.monotonic()
    code = """
        say("before")
        request_id, event = call("GET", "invocation/next")
        call("POST", f"invocation/{request_id}/response", event + b"1")
        say("after")
        call("GET", "invocation/next")
    """
    answer, log, _ = run(code, tmp_path, timeout=60.0)
    assert answer == Answer(kind="response", payload=b"11")
    assert log == [b"before\n", b"after\n"]
    assert time.monotonic() - began < 30


def test_an_answer_stands_whatever_the_process_does_next(tmp_path: Path) -> None:
    code = """
        request_id, _ = call("GET", "invocation/next")
        call("POST", f"invocation/{request_id}/response", b"1")
        os._exit(9)
    """
    assert run(code, tmp_path)[0].kind == "response"


def test_an_end_before_the_answer_tells_how_and_what_was_said_last(tmp_path: Path) -> None:
    answer, log, _ = run("for number in range(50): say(number)\nos.kill(os.getpid(), 9)", tmp_path)
    assert (answer.kind, answer.exit_code) == ("exit", -9)
    assert len(log) == 50
    lines = answer.error_message.splitlines()
    assert lines[0] == "the process was killed by signal 9 before it answered"
    assert lines[1:] == [str(number) for number in range(30, 50)]


def test_a_child_that_keeps_the_log_open_does_not_hold_up_the_end(tmp_path: Path) -> None:
    code = """
        import subprocess
        say(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3)"]).pid)
        os._exit(3)
    """
    answer, _, _ = run(code, tmp_path)
    assert (answer.kind, answer.exit_code) == ("exit", 3)


def test_time_to_start_is_not_the_handlers(tmp_path: Path) -> None:
    code = """
        time.sleep(0.6)
        request_id, _ = call("GET", "invocation/next")
        call("POST", f"invocation/{request_id}/response", b"1")
        call("GET", "invocation/next")
    """
    assert run(code, tmp_path, timeout=0.5)[0].kind == "response"


def test_a_runtime_that_never_asks_runs_out_of_time_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lambdabuild.running.invocation.INIT_SECONDS", 0.2)
    answer, _, _ = run("time.sleep(600)", tmp_path, timeout=0.1)
    assert answer.kind == "timeout"
    assert answer.error_message == "the runtime did not ask for an event within 0.2 seconds"


def test_the_callers_environment_comes_over_lambdas_and_that_over_the_images(tmp_path: Path) -> None:
    env = {"AWS_REGION": "eu-west-1", "AWS_LAMBDA_RUNTIME_API": "elsewhere"}
    _, _, runner = run("os._exit(0)", tmp_path, env=env)
    assert (runner.env["A"], runner.env["TZ"], runner.env["AWS_REGION"]) == ("1", ":UTC", "eu-west-1")
    assert runner.env["AWS_LAMBDA_RUNTIME_API"].startswith("127.0.0.1:")
    assert "HOME" not in runner.env


def test_a_handler_takes_the_commands_place(tmp_path: Path) -> None:
    assert run("os._exit(0)", tmp_path)[2].arguments == ("/entry", "a.b")
    assert run("os._exit(0)", tmp_path, handler="c.d")[2].arguments == ("/entry", "c.d")


def test_an_image_that_names_no_program_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="neither an entry point nor a command"):
        run("", tmp_path, image=Image.scratch("linux/amd64"))


def test_an_event_that_lambda_would_refuse_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="Lambda takes 6291456 at most"):
        invoke(
            RunnableImage(IMAGE, no_blob),
            bytes(7 << 20),
            runner=Script(""),
            scratch=tmp_path,
            log=print,
        )


def test_a_runner_that_cannot_start_is_not_the_images_failure(tmp_path: Path) -> None:
    with pytest.raises(ExternalError, match="script cannot start the image: script: no space left"):
        run("say('script: no space left')\nos._exit(1)", tmp_path)


def test_long_lines_come_in_pieces(tmp_path: Path) -> None:
    _, log, _ = run("say('x' * 200_000)", tmp_path)
    assert b"".join(log) == b"x" * 200_000 + b"\n"
    assert max(map(len, log)) == 64 << 10
