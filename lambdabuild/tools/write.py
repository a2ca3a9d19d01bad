"""write: text that a rule made -> a file."""

from __future__ import annotations

from collections.abc import Mapping

from lambdabuild.action import Made, ToolCall


class WriteTool:
    """Puts out `content` with the parameter's text as UTF-8."""

    name = "write"
    version = 1

    def run(self, call: ToolCall) -> Mapping[str, Made]:
        return {"content": Made(str(call.params["content"]).encode(), call.params["executable"] is True)}
