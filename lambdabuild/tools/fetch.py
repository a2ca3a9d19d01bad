"""fetch: a file of the package index, by its name, size and sha256.

The key holds no host: any index that has these bytes will do, and hashes need
no network.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from lambdabuild.action import Made, ToolCall

if TYPE_CHECKING:
    from lambdabuild.python.index import Index


class FetchTool:
    """Puts out `file`.

    index: gives the index; asked only when there is something to fetch.
    """

    name = "fetch"
    version = 1

    def __init__(self, index: Callable[[], Index]) -> None:
        self._index = index

    def run(self, call: ToolCall) -> Mapping[str, Made]:
        target = call.scratch / "file"
        params = call.params
        size = params["size"]
        assert isinstance(size, int)
        self._index().fetch(
            str(params["project"]), str(params["file"]), size, str(params["sha256"]), target, call.check
        )
        return {"file": Made(target)}
