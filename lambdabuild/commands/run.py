"""lambdabuild run"""

from __future__ import annotations

import json
import math
import os
import sys
from pathlib import Path
from typing import Any

import click

from lambdabuild.commands import options, profiling
from lambdabuild.commands.executing import whole_images
from lambdabuild.errors import ActionFailed, UserError
from lambdabuild.evaluation import Question
from lambdabuild.oci.image import Image
from lambdabuild.outputs import BuiltImage
from lambdabuild.running import Answer, RunnableImage, choose_runner, invoke
from lambdabuild.session import Session
from lambdabuild.ui import Ui, render_error
from lambdabuild.workspace import host_machine_platform


@click.command(short_help="Start an image and print its handler's answer.")
@click.argument("target", shell_complete=options.complete_labels)
@click.option(
    "--event", metavar="JSON", default="{}", help="The event: JSON, @FILE, or - for stdin.  [default: {}]"
)
@click.option("--handler", metavar="MODULE.FUNCTION", help="Call this in place of the image's handler.")
@click.option(
    "-e", "--env", "variables", metavar="NAME=VALUE", multiple=True, help="Set an environment variable."
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True, max=900),
    metavar="SECONDS",
    default=60.0,
    help="Wait so long for the answer, at most 900.  [default: 60]",
)
@click.option(
    "--runner",
    metavar="NAME",
    help="Start the image with docker, bwrap, runc or chroot.  [default: the first that works here]",
)
@options.common
@profiling.option
@click.pass_obj
def command(
    ui: Ui,
    target: str,
    event: str,
    handler: str | None,
    variables: tuple[str, ...],
    timeout: float,
    runner: str | None,
    directory: str,
    configs: tuple[str, ...],
    as_json: bool,
) -> int:
    """Build an image, start it as Lambda does, and print the handler's answer.

    What the handler logs goes to stderr.
    """
    if not math.isfinite(timeout):
        raise UserError("--timeout takes a number of seconds")
    where = options.place(directory, configs)
    document = _event(event)
    env = dict(_variable(text) for text in variables)
    session = options.session(where, ui)
    built = _build(ui, session, options.question(where, [target], [host_machine_platform()]))
    _check_start(target, built.image)
    chosen = choose_runner(runner)
    ui.note(f"started with {chosen.describe()}")
    image = RunnableImage(built.image, lambda digest: session.files.verified(built.layers[digest]))
    answer = invoke(
        image,
        document,
        runner=chosen,
        scratch=session.store.scratch,
        handler=handler,
        env=env,
        timeout=timeout,
        log=ui.log,
    )
    if as_json:
        ui.document(_answer_json(answer))
    elif answer.kind == "response":
        ui.result(answer.payload.decode(errors="replace"))
    if answer.kind == "response":
        return 0
    failure = ActionFailed(
        f"{target}: {answer.kind}: {answer.error_type}: {answer.error_message}".removesuffix(": "),
        details=tuple(line for entry in answer.stack_trace for line in entry.rstrip().split("\n")),
    )
    ui.note(render_error(failure))
    return failure.exit_code


def _build(ui: Ui, session: Session, question: Question) -> BuiltImage:
    if question.patterns[0].wildcard:
        raise UserError(f"run takes one target, not the pattern {question.patterns[0]}")
    evaluation = session.evaluate(question)
    (root,) = evaluation.roots
    target = evaluation.graph.targets[root]
    if target.image is None:
        raise UserError(
            f"{root.label.short} is a {target.kind} target, not an image", hint="name a lambda_image"
        )
    with ui.progress() as on_event:
        report = session.build(
            evaluation,
            jobs=os.cpu_count() or 1,
            full=True,
            on_event=on_event,
            remote=whole_images(ui, session.workspace),
        )
    if report.errors:
        raise report.errors[0]
    built = report.targets[0].built
    assert built is not None
    return built


def _check_start(target: str, image: Image) -> None:
    """Raises UserError where nothing in the image could call its handler."""
    if not image.entrypoint and (not image.cmd or "/" not in image.cmd[0]):
        raise UserError(
            f"{target} has no runtime that could be started: no entrypoint, and no program as its command",
            hint="build it on a host_python_image or another base with a runtime",
        )


def _event(text: str) -> bytes:
    """Returns the event's bytes, checked to be JSON."""
    where = "the event"
    if text == "-":
        if sys.stdin is None:
            raise UserError("there is no standard input to read the event from")
        data = sys.stdin.buffer.read()
    elif text.startswith("@"):
        where = text[1:]
        try:
            data = Path(where).read_bytes()
        except OSError as error:
            raise UserError(f"the event file {where} cannot be read: {error.strerror}") from None
    else:
        data = text.encode(errors="surrogateescape")
    try:
        json.loads(data, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise UserError(
            f"{where} is not JSON: {error}",
            hint="write --event '{\"id\": 7}', or --event @event.json for a file",
        ) from None
    return data


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _variable(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise UserError(f"-e takes NAME=VALUE, not {text!r}")
    return name, value


def _answer_json(answer: Answer) -> dict[str, Any]:
    return {
        "kind": answer.kind,
        "payload": answer.payload.decode(errors="replace"),
        "error_type": answer.error_type,
        "error_message": answer.error_message,
        "stack_trace": list(answer.stack_trace),
        "exit_code": answer.exit_code,
    }
