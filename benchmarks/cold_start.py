"""How long the example's handlers take to start, with and without compiled files in their images.

What is measured: the seconds from the start of the image's process until its
runtime asks for the first event. That is the start of Python and of the runtime
client, and the import of the handler's module with all that it imports. Each
start is in a directory that was unpacked for it, read-only for the function.

Absent: the time that Lambda takes to fetch an image, the handler's own call, and
Docker, whose own start would count.
"""

from __future__ import annotations

import platform
import queue
import shutil
import statistics
import time
from collections.abc import Mapping
from pathlib import Path

from benchmarks.contestants import LambdaBuild
from benchmarks.layouts import blob, image_of
from benchmarks.processes import run
from benchmarks.tables import Table
from benchmarks.workload import call, write
from lambdabuild.running import Answer, RunnableImage, Runner, choose_runner
from lambdabuild.running.api import Asked, Event, RuntimeApi
from lambdabuild.running.bubblewrap import Bubblewrap
from lambdabuild.running.chroot import Chroot
from lambdabuild.running.runc import Runc

RUNS = 3
EXAMPLE = Path(__file__).parents[1] / "examples" / "receipts"
HANDLERS = ("nothing", "list_receipts", "process_receipt", "create_labels")
_SECONDS = 60.0


def cold_starts(here: Path, env: Mapping[str, str], runner_name: str | None) -> Table:
    """Builds copies of the example in `here`, starts its handlers with a runner, and returns the figures."""
    runner = choose_runner(runner_name, [Bubblewrap(), Runc(), Chroot()])
    workspace, env = here / "example", {**env, "XDG_CACHE_HOME": str(here / "example-cache")}
    shutil.copytree(EXAMPLE, workspace, ignore=shutil.ignore_patterns("lambdabuild-out", "__pycache__"))
    write(workspace / "infra/nothing/handler.py", "def main(event, context):\n    return event\n")
    nothing = call(
        "lambda_image", name="image", base="//bases:label", srcs=["handler.py"], handler="handler.main"
    )
    write(workspace / "infra/nothing/BUILD", nothing)
    if not (workspace / "python.lock").exists():
        run([*LambdaBuild.command, "lock"], workspace, env)
    plain = _measured(workspace, env, runner)
    compiled = _measured(workspace, {**env, "LAMBDABUILD_PYTHON_BYTECODE": platform.python_version()}, runner)
    rows = [
        (name, f"{plain[name]:.3f}", f"{compiled[name]:.3f}", f"{compiled[name] / plain[name]:.2f}")
        for name in HANDLERS
    ]
    title = f"Cold start: seconds until the runtime asks for an event (in {runner.name}, median of {RUNS})"
    return Table(title, ("handler", "without bytecode", "with bytecode", "ratio"), rows)


def _measured(workspace: Path, env: Mapping[str, str], runner: Runner) -> dict[str, float]:
    """Returns the median seconds of each handler, from images that are built with `env`."""
    run([*LambdaBuild.command, "build", *(f"//infra/{name}:image" for name in HANDLERS)], workspace, env)
    found = {}
    for name in HANDLERS:
        layout = workspace / "lambdabuild-out/infra" / name / "image"
        found[name] = statistics.median(_start(layout, runner, workspace.parent) for _ in range(RUNS))
    return found


def _start(layout: Path, runner: Runner, scratch: Path) -> float:
    """Returns the seconds that one start took."""
    image = RunnableImage(image_of(layout), lambda digest: blob(layout, digest))
    news: queue.Queue[tuple[float, Asked | Answer]] = queue.Queue()

    def report(what: Asked | Answer) -> None:
        news.put((time.perf_counter(), what))

    with RuntimeApi(Event(b"{}", _SECONDS, "arn:aws:lambda:us-east-1:0:function:bench"), report) as api:
        variables = {
            **image.image.env,
            "AWS_LAMBDA_FUNCTION_NAME": "bench",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1769",
            "AWS_REGION": "us-east-1",
            "AWS_LAMBDA_RUNTIME_API": f"{runner.api_host}:{api.port}",
        }
        with runner.started(image, (*image.image.entrypoint, *image.image.cmd), variables, scratch):
            started = time.perf_counter()
            try:
                when, what = news.get(timeout=_SECONDS)
            except queue.Empty:
                raise SystemExit(f"{layout}: nothing asked for an event in {_SECONDS:g} s") from None
    if isinstance(what, Answer):
        raise SystemExit(f"{layout}: {what.error_type}: {what.error_message}")
    return when - started
