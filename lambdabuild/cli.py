"""Arguments -> a command; errors -> messages and exit codes.

Exit codes: 0 done, 1 an action or a handler failed, 2 the user's input is
wrong, 3 the outside world said no, 130 interrupted.
"""

from __future__ import annotations

import errno
import os
import sys
import time

from lambdabuild import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:  # every start would pay for it
    from collections.abc import Sequence

    from lambdabuild.noop import Doubt


_NO_SPACE = "error: the output cannot be written: no space left on device"


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs one command and exits."""
    entered = time.monotonic_ns()
    given = list(sys.argv[1:] if arguments is None else arguments)
    doubt = _answer_at_once(given)
    _use_utf8(given)
    sys.exit(run(given, doubt, (entered, time.monotonic_ns())))


def _answer_at_once(arguments: Sequence[str]) -> Doubt | None:
    """Exits if nothing has to be worked out; returns the doubt if the answer of last time may not hold."""
    try:
        answer = _version() if arguments == ["--version"] else _answer_again(arguments)
    except BrokenPipeError:
        answer = 0
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        print(_NO_SPACE, file=sys.stderr)
        answer = 3
    if isinstance(answer, int):
        os._exit(answer)  # all is written, and nothing has to be tidied up
    return answer


def _version() -> int:
    print(f"lambdabuild {__version__}", flush=True)
    return 0


def _answer_again(arguments: Sequence[str]) -> int | Doubt | None:
    from lambdabuild import noop  # --version does without

    return noop.answer(arguments, time.monotonic())


def run(arguments: Sequence[str], doubt: Doubt | None = None, steps: tuple[int, int] | None = None) -> int:
    """Runs one command; returns its exit code.

    doubt: what has changed since the same was asked before.
    steps: those of `Invocation`.
    """
    import gc

    import click

    from lambdabuild.clock import Moment
    from lambdabuild.commands import root
    from lambdabuild.errors import LambdaBuildError
    from lambdabuild.ui import Invocation, Ui

    gc.set_threshold(100_000, 50, 100)  # imports alone make much that lives on
    began = Moment(*doubt.began) if doubt else Moment.now()
    invocation = Invocation(tuple(arguments), began, doubt, steps)
    ui = Ui(as_json="--json" in arguments, invocation=invocation)
    try:
        code = root.main(args=list(arguments), prog_name="lambdabuild", standalone_mode=False, obj=ui)
        if sys.stdout is not None:
            sys.stdout.flush()
    except LambdaBuildError as error:
        ui.fail(error)
        return error.exit_code
    except click.ClickException as error:
        ui.usage(error)
        return 2
    except (KeyboardInterrupt, click.Abort):
        ui.note("interrupted")
        return 130
    except BrokenPipeError:
        # The reader of our output went away; what is left in the buffer has nowhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        ui.note(_NO_SPACE)
        return 3
    return code if isinstance(code, int) else 0


def _use_utf8(arguments: Sequence[str]) -> None:
    """Starts again with UTF-8 file names where the locale says otherwise: hashes must not depend on it."""
    if sys.getfilesystemencoding() != "utf-8" and not sys.flags.utf8_mode:
        os.execv(sys.executable, [sys.executable, "-X", "utf8", "-m", "lambdabuild", *arguments])  # noqa: S606
