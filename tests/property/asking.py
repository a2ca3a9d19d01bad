"""A machine that asks of a workspace again and again; what is done to it meanwhile, others say."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import TypeAlias

from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from lambdabuild.clock import TICK
from lambdabuild.sources import working_tree
from tests.project import Project

Answer: TypeAlias = tuple[int, list[str], list[str]]
"""An exit code, and the lines of both outputs."""


class Asking(RuleBasedStateMachine):
    """directory: where all is. warm: the workspace, with a cache that stays. question: what is asked."""

    directory: Path
    warm: Project
    question: tuple[str, ...]

    def __init__(self) -> None:
        super().__init__()
        self._few, working_tree.FEW = working_tree.FEW, 0  # few as they are, what is known of them is asked

    @rule()
    def rest(self) -> None:
        time.sleep(3 * TICK / 1e9)

    def stranger(self) -> Project:
        """Returns the workspace for somebody who has never asked before."""
        clean = self.directory / "clean" / "lambdabuild"
        shutil.rmtree(clean, ignore_errors=True)
        return Project(self.warm.root, clean, workspace=False)

    def told(self, answer: Answer) -> Answer:
        """Returns an answer without what depends on whether somebody has asked before."""
        return answer

    def left(self) -> object:
        """Returns what the last answer left behind."""
        return None

    @invariant()
    @precondition(lambda self: hasattr(self, "question"))
    def answers_are_those_of_a_stranger(self) -> None:
        warm = ask(self.warm, self.question)
        left = self.left()
        assert self.told(warm) == self.told(ask(self.stranger(), self.question))
        assert left == self.left()

    def teardown(self) -> None:
        working_tree.FEW = self._few
        if hasattr(self, "directory"):
            shutil.rmtree(self.directory, ignore_errors=True)


def ask(project: Project, question: tuple[str, ...]) -> Answer:
    """Returns exit code and answer, without what tells builds from no-ops."""
    ran = project.ask(*question)
    out, err = ran.out.splitlines(), ran.err.splitlines()
    told = [
        " ".join(word for word in line.split() if word[-1:] != "s" or not word[0].isdecimal()) for line in out
    ]
    told = [line.removeprefix("built ").removeprefix("cached ") for line in told]
    return ran.code, told, [line for line in err if " in " not in line or "error" in line]
