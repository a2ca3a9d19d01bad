"""The worker as a process: what it imports, says without variables, and does when it is stopped."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lambdabuild.digest import Canonical
from lambdabuild.order import Order, OrderedAction
from lambdabuild.python.build_lock import BuildLock
from lambdabuild.worker.provision import pip_default
from tests.python.building import IN_TREE, PYPROJECT, in_tree
from tests.python.test_build_hooks import build

from .bench import Bench, action, layer

COMMAND = [sys.executable, "-m", "lambdabuild.worker"]
ABSENT = ("starlark", "rich", "click", "pex", "boto3")


def test_the_worker_imports_nothing_of_the_command_line_or_of_starlark() -> None:
    program = (
        "import sys, lambdabuild.worker.__main__, lambdabuild.pushing.pusher\n"
        f"print([name for name in {ABSENT} if name in sys.modules])\n"
        "print([name for name in sys.modules if name.startswith('lambdabuild.') and name.split('.')[1] in\n"
        "       ('starlark', 'session', 'evaluation', 'commands', 'ui', 'cli', 'rulebook', 'loading')])\n"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n[]\n"


@pytest.mark.parametrize("given", ["", "LAMBDABUILD_STORE=s3://some-bucket"])
def test_without_its_variables_it_names_the_first_that_is_missing(given: str) -> None:
    environ = {"PATH": os.environ["PATH"], **dict(part.split("=") for part in given.split())}
    ran = subprocess.run(COMMAND, capture_output=True, text=True, check=False, env=environ)
    assert ran.returncode == 2
    missing = "LAMBDABUILD_OWNER" if given else "LAMBDABUILD_STORE"
    assert ran.stderr.startswith(f"error: the variable {missing} is not set")
    assert ran.stdout == ""


def wheel(bench: Bench, *lines: str) -> OrderedAction:
    """Returns an action that makes a wheel with a backend which first does what `lines` say."""
    build = ["def build_wheel(directory, *others):", *(f"    {line}" for line in lines)]
    build += ["    write(os.path.join(directory, NAME))", "    return NAME", ""]
    files = {
        "project/pyproject.toml": PYPROJECT.format(backend="own").encode(),
        "project/tools/own.py": (IN_TREE + "\n".join(build)).encode(),
    }
    params: dict[str, Canonical] = {
        "project": "receipt-dynamo",
        "backend": "own",
        "backend_path": ["tools"],
        "build_lock": BuildLock.of((), ()).document(),
        "variables": {},
        "host": None,
    }
    return action("//receipt_dynamo", "wheel", params, ("package.whl",), tree=bench.sources(files))


def test_when_it_is_stopped_what_is_complete_is_published(bench: Bench, tmp_path: Path) -> None:
    app = layer(bench, "//app:image", {"var/task/app.py": b"app"})
    slow = wheel(bench, "time.sleep(600)")
    order = bench.place(Order((app, slow)))
    environ = {**bench.environment(order), "PATH": os.environ["PATH"], "CODEBUILD_BUILD_ID": "project:1-2"}
    with (tmp_path / "stderr").open("wb") as errors:
        worker = subprocess.Popen(COMMAND, stdout=subprocess.PIPE, stderr=errors, text=True, env=environ)
    assert worker.stdout
    finished = started = False
    for line in worker.stdout:
        event = json.loads(line)
        finished = finished or (event["event"], event.get("tool")) == ("finished", "layer")
        started = started or (event["event"], event.get("tool")) == ("started", "wheel")
        if finished and started:
            break
    worker.send_signal(signal.SIGTERM)
    worker.stdout.read()
    worker.stdout.close()
    assert worker.wait() == 130, (tmp_path / "stderr").read_text()
    assert bench.result(app.key)
    outcome = bench.outcome(order, "1-2")
    assert (outcome["ran"], outcome["failures"]) == ([app.key], [])


def test_the_index_that_pip_asks_by_itself_is_known_within_a_pex_too() -> None:
    from pip._internal.models.index import PyPI

    assert pip_default() == PyPI.simple_url


def test_a_killed_worker_leaves_nothing_that_looks_done(bench: Bench) -> None:
    slow = wheel(bench, "time.sleep(600)")
    order = bench.place(Order((slow,)))
    worker = subprocess.Popen(
        COMMAND,
        stdout=subprocess.PIPE,
        text=True,
        env={**bench.environment(order), "PATH": os.environ["PATH"]},
    )
    assert worker.stdout
    for line in worker.stdout:
        if json.loads(line)["event"] == "started":
            break
    worker.kill()
    worker.wait()
    worker.stdout.close()
    assert bench.names("results") == set()
    assert bench.names(f"outcomes/{order}") == set()


PROBE = (
    "import json",
    "def seen(path):",
    "    try:",
    "        return open(path, 'rb').read().decode(errors='replace')",
    "    except OSError as error:",
    "        return type(error).__name__",
    "parents = [int(seen(f'/proc/{os.getppid()}/stat').rpartition(')')[2].split()[1]), os.getppid()]",
    "environs = [seen(f'/proc/{pid}/environ') for pid in parents]",
    "print(json.dumps([os.getuid(), os.getgid(), os.getgroups(), sorted(os.environ), environs]))",
    "raise SystemExit(1)",
)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run a process as somebody else: sudo make test")
def test_build_steps_run_as_another_user_who_cannot_see_the_workers_variables(bench: Bench) -> None:
    probe = wheel(bench, *PROBE)
    order = bench.place(Order((probe,)))
    environ = {
        **bench.environment(order),
        "PATH": os.environ["PATH"],
        "CODEBUILD_BUILD_ID": "project:1-2",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/secret",
    }
    subprocess.run(COMMAND, capture_output=True, check=False, env=environ)
    (failure,) = bench.outcome(order, "1-2")["failures"]
    (line,) = [line for line in failure["log"] if line.startswith("[")]
    user, group, groups, variables, environs = json.loads(line)
    assert user not in (0, os.getuid())
    assert group != 0
    assert groups == []
    assert not [name for name in variables if name.startswith(("AWS_", "CODEBUILD_", "LAMBDABUILD_"))]
    assert environs == ["PermissionError"] * 2  # the worker's own is the second


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run a process as somebody else: sudo make test")
def test_a_wheel_is_the_same_whoever_builds_it(bench: Bench, tmp_path: Path) -> None:
    built = wheel(bench)
    order = bench.place(Order((built,)))
    environ = {**bench.environment(order), "PATH": os.environ["PATH"]}
    ran = subprocess.run(COMMAND, capture_output=True, check=False, env=environ)
    assert ran.returncode == 0, ran.stderr + ran.stdout
    here = build(in_tree(tmp_path / "project"))
    assert bench.output(built.key, "package.whl") == here.read_bytes()
