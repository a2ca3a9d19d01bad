"""Runs actions in this process: input bytes -> a tool -> blobs of the content store."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from functools import cache, partial
from pathlib import Path

from lambdabuild.action import ActionResult, Made, ReadyAction, Tool, ToolCall
from lambdabuild.digest import Digest
from lambdabuild.errors import LambdaBuildError
from lambdabuild.store import ContentStore
from lambdabuild.store.local import disk_errors, remove_tree
from lambdabuild.tracing import span
from lambdabuild.tree import FileNode


class LocalExecutor:
    """An Executor with no sandbox: the bundled tools read only what `contents` gives them.

    scratch:     a directory on the store's file system, so that outputs are moved, not copied.
    keep_failed: whether the directory of an action that fails stays, and its error says where.
                 The store sweeps it up after a day.
    """

    name = "local"

    def __init__(
        self,
        tools: Mapping[str, Tool],
        store: ContentStore,
        contents: Callable[[Digest], Iterable[bytes]],
        scratch: Path,
        *,
        keep_failed: bool = False,
    ) -> None:
        self._tools = tools
        self._store = store
        self._contents = contents
        self._scratch = scratch
        self._keep_failed = keep_failed

    def execute(self, action: ReadyAction, check: Callable[[], None]) -> ActionResult:
        started = time.monotonic()
        # Made when it is asked for: to make and remove a directory costs more than a small action.
        scratch = cache(partial(self._make_scratch, action.tool))
        kept = False
        try:
            with disk_errors(self._scratch):
                call = ToolCall(action.params, action.inputs, action.platform, self._contents, scratch, check)
                with span("tool", action.tool):
                    made = self._tools[action.tool].run(call)
                with span("store", "keep outputs"):
                    outputs = {name: self._keep(made[name]) for name in action.outputs}
        except LambdaBuildError as error:
            kept = self._keep_failed
            if kept:
                error.details = (*error.details, f"its directory was kept: {scratch()}")
            raise
        finally:
            if scratch.cache_info().currsize and not kept:
                with disk_errors(self._scratch):
                    remove_tree(scratch())
        return ActionResult(outputs, time.monotonic() - started, self.name)

    def _make_scratch(self, tool: str) -> Path:
        return Path(tempfile.mkdtemp(prefix=f"{tool}-", dir=self._scratch))

    def _keep(self, made: Made) -> FileNode:
        content = made.content
        digest = self._store.put(content) if isinstance(content, bytes) else self._store.put_file(content)
        return FileNode(digest, made.executable)
