"""host_python: the layer of a base made from this machine's CPython.

The input root holds interpreter, libraries and awslambdaric at their places in
the image; links, directories and small texts are parameters. So the key is the
digests of all of them. Results never leave the machine.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, cast

from lambdabuild.action import Made, ToolCall
from lambdabuild.oci.layer import Dir, Entry, File, Symlink
from lambdabuild.tools.layer import file_entries, write


class HostPythonTool:
    """Puts out what the layer tool does, with links and directories as well."""

    name = "host_python"
    version = 1

    def run(self, call: ToolCall) -> Mapping[str, Made]:
        return write(call, [*file_entries(call), *_others(cast("Mapping[str, Any]", call.params))])


def _others(params: Mapping[str, Any]) -> Iterator[Entry]:
    for path, target in params["links"].items():
        yield Symlink(path, target)
    for path, mode in params["directories"].items():
        yield Dir(path, int(mode, 8))
    for path, text in params["texts"].items():
        content: bytes = text["content"].encode()
        yield File(path, len(content), text["executable"], partial(_whole, content))


def _whole(content: bytes) -> list[bytes]:
    return [content]
