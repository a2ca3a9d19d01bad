"""An image and an event -> the handler's answer."""

from __future__ import annotations

import os
import queue
import re
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, TypeAlias

from lambdabuild.errors import ExternalError, UserError
from lambdabuild.oci.image import Image
from lambdabuild.running.answer import Answer, failure
from lambdabuild.running.api import Asked, Event, RuntimeApi
from lambdabuild.running.runner import RunnableImage, Runner

INIT_SECONDS: Final = 30.0
"""How long a function may take to import its handler, unless its own time is longer. Lambda
gives 10 and then tries again; a disk that is slow once should not fail a test."""

LAST_LINES: Final = 20
"""How many lines of a process that ended are put in the answer."""

_MAX_EVENT = 6 << 20
_SETTLE_SECONDS = 1.0
_MAX_LINE = 64 << 10
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}
_FUNCTION, _REGION = "function", "us-east-1"

_News: TypeAlias = "Asked | Answer | bytes | int"  # a line, an exit code


def invoke(
    image: RunnableImage,
    event: bytes,
    *,
    runner: Runner,
    scratch: Path,
    handler: str | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float = 60.0,
    log: Callable[[bytes], None],
) -> Answer:
    """Starts `image` once, calls it with `event` and returns what came of it.

    handler: takes the place of the image's command.
    env:     laid over the image's environment and what Lambda adds to it.
    timeout: seconds for the event; starting is not counted.
    log:     gets each line that the image's processes print, as it comes, with
             its line end, on the caller's thread. Lines above 64 KiB come in pieces.

    Raises UserError for an event that Lambda would refuse or an image that names no
    program, ExternalError if the image cannot be started on this machine.
    """
    if len(event) > _MAX_EVENT:
        raise UserError(f"the event has {len(event)} bytes, and Lambda takes {_MAX_EVENT} at most")
    arguments = _arguments(image.image, handler)
    news: queue.Queue[_News] = queue.Queue()
    arn = f"arn:aws:lambda:{_REGION}:000000000000:function:{_FUNCTION}"
    with RuntimeApi(Event(event, timeout, arn), news.put) as api:
        variables = _environment(image.image, env or {}, f"{runner.api_host}:{api.port}")
        tail: deque[bytes] = deque(maxlen=LAST_LINES)

        def keep(line: bytes) -> None:
            tail.append(line)
            log(line)

        with runner.started(image, arguments, variables, scratch) as process:
            reader = _watch(process, news)
            outcome, has_asked = _follow(news, timeout, keep)
        reader.join(_SETTLE_SECONDS)
        for item in _rest(news):  # what it still said, now that it is dead
            if isinstance(item, bytes):
                keep(item)
    if isinstance(outcome, Answer):
        return outcome
    lines = [line.decode(errors="replace").rstrip() for line in tail]
    if not has_asked:
        _check_started(image.image, runner, lines)
    return _exit(outcome, lines)


def _arguments(image: Image, handler: str | None) -> tuple[str, ...]:
    arguments = (*image.entrypoint, *(image.cmd if handler is None else (handler,)))
    if not arguments:
        raise UserError("the image has neither an entry point nor a command", hint="give it a handler")
    return arguments


def _environment(image: Image, env: Mapping[str, str], api: str) -> dict[str, str]:
    """Returns the image's environment, Lambda's over it, and the caller's over both.

    Lambda's: https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html,
    without credentials.
    """
    return {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        **image.env,
        "AWS_DEFAULT_REGION": _REGION,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1769",
        "AWS_LAMBDA_FUNCTION_NAME": _FUNCTION,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{_FUNCTION}",
        "AWS_LAMBDA_LOG_STREAM_NAME": "1970/01/01/[$LATEST]00000000000000000000000000000000",
        "AWS_REGION": _REGION,
        "TZ": ":UTC",
        **env,
        "AWS_LAMBDA_RUNTIME_API": api,
    }


def _watch(process: subprocess.Popen[bytes], news: queue.Queue[_News]) -> threading.Thread:
    """Puts what `process` prints and its exit code into `news`, in that order where it can."""

    def read() -> None:
        assert process.stdout is not None
        with process.stdout as lines:
            while line := lines.readline(_MAX_LINE):
                news.put(line)

    def wait() -> None:
        code = process.wait()
        # Children may hold the pipe open for ever; what is in it by now comes first.
        reader.join(_SETTLE_SECONDS)
        news.put(code)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    threading.Thread(target=wait, daemon=True).start()
    return reader


def _follow(
    news: queue.Queue[_News], timeout: float, log: Callable[[bytes], None]
) -> tuple[Answer | int, bool]:
    """Returns the answer or the exit code, and whether the runtime ever asked for the event."""
    limit, asked = max(timeout, INIT_SECONDS), False
    deadline = time.monotonic() + limit
    answer: Answer | None = None
    while True:
        try:
            item = news.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            return answer or _timeout(limit, asked), asked
        match item:
            case bytes():
                log(item)
            case Answer():
                # What the handler printed may still be on its way: the runtime asks
                # again, or ends, when all is said.
                answer, deadline = item, time.monotonic() + _SETTLE_SECONDS
            case Asked() if answer is not None:
                return answer, asked
            case Asked():
                limit, asked = timeout, True
                deadline = time.monotonic() + limit
            case int():
                return (item if answer is None else answer), asked


def _rest(news: queue.Queue[_News]) -> Iterator[_News]:
    while True:
        try:
            yield news.get_nowait()
        except queue.Empty:
            return


def _timeout(seconds: float, asked: bool) -> Answer:
    what = "the handler gave no answer" if asked else "the runtime did not ask for an event"
    return failure("timeout", "Sandbox.Timedout", f"{what} within {seconds:g} seconds")


def _exit(code: int, lines: Sequence[str]) -> Answer:
    how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
    message = "\n".join([f"the process {how} before it answered", *lines])
    return failure("exit", "Runtime.ExitError", message, exit_code=code)


def _check_started(image: Image, runner: Runner, lines: Sequence[str]) -> None:
    """Raises ExternalError if it was not the image that failed, but starting it."""
    foreign = image.platform.split("/")[1] not in (_MACHINES.get(os.uname().machine), os.uname().machine)
    # bwrap starts programs with execvp(3), which tries a shell next, and names the shell's error.
    signs = "exec format error|no such file or directory" if foreign else "exec format error"
    if any(re.search(signs, line, re.IGNORECASE) for line in lines):
        raise ExternalError(
            f"exec format error: the image is for {image.platform}, whose programs this machine cannot run",
            hint=f"build it for this machine's platform, or run it on a machine with {image.platform}",
        )
    if complaint := runner.refusal(lines):
        raise ExternalError(f"{runner.name} cannot start the image: {complaint}")
