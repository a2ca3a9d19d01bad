"""An Executor around another: an action that breaks in an unforeseen way fails, and no other with it.

Parameters of an order are any JSON. A tool that is given what no rule of ours gives
may end in any exception: a bug on a machine of ours, and here an action that failed.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Final

from lambdabuild.action import ActionResult, Executor, ReadyAction
from lambdabuild.digest import Digest
from lambdabuild.errors import ActionFailed, ExternalError, LambdaBuildError
from lambdabuild.worker.order_graph import KNOWN_TOOL

NAME: Final = "codebuild"

_LINES = 12


class Boundary:
    """Turns every exception of a tool into an ActionFailed.

    missing: returns those of some blobs that no store has; what an action lacks is
             told by its name, not by what a tool makes of it.
    """

    name = NAME

    def __init__(self, inner: Executor, missing: Callable[[Iterable[Digest]], set[Digest]]) -> None:
        self._inner = inner
        self._missing = missing

    def execute(self, action: ReadyAction, check: Callable[[], None]) -> ActionResult:
        if action.tool == KNOWN_TOOL:
            raise ExternalError(
                f"what {action.id.label.name} made is gone from the remote store",
                hint="run the same command again; it will be made again",
            )
        if gone := self._missing(node.digest for node in action.inputs.values()):
            raise ExternalError(
                f"{len(gone)} inputs of {action.id.label} are missing in the remote store, or damaged there",
                hint="run the same command again; they will be uploaded again",
            )
        try:
            return replace(self._inner.execute(action, check), executor=NAME)
        except LambdaBuildError:
            raise
        except Exception as error:  # the boundary: see above
            raise ActionFailed(
                f"the tool {action.tool} ended with {type(error).__name__}",
                hint="if its attributes are right, it is a bug: report it with the lines above",
                details=tuple("".join(traceback.format_exception(error)).splitlines()[-_LINES:]),
            ) from error
