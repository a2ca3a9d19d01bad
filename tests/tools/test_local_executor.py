"""What an executor on this machine leaves of an action."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from lambdabuild.action import ActionId, ActionResult, Made, ReadyAction, ToolCall
from lambdabuild.errors import ActionFailed, ExternalError
from lambdabuild.executors.local import LocalExecutor
from lambdabuild.label import Label
from lambdabuild.store.local import LocalStore
from tests.tools.calls import never


class Writer:
    """Leaves a file, and then does what it is told."""

    name = "writer"
    version = 1

    def __init__(self, error: BaseException | None) -> None:
        self._error = error

    def run(self, call: ToolCall) -> Mapping[str, Made]:
        (call.scratch / "left").write_text("left")
        if self._error:
            raise self._error
        return {"out": Made(b"made")}


def execute(directory: Path, error: BaseException | None, *, keep_failed: bool) -> ActionResult:
    store = LocalStore(directory)
    executor = LocalExecutor(
        {"writer": Writer(error)}, store, store.pieces, store.scratch, keep_failed=keep_failed
    )
    owner = ActionId(Label("lib", "lib"), "linux/amd64", 0)
    return executor.execute(ReadyAction(owner, "writer", {}, {}, ("out",), "linux/amd64"), never)


@pytest.mark.parametrize("details", [(), ("first", "second")])
def test_the_directory_of_a_failed_action_stays_if_wanted(details: tuple[str, ...], tmp_path: Path) -> None:
    with pytest.raises(ActionFailed) as caught:
        execute(tmp_path, ActionFailed("it failed", details=details), keep_failed=True)
    (kept,) = (tmp_path / "tmp").iterdir()
    assert (kept / "left").read_text() == "left"
    assert caught.value.details == (*details, f"its directory was kept: {kept}")


def test_the_directory_of_a_failed_action_is_removed_otherwise(tmp_path: Path) -> None:
    with pytest.raises(ActionFailed) as caught:
        execute(tmp_path, ActionFailed("it failed"), keep_failed=False)
    assert caught.value.details == ()
    assert list((tmp_path / "tmp").iterdir()) == []


@pytest.mark.parametrize("error", [None, KeyboardInterrupt()])
def test_only_failures_leave_their_directory(error: BaseException | None, tmp_path: Path) -> None:
    try:
        execute(tmp_path, error, keep_failed=True)
    except KeyboardInterrupt:
        assert error
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_full_disk_is_an_error_with_a_hint(tmp_path: Path) -> None:
    with pytest.raises(ExternalError) as caught:
        execute(tmp_path, OSError(28, "No space left on device"), keep_failed=False)
    assert caught.value.hint
