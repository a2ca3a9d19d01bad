"""Functions in images, started as Lambda would. What every runner owes, and what one is asked for."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lambdabuild.errors import ExternalError, UserError
from lambdabuild.python.host import discover
from lambdabuild.running import Answer, RunnableImage, Runner, invoke

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .images import Images

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="needs Linux: the image holds the host's Python"
)


class Call:
    """One invocation: its answer and its log; checks that nothing is left behind."""

    def __init__(
        self, image: RunnableImage, runner: Runner, scratch: Path, event: object = None, **more: Any
    ):
        self.log: list[bytes] = []
        payload = json.dumps(event).encode()
        self.answer: Answer = invoke(
            image, payload, runner=runner, scratch=scratch, log=self.log.append, **more
        )
        assert list(scratch.iterdir()) == []
        if runner.name == "docker":
            assert held_by_docker() == ""

    @property
    def value(self) -> Any:
        assert self.answer.kind == "response", (self.answer, self.log)
        return json.loads(self.answer.payload)


def held_by_docker() -> str:
    """The containers and tags of runs of this process: other tests use the daemon as well."""
    ours = f"lambdabuild-run-{os.getpid()}-*"
    images = ["docker", "images", "--quiet", "--filter", f"reference={ours}"]
    containers = ["docker", "ps", "--all", "--quiet", "--filter", f"name={ours.rstrip('*')}"]
    return "".join(
        subprocess.run(each, capture_output=True, text=True, check=True).stdout
        for each in (images, containers)
    )


def app(code: str) -> Mapping[str, str]:
    return {"var/task/app.py": textwrap.dedent(code)}


LOOKS_AROUND = """
    import importlib, os, pathlib, socket, sys
    import bz2, ctypes, decimal, hashlib, lzma, multiprocessing, sqlite3, ssl, uuid, zoneinfo

    def writes(path):
        try:
            pathlib.Path(path).write_text("x")
        except OSError:
            return False
        return True

    def handler(event, context):
        print("a line from", os.getuid())
        return {
            "event": event,
            "writes": {path: writes(path) for path in event["paths"]},
            "tmp": os.stat("/tmp").st_mode,
            "ids": [os.getuid(), os.getgid()],
            "cwd": os.getcwd(),
            "env": dict(os.environ),
            "seconds": context.get_remaining_time_in_millis() / 1000,
            "arn": context.invoked_function_arn,
            "localhost": socket.gethostbyname("localhost"),
            "certificates": len(ssl.create_default_context().get_ca_certs()),
        }
"""


def test_a_function_sees_what_it_would_see_on_lambda(
    images: Images, runner: Runner, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FROM_THE_HOST", "1")
    image = images.function(app(LOOKS_AROUND), env={"FROM_THE_IMAGE": "1", "BOTH": "image"})
    env = {"BOTH": "the caller\nof it", "AWS_REGION": "eu-west-1"}
    writes = {"/x": False, "/var/task/x": False, "/tmp/x": True, "/dev/null": True}
    if runner.name != "chroot":  # whose root is read-only as far as permissions go
        writes["/srv/open/x"] = False
    event = {"a": ["ü", 1], "paths": list(writes)}
    call = Call(image, runner, scratch, event, env=env, timeout=30)
    seen = call.value
    assert call.log == [b"a line from 1051\n"]
    assert seen["event"] == event
    assert seen["writes"] == writes
    assert seen["tmp"] & 0o7777 == 0o1777
    assert seen["ids"] == [1051, 1051]
    assert seen["cwd"] == "/var/task"
    assert seen["env"]["PWD"] == "/var/task"
    assert "FROM_THE_HOST" not in seen["env"]
    expected = {"FROM_THE_IMAGE": "1", **env, "TZ": ":UTC", "_HANDLER": "app.handler"}
    expected |= {"AWS_LAMBDA_FUNCTION_NAME": "function", "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST"}
    assert expected.items() <= seen["env"].items()
    assert 20 < seen["seconds"] <= 30
    assert seen["arn"].startswith("arn:aws:lambda:")
    assert seen["localhost"] == "127.0.0.1"


SLEEPS = """
    import subprocess, sys, time

    def handler(event, context):
        print("going to sleep")
        child = [sys.executable, "-c", "import time; time.sleep(600)", event]
        subprocess.Popen(child, start_new_session=True)
        time.sleep(600)
"""


def test_a_handler_that_takes_too_long_is_killed_with_its_children(
    images: Images, runner: Runner, scratch: Path
) -> None:
    marker = f"lambdabuild-{os.getpid()}-{runner.name}"
    began = time.monotonic()
    call = Call(images.function(app(SLEEPS)), runner, scratch, marker, timeout=0.5)
    assert call.answer.kind == "timeout"
    assert call.answer.error_message == "the handler gave no answer within 0.5 seconds"
    assert call.log == [b"going to sleep\n"]
    assert processes_with(marker) == []
    assert time.monotonic() - began < 15


def processes_with(marker: str) -> list[str]:
    def command(pid: Path) -> bytes:
        try:
            return (pid / "cmdline").read_bytes()
        except OSError:
            return b""

    return [pid.name for pid in Path("/proc").glob("[0-9]*") if marker.encode() in command(pid)]


def test_a_program_for_another_machine_is_named_as_such(
    images: Images, runner: Runner, scratch: Path
) -> None:
    own = discover().platform
    other, machine = ("linux/arm64", 183) if own == "linux/amd64" else ("linux/amd64", 62)
    data = bytearray(Path("/bin/sh").read_bytes())
    struct.pack_into("<H", data, 18, machine)
    with pytest.raises(ExternalError, match="exec format error: the image is for " + other):
        Call(images.program(bytes(data), other), runner, scratch)
    assert list(scratch.iterdir()) == []


FAILS = """
    def deeper():
        raise ValueError("no good: " + "ü" * 70_000)

    def handler(event, context):
        print("no line end", end="")
        deeper()
"""


def test_a_handler_that_raises_is_reported_with_its_traceback(
    images: Images, any_runner: Runner, scratch: Path
) -> None:
    answer = Call(images.function(app(FAILS)), any_runner, scratch).answer
    assert answer.kind == "handler error"
    assert answer.error_type == "ValueError"
    assert answer.error_message == "no good: " + "ü" * 70_000
    assert answer.stack_trace[0] == '  File "/var/task/app.py", line 7, in handler'
    assert [line.strip() for line in answer.stack_trace][-1].startswith("raise ValueError")
    assert json.loads(answer.payload)["errorType"] == "ValueError"


def test_a_module_that_cannot_be_imported_is_an_init_error(
    images: Images, any_runner: Runner, scratch: Path
) -> None:
    image = images.function(app("import nothing_of_the_kind"))
    answer = Call(image, any_runner, scratch).answer
    assert answer.kind == "init error"
    assert answer.error_type == "Runtime.ImportModuleError"
    assert "No module named 'nothing_of_the_kind'" in answer.error_message


def test_another_handler_can_be_asked_for(images: Images, any_runner: Runner, scratch: Path) -> None:
    files = {**app(""), "var/task/other.py": "def answer(event, context): return 'x' * event"}
    call = Call(images.function(files), any_runner, scratch, 6_000_000, handler="other.answer")
    assert call.value == "x" * 6_000_000


def test_a_process_that_ends_is_reported_with_its_last_lines(
    images: Images, any_runner: Runner, scratch: Path
) -> None:
    image = images.function(app("import os\nprint('before the end')\nos._exit(7)"))
    answer = Call(image, any_runner, scratch).answer
    assert (answer.kind, answer.exit_code) == ("exit", 7)
    assert answer.error_message == "the process ended with exit code 7 before it answered\nbefore the end"


def test_an_image_without_a_handler_ends_as_the_entry_point_says(
    images: Images, any_runner: Runner, scratch: Path
) -> None:
    answer = Call(images.runnable(images.base), any_runner, scratch).answer
    assert (answer.kind, answer.exit_code) == ("exit", 142)
    assert "no handler" in answer.error_message


SHOWS_PATH = """
    import os, sys
    import opt_module, from_pth

    def handler(event, context):
        return [sys.path, os.environ["PYTHONPATH"]]
"""


def layers() -> Mapping[str, str]:
    site = f"opt/python/lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"
    return {
        "opt/python/opt_module.py": "",
        f"{site}/linked.pth": "/opt/elsewhere\n",
        "opt/elsewhere/from_pth.py": "",
        "opt/python/simplejson/__init__.py": "raise ImportError('this one is of a layer')",
    }


def test_layers_come_before_the_runtime_while_pythonpath_is_unset(
    images: Images, any_runner: Runner, scratch: Path
) -> None:
    files = {place: text for place, text in layers().items() if "simplejson" not in place}
    path, pythonpath = Call(images.function({**app(SHOWS_PATH), **files}), any_runner, scratch).value
    short = f"python{sys.version_info.major}.{sys.version_info.minor}"
    first = ["/var/task", f"/opt/python/lib/{short}/site-packages", "/opt/python", "/var/runtime"]
    assert path[:4] == first
    assert path.index("/opt/elsewhere") > 4
    assert pythonpath == "/var/runtime"


def test_the_runtime_comes_first_once_pythonpath_is_set(
    images: Images, any_runner: Runner, scratch: Path
) -> None:
    code = SHOWS_PATH.replace(", from_pth", "")
    image = images.function({**app(code), **layers()}, env={"PYTHONPATH": "/opt/python"})
    path, pythonpath = Call(image, any_runner, scratch).value
    assert path[:3] == ["/var/task", "/var/runtime", "/opt/python"]
    assert "/opt/elsewhere" not in path
    assert pythonpath == "/opt/python"


def test_an_image_may_name_its_user(images: Images, any_runner: Runner, scratch: Path) -> None:
    code = "import os\ndef handler(event, context): return [os.getuid(), os.getgid()]"
    image = images.function(app(code), user="4711:12")
    assert Call(image, any_runner, scratch).value == [4711, 12]


def test_a_user_that_the_image_lacks_is_an_error(images: Images, any_runner: Runner, scratch: Path) -> None:
    if any_runner.name == "docker":
        pytest.skip("docker has words of its own for it")
    with pytest.raises(UserError, match="its /etc/passwd has no 'nobody-at-all'"):
        Call(images.function(app(""), user="nobody-at-all"), any_runner, scratch)
    assert list(scratch.iterdir()) == []


def test_ctrl_c_leaves_nothing_behind(images: Images, any_runner: Runner, scratch: Path) -> None:
    marker = f"lambdabuild-{os.getpid()}-interrupted"
    image = images.function(app(SLEEPS))

    def interrupt(line: bytes) -> None:
        assert line == b"going to sleep\n"
        raise KeyboardInterrupt

    payload = json.dumps(marker).encode()
    with pytest.raises(KeyboardInterrupt):
        invoke(image, payload, runner=any_runner, scratch=scratch, log=interrupt)
    assert list(scratch.iterdir()) == []
    assert processes_with(marker) == []
