from __future__ import annotations

import threading

from lambdabuild.execution import Planned
from lambdabuild.progress import BuildProgress


def test_the_bar_has_no_thread_while_sources_are_hashed() -> None:
    before = {*threading.enumerate()}
    with BuildProgress() as bar:
        assert {*threading.enumerate()} <= before
        bar.on_event(Planned(dirty=1, total=1))
        assert len({*threading.enumerate()} - before) == 1
