from __future__ import annotations

import threading

from lambdabuild.execution import Planned
from lambdabuild.progress import BuildProgress


def test_the_bar_has_no_thread_while_sources_are_hashed() -> None:
    before = threading.active_count()
    with BuildProgress() as bar:
        assert threading.active_count() == before
        bar.on_event(Planned(dirty=1, total=1))
        assert threading.active_count() == before + 1
    assert threading.active_count() == before
