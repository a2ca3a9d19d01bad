"""What an action can run, one file a tool.

Tools see their call alone: no graph, no rules, no store. Each has an integer
version of its own, which is part of every key (tests/tools keeps the digests
that a version stands for).
"""

from __future__ import annotations

from collections.abc import Mapping

from lambdabuild.action import Tool
from lambdabuild.tools.host_python import HostPythonTool
from lambdabuild.tools.image import ImageTool
from lambdabuild.tools.layer import LayerTool
from lambdabuild.tools.write import WriteTool

TOOLS: Mapping[str, Tool] = {
    tool.name: tool for tool in (LayerTool(), ImageTool(), HostPythonTool(), WriteTool())
}


def tool_version(name: str) -> int:
    return TOOLS[name].version
