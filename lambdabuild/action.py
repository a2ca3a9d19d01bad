"""Action, ActionKey, ActionResult, and the Executor protocol.

An Action is one step that a rule declared: a tool with parameters, inputs at
paths of its input root, and named outputs. Analysis declares actions and runs
nothing; execution runs them and knows nothing of rules.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol, TypeAlias

from lambdabuild.digest import Canonical, Digest, Key, key_of
from lambdabuild.label import Label
from lambdabuild.tree import FileNode

ANY_PLATFORM = "any"
"""The platform of an action whose outputs are the same for all."""


class ActionId(NamedTuple):
    """An action by who declared it: the number-th of a configured target."""

    label: Label
    platform: str
    number: int


class SourceFile(NamedTuple):
    """A file of the workspace. `executable` None: as the file itself has it."""

    path: str
    executable: bool | None = None


class HostFile(NamedTuple):
    """A file of this machine outside the workspace, by absolute path."""

    path: str
    executable: bool | None = None


class ActionOutput(NamedTuple):
    """What an action puts out under a name. `executable` None: as the tool made it."""

    action: ActionId
    name: str
    executable: bool | None = None


Input: TypeAlias = SourceFile | HostFile | ActionOutput


@dataclass(frozen=True, slots=True)
class Action:
    """A declared step.

    inputs:    path in the input root -> where the file comes from.
    outputs:   names, fixed by the tool.
    platform:  OCI style, e.g. "linux/arm64", or ANY_PLATFORM.
    shareable: whether its results may leave this machine.
    """

    id: ActionId
    tool: str
    params: Mapping[str, Canonical]
    inputs: Mapping[str, Input]
    outputs: tuple[str, ...]
    platform: str
    shareable: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class ActionKey:
    """All that can change an action's outputs, and nothing else.

    Equal keys mean interchangeable outputs, on any machine, for ever. The key
    is stored as a document, not only as a hash, so that a later question can
    say which field moved.

    input_root: digest of the Directory that the action sees.
    outputs:    names, sorted, without duplicates.
    """

    tool: str
    tool_version: int
    params: Mapping[str, Canonical]
    input_root: Digest
    outputs: tuple[str, ...]
    platform: str
    owner: ActionId = field(metadata={"unkeyed": "equal work for two targets is done once"})

    def document(self) -> Canonical:
        return {
            "input_root": str(self.input_root),
            "outputs": sorted(self.outputs),
            "params": self.params,
            "platform": self.platform,
            "tool": self.tool,
            "tool_version": self.tool_version,
        }

    def key(self) -> Key:
        return key_of("action", self.document())


def deep_document(
    action: Action, tool_version: int, inputs: Iterable[tuple[str, Canonical]]
) -> Mapping[str, Canonical]:
    """Returns the document whose key names `action` with no execution and no network.

    inputs: (path in the input root, reference) as `source_reference` and
            `output_reference` make them.
    """
    return {
        "inputs": [[path, reference] for path, reference in sorted(inputs, key=lambda pair: pair[0])],
        "outputs": sorted(action.outputs),
        "params": action.params,
        "platform": action.platform,
        "tool": action.tool,
        "tool_version": tool_version,
    }


def source_reference(node: FileNode) -> Canonical:
    """Returns how a source file stands in a deep document or a target's hash."""
    return {"digest": str(node.digest), "executable": node.executable}


def output_reference(deep_key: Key, output: str, executable: bool | None) -> Canonical:
    """Returns how an action's output stands in a deep document or a target's hash."""
    reference: dict[str, Canonical] = {"action": deep_key, "output": output}
    if executable is not None:
        reference["executable"] = executable
    return reference


@dataclass(frozen=True, slots=True)
class ActionResult:
    """What an action put out.

    outputs:  by name.
    seconds:  how long the tool ran.
    executor: where it ran ("local").
    """

    outputs: Mapping[str, FileNode]
    seconds: float
    executor: str

    def to_json(self) -> bytes:
        outputs = {
            name: {"digest": str(node.digest), "executable": node.executable}
            for name, node in self.outputs.items()
        }
        document = {"executor": self.executor, "outputs": outputs, "seconds": round(self.seconds, 6)}
        return json.dumps(document, sort_keys=True).encode()

    @classmethod
    def from_json(cls, data: bytes) -> ActionResult:
        """Returns the result that `to_json` wrote; raises ValueError for anything else."""
        try:
            document = json.loads(data)
            outputs = {
                str(name): FileNode(Digest.parse(node["digest"]), node["executable"] is True)
                for name, node in document["outputs"].items()
            }
            return cls(outputs, float(document["seconds"]), str(document["executor"]))
        except (KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError(f"not an action result: {error}") from None


@dataclass(frozen=True, slots=True)
class ReadyAction:
    """An action whose inputs are there.

    inputs: path in the input root -> file.
    """

    id: ActionId
    tool: str
    params: Mapping[str, Canonical]
    inputs: Mapping[str, FileNode]
    outputs: tuple[str, ...]
    platform: str


@dataclass(frozen=True, slots=True)
class ToolCall:
    """What a tool gets.

    contents: gives the bytes of a file in pieces; raises when they are not what the digest says.
    make_scratch: makes `scratch`, or gives it if it is there: most actions do without.
    check:    raises when the build has been asked to stop.
    """

    params: Mapping[str, Canonical]
    inputs: Mapping[str, FileNode]
    platform: str
    contents: Callable[[Digest], Iterable[bytes]]
    make_scratch: Callable[[], Path]
    check: Callable[[], None]

    @property
    def scratch(self) -> Path:
        """A directory of its own on the store's file system, empty at first."""
        return self.make_scratch()


class Made(NamedTuple):
    """One output of a tool: its bytes, or a file in the call's scratch directory."""

    content: bytes | Path
    executable: bool = False


class Tool(Protocol):
    """Something that an action can run.

    version: counts up whenever equal inputs give other outputs than before.
    """

    name: str
    version: int

    def run(self, call: ToolCall) -> Mapping[str, Made]:
        """Returns what was made for each output's name."""
        ...


class Executor(Protocol):
    """Runs actions somewhere. Raises ActionFailed when one does not succeed."""

    name: str

    def execute(self, action: ReadyAction, check: Callable[[], None]) -> ActionResult: ...


def unkeyed_fields() -> Sequence[str]:
    """Returns the fields of ActionKey that are left out of the key on purpose."""
    return [name for name, f in ActionKey.__dataclass_fields__.items() if "unkeyed" in f.metadata]
