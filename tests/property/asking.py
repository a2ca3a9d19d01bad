"""A machine that asks of a workspace again and again; what is done to it meanwhile, others say."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from hypothesis.stateful import RuleBasedStateMachine, rule

from lambdabuild.clock import TICK
from lambdabuild.sources import working_tree
from tests.project import Project


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

    def teardown(self) -> None:
        working_tree.FEW = self._few
        if hasattr(self, "directory"):
            shutil.rmtree(self.directory, ignore_errors=True)
