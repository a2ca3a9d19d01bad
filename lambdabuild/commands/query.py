"""lambdabuild query"""

from __future__ import annotations

import click

from lambdabuild.commands import again, options, profiling
from lambdabuild.errors import UserError
from lambdabuild.query.answer import Query, ask
from lambdabuild.query.outputs import OUTPUTS
from lambdabuild.query.parser import parse, parse_universe, short_form
from lambdabuild.remembering import Answer, Ground
from lambdabuild.ui import Ui, render_error

# Names of options are taken as Bazel writes them too: --keep_going, --universe_scope.
_NAMES = {"token_normalize_func": lambda name: name if name in OUTPUTS else name.replace("_", "-")}


@click.command(
    cls=options.PatternCommand, context_settings=_NAMES, short_help="Ask which targets depend on which."
)
@click.argument("words", nargs=-1, metavar="EXPRESSION...", shell_complete=options.complete_labels)
@click.option(
    "--output",
    type=click.Choice(list(OUTPUTS)),
    default="label",
    metavar="FORM",
    help=f"The form of the answer: {', '.join(OUTPUTS)}.  [default: label]",
)
@click.option(
    "--universe-scope",
    "universe",
    metavar="PATTERN,...",
    default="",
    help="What allrdeps() looks at.  [default: //...]",
)
@click.option(
    "-k",
    "--keep-going",
    "keep_going",
    is_flag=True,
    help="Leave out what is broken, and say what is wrong with it.",
)
@click.option(
    "--implicit-deps/--noimplicit-deps",
    default=True,
    help="Of no effect: no rule has dependencies of its own.",
)
@click.option("--tool-deps/--notool-deps", default=True, help="Of no effect: no target is a tool.")
@options.common
@profiling.option
@click.pass_obj
def command(
    ui: Ui,
    words: tuple[str, ...],
    output: str,
    universe: str,
    keep_going: bool,
    implicit_deps: bool,
    tool_deps: bool,
    directory: str,
    configs: tuple[str, ...],
    as_json: bool,
) -> int:
    """Ask which targets and files there are, and which depend on which.

    \b
      lambdabuild query 'deps(//x:image)'          all that an image is made of
      lambdabuild query rdeps //... //lib:x.py     all that a file is in
      lambdabuild query 'kind(lambda_image, //...) - //x:all'

    The language is Bazel's. `query deps //x:image` is short for `query
    'deps(//x:image)'`, for every function.
    """  # noqa: D301  (\b is click's mark for lines that are not joined)
    if as_json:
        if output not in ("label", "json"):
            raise UserError(f"--json and --output {output} exclude each other", hint="drop one of the two")
        output = "json"
    ui.as_json = output == "json"
    if not words:
        raise UserError("no expression", hint="lambdabuild query 'deps(//x:image)', or //... for all targets")
    where = options.place(directory, configs)
    text = short_form([options.typed(word) for word in words])
    form = OUTPUTS[output]
    query = Query(
        text,
        parse(text, where.package),
        parse_universe(universe, where.package),
        keep_going,
        form.attributes,
        form.edges,
    )
    answer = ask(where.workspace, query, ui.said)
    if answer.nodes or output == "json":
        ui.result("\n".join(form.lines(answer)).rstrip())
    elif not answer.failures:
        ui.note("nothing is in this set")
    for error in answer.failures:
        ui.note(render_error(error))
    if answer.failures:
        return UserError.exit_code
    if answer.looked_at is not None:
        again.keep(ui, where, Ground(answer.looked_at), Answer(ui.told))
    return 0
