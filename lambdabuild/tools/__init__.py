"""What an action can run, one file a tool.

Tools see their call alone: no graph, no rules, no store. Each has an integer
version of its own, which is part of every key (tests/tools keeps the digests
that a version stands for).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from lambdabuild.action import Tool
from lambdabuild.tools.dockerfile import DockerfileTool
from lambdabuild.tools.fetch import FetchTool
from lambdabuild.tools.host_python import HostPythonTool
from lambdabuild.tools.image import ImageTool
from lambdabuild.tools.layer import LayerTool
from lambdabuild.tools.pull import PullTool, ReadLayer
from lambdabuild.tools.wheel import WheelTool
from lambdabuild.tools.wheels import WheelsTool
from lambdabuild.tools.write import WriteTool

if TYPE_CHECKING:
    from lambdabuild.engines.engine import Engine
    from lambdabuild.python.index import Index

KINDS = (
    *(LayerTool, ImageTool, HostPythonTool, WriteTool, WheelsTool, FetchTool, WheelTool, PullTool),
    DockerfileTool,
)


PER_PLATFORM = frozenset({DockerfileTool.name, HostPythonTool.name, ImageTool.name})
"""Names of the tools whose outputs depend on the platform; those of the others are made once for all."""


def all_tools(
    index: Callable[[], Index],
    environments: Path,
    read_layer: ReadLayer,
    *,
    engine: Callable[[], Engine],
    secrets: Callable[[str], bytes],
    build_user: int | None = None,
) -> Mapping[str, Tool]:
    """Returns the tools by name.

    index:        gives the package index, when something is fetched.
    environments: where the environments of builds are kept.
    read_layer:   gives the layers of external images.
    engine:       gives what builds Dockerfiles, when one is built.
    secrets:      gives the value of a secret by its id; raises UserError or ExternalError.
    build_user:   whom the backends of Python packages run as; None: as this process.
    """
    plain: tuple[Tool, ...] = (LayerTool(), ImageTool(), HostPythonTool(), WriteTool(), WheelsTool())
    wheel = WheelTool(environments, index, build_user)
    dockerfile = DockerfileTool(read_layer, engine, secrets)
    tools: tuple[Tool, ...] = (*plain, FetchTool(index), wheel, PullTool(read_layer), dockerfile)
    return {tool.name: tool for tool in tools}


def tool_version(name: str) -> int:
    """Returns the version of a tool, which is part of every key."""
    return next(kind.version for kind in KINDS if kind.name == name)
