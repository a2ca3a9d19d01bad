"""Checks of the tree that all layers make together, whiteouts applied."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Final

from lambdabuild.oci.config import Config
from lambdabuild.oci.conformance.entries import components
from lambdabuild.oci.conformance.evidence import Evidence
from lambdabuild.oci.conformance.finding import Verdict
from lambdabuild.oci.conformance.tree import Node, Path
from lambdabuild.oci.errors import ImageError

READ: Final = 0o4
SEARCH: Final = 0o1
"""Permission bits of others: Lambda's user owns nothing in an image, and is in no group of it."""

DEFAULT_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where a program is looked for if the config sets no PATH (moby, DefaultPathEnv)."""

_ENDS: Final = (".py", "/__init__.py", ".so", ".pyc", "/__init__.pyc")


def readable(evidence: Evidence) -> Verdict:
    """Passes if any user can read all below /var/task, /opt and LAMBDA_TASK_ROOT.

    That is: files are o+r, directories o+rx, and the directories above these places
    o+x. Where a symlink leads is not looked at. Lambda Developer Guide, "Create a
    Lambda function using a container image", requirements: "The default Lambda user
    must be able to read all the files required to run your function code", and it has
    least privileges, whatever USER says. What the entrypoint needs, `entrypoint` says.
    """
    verdict = evidence.verdict()
    for root in _roots(evidence, "opt"):
        for place, node in itertools.chain(_above(evidence, root), evidence.tree.below(root)):
            needed = _needed(node) if len(place) >= len(root) else SEARCH
            if needed & ~node.mode and evidence.settled(node):
                verdict.fail(f"/{'/'.join(place)} has the mode {node.mode:04o}, which keeps other users out")
    return verdict


def entrypoint(evidence: Evidence) -> Verdict:
    """Passes if the config's entrypoint is a file that any user can reach and execute.

    Looked for as execvp does: by itself if it has a "/", else in PATH. It has to be
    o+x, as have the directories that lead to it; what a script's first line names is
    not looked at. Lambda Developer Guide, "Troubleshoot container image issues in
    Lambda", Runtime.InvalidEntrypoint. An image without an entrypoint passes: a
    function's ImageConfig may bring one.
    """
    verdict, config = Verdict(), evidence.config
    if isinstance(config, ImageError) or not config.entrypoint:
        return verdict
    program = config.entrypoint[0]
    steps = next((found for place in _places(config, program) if (found := _trace(evidence, place))), None)
    if steps is None:
        _absent(evidence, verdict, f"the entrypoint {program!r} is not in the image")
    elif not evidence.settled(steps[-1]):
        verdict.unknown(
            f"the entrypoint {program!r} may be changed by a layer that was not read: {evidence.unseen}"
        )
    elif steps[-1].kind != "file" or any(SEARCH & ~node.mode for node in steps):
        verdict.fail(f"the entrypoint {program!r} cannot be executed by all users: mode {steps[-1].mode:04o}")
    return verdict


def handlers(evidence: Evidence) -> Verdict:
    """Passes if the module of each handler is there.

    "a.b.f" and "a/b.f" are the function f of the module a.b: a/b.py, a/b.so or the
    package a/b, as source or .pyc, also with the interpreter's tag (b.cpython-312-….so).
    Looked for in LAMBDA_TASK_ROOT or /var/task, in /opt/python, where AWS's bootstrap
    puts layers, and in PYTHONPATH. Lambda Developer Guide, "Define Lambda function
    handler in Python", and aws-lambda-python-runtime-interface-client,
    bootstrap.py, _get_handler: Runtime.ImportModuleError.
    """
    verdict = Verdict()
    for handler in evidence.question.handlers:
        module, dot, function = handler.rpartition(".")
        path = components(module.replace(".", "/"))
        if not (dot and path and function):
            verdict.fail(f"the handler {handler!r} is not module.function")
            continue
        roots = _module_roots(evidence)
        found = [node for root in roots for node in _modules(evidence, (*root, *path[:-1]), path[-1])]
        if not found:
            where = ", ".join("/" + "/".join(root) for root in roots)
            _absent(evidence, verdict, f"the module of the handler {handler!r} is not in {where}")
        elif not any(map(evidence.settled, found)):
            verdict.unknown(f"the module of {handler!r} may be changed: {evidence.unseen}")
    return verdict


def _absent(evidence: Evidence, verdict: Verdict, text: str) -> None:
    """Notes what was not found: a failure only if there was nowhere else to look."""
    if evidence.unseen:
        verdict.unknown(f"{text} as far as it is known; {evidence.unseen}")
    else:
        verdict.fail(text)


def _needed(node: Node) -> int:
    return {"file": READ, "directory": READ | SEARCH}.get(node.kind, 0)


def _above(evidence: Evidence, path: Path) -> Iterator[tuple[Path, Node]]:
    """Yields the directories above `path`, from the root, symlinks followed."""
    for end in range(len(path)):
        node = evidence.tree.find(path[:end], follow=True)
        if node is not None:
            yield path[:end], node


def _roots(evidence: Evidence, *more: str) -> list[Path]:
    task = _env(evidence.config).get("LAMBDA_TASK_ROOT", "")
    roots = [components(task)] if task.startswith("/") and components(task) else []
    return list(dict.fromkeys([*roots, ("var", "task"), *map(components, more)]))


def _module_roots(evidence: Evidence) -> list[Path]:
    listed = _env(evidence.config).get("PYTHONPATH", "").split(":")
    return list(
        dict.fromkeys(_roots(evidence, "opt/python", *(path for path in listed if path.startswith("/"))))
    )


def _modules(evidence: Evidence, directory: Path, name: str) -> Iterator[Node]:
    tree = evidence.tree
    for end in _ENDS:
        node = tree.find((*directory, *components(name + end)), follow=True)
        if node is not None and node.kind == "file":
            yield node
    parent = tree.find(directory, follow=True)
    for file, node in parent.children.items() if parent else ():
        if file.startswith(f"{name}.") and file.endswith(".so") and node.kind != "directory":
            yield node


def _trace(evidence: Evidence, path: Sequence[str]) -> list[Node]:
    steps = evidence.tree.trace(path, follow=True)
    return steps if steps and steps[-1].kind != "directory" else []


def _places(config: Config, program: str) -> list[list[str]]:
    """Returns where to look for a program, each as a path from the root."""
    if "/" in program:
        start = "" if program.startswith("/") else config.working_dir
        return [f"{start}/{program}".split("/")]
    path = _env(config).get("PATH") or DEFAULT_PATH
    return [f"{directory}/{program}".split("/") for directory in path.split(":")]


def _env(config: Config | ImageError) -> dict[str, str]:
    entries = () if isinstance(config, ImageError) else config.env
    return {name: value for name, _, value in (entry.partition("=") for entry in entries)}
