"""Runs pex, whose `lock create` has pip choose versions and files.

In a process of its own, with the index that pip is configured for. It names URLs;
what is kept of them is file names and sha256.

Absent: choosing. That is pip's resolver, inside pex.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from lambdabuild.errors import ActionFailed, ExternalError
from lambdabuild.python.platforms import Combination, pex_complete_platform

# The older resolver, the default with older releases of pip, gives sets that contradict themselves.
_ALWAYS = ("--use-pip-config", "--resolver-version", "pip-2020-resolver")
_SYSTEMS = ("--style", "universal", "--target-system", "linux", "--target-system", "mac", "--no-build")
_PYTHONS = ">=3.11,<3.15"  # that lambdabuild runs on, and so builds with


class Found(NamedTuple):
    """A package as pex locks it. files: (name, sha256)."""

    name: str
    version: str
    requires: tuple[str, ...]
    files: tuple[tuple[str, str], ...]


def lock_for(
    combination: Combination,
    requirements: Sequence[str],
    constraints: Sequence[str],
    *,
    sources: bool = False,
    environ: Mapping[str, str] | None = None,
) -> list[Found]:
    """Returns what `requirements` are resolved to for one combination.

    sources: whether a package that has no wheel may be built from its source
             distribution; only where this Python is of that combination.
    environ: of the process; that of this one if None.

    Raises ActionFailed with pip's words where the requirements contradict each
    other or no index has them.
    """
    with tempfile.TemporaryDirectory(prefix="lambdabuild-lock-") as directory:
        platform = Path(directory) / "platform.json"
        platform.write_text(json.dumps(pex_complete_platform(combination)))
        arguments = ["--style", "strict", "--prefer-wheel" if sources else "--no-build"]
        arguments += ["--complete-platform", str(platform)]
        what = f"the requirements cannot be resolved for {combination}"
        return _lock(arguments, requirements, constraints, Path(directory), environ, what)


def lock_for_hosts(
    requirements: Sequence[str], constraints: Sequence[str], *, environ: Mapping[str, str] | None = None
) -> list[Found]:
    """Returns what `requirements` are resolved to for all machines that can build, as `lock_for` does."""
    with tempfile.TemporaryDirectory(prefix="lambdabuild-lock-") as directory:
        what = f"the build requirements {', '.join(requirements)} cannot be resolved"
        arguments = [*_SYSTEMS, "--interpreter-constraint", _PYTHONS]
        return _lock(arguments, requirements, constraints, Path(directory), environ, what)


def _lock(
    arguments: Sequence[str],
    requirements: Sequence[str],
    constraints: Sequence[str],
    directory: Path,
    environ: Mapping[str, str] | None,
    what: str,
) -> list[Found]:
    """`what` could not be done, if it cannot."""
    output = directory / "lock.json"
    command = [sys.executable, "-m", "pex.cli", "lock", "create", *_ALWAYS, *arguments]
    command += ["--output", str(output)]
    if constraints:
        limits = directory / "constraints.txt"
        limits.write_text("".join(f"{text}\n" for text in constraints))
        command += ["--constraint", str(limits)]
    ran = subprocess.run([*command, *requirements], capture_output=True, text=True, check=False, env=environ)
    if ran.returncode != 0 or not output.is_file():
        if "No module named pex" in ran.stderr:
            raise ExternalError("pex is not installed", hint="pip install pex")
        raise ActionFailed(
            what,
            hint="loosen what contradicts, publish wheels of what has none, or see which index is asked: "
            "python -m pip config list",
            details=_told(ran.stderr),
        )
    return list(_found(json.loads(output.read_bytes())))


def _told(text: str) -> tuple[str, ...]:
    """Returns the lines of pip's that matter, or the last ones where there are none."""
    lines = ["".join(c if c.isprintable() else "?" for c in line) for line in text.strip().splitlines()]
    errors = [line.removeprefix("pip: ") for line in lines if line.startswith("pip: ERROR")]
    return tuple((errors or lines)[-20:])


def _found(document: Mapping[str, Any]) -> Iterator[Found]:
    for resolved in document["locked_resolves"]:
        for each in resolved["locked_requirements"]:
            files = {_file(artifact) for artifact in each["artifacts"]}
            yield Found(
                each["project_name"], each["version"], tuple(each["requires_dists"]), tuple(sorted(files))
            )


def _file(artifact: Mapping[str, Any]) -> tuple[str, str]:
    name = unquote(urlsplit(artifact["url"]).path.rpartition("/")[2])
    if artifact["algorithm"] != "sha256":
        raise ExternalError(f"the index gives no sha256 for {name}")
    return name, artifact["hash"]
