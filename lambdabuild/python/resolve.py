"""Requirements -> a Lock, resolved by pex for one combination after the other.

pex runs in a process of its own (`pex.cli lock create`) and asks the index that pip
is configured for. It names URLs; what is kept of them is file names and sha256.

Absent: choosing versions. That is pip's resolver, inside pex.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from lambdabuild.errors import ActionFailed, ExternalError
from lambdabuild.python.lock import Lock, LockedFile, LockedPackage
from lambdabuild.python.platforms import Combination, pex_complete_platform

SizeOf = Callable[[str, str, str], int]
"""(project, file name, sha256) -> bytes."""


def resolve(
    wanted: Mapping[Combination, Iterable[str]],
    size_of: SizeOf,
    *,
    progress: Callable[[Combination], None] = lambda combination: None,
) -> Lock:
    """Returns the lock of what is wanted for each combination.

    Raises ActionFailed with pex's words where the requirements contradict each
    other or no index has them.
    """
    resolved: dict[Combination, list[LockedPackage]] = {}
    for combination in sorted(wanted):
        progress(combination)
        document = _pex(combination, sorted(set(wanted[combination])))
        resolved[combination] = [_package(each, size_of) for each in _requirements(document)]
    return Lock.merged((text for texts in wanted.values() for text in texts), resolved)


def _pex(combination: Combination, requirements: Sequence[str]) -> Mapping[str, Any]:
    """Returns pex's lock of `requirements` for one combination."""
    with tempfile.TemporaryDirectory(prefix="lambdabuild-lock-") as directory:
        platform, output = Path(directory) / "platform.json", Path(directory) / "lock.json"
        platform.write_text(json.dumps(pex_complete_platform(combination)))
        command = [sys.executable, "-m", "pex.cli", "lock", "create", "--style", "strict", "--no-build"]
        command += ["--use-pip-config", "--complete-platform", str(platform), "--output", str(output)]
        ran = subprocess.run([*command, *requirements], capture_output=True, text=True, check=False)
        if ran.returncode != 0 or not output.is_file():
            if "No module named pex" in ran.stderr:
                raise ExternalError("pex is not installed", hint="pip install pex")
            raise ActionFailed(
                f"the requirements cannot be resolved for {combination}",
                hint="loosen what contradicts, or check `python -m pip config list` for the index",
                details=tuple(ran.stderr.strip().splitlines()[-20:]),
            )
        document: Mapping[str, Any] = json.loads(output.read_bytes())
        return document


def _requirements(document: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    (resolved,) = document["locked_resolves"]
    found: Sequence[Mapping[str, Any]] = resolved["locked_requirements"]
    return found


def _package(document: Mapping[str, Any], size_of: SizeOf) -> LockedPackage:
    """Returns one of pex's locked requirements as ours."""
    name = document["project_name"]
    files = []
    for artifact in document["artifacts"]:
        filename = unquote(urlsplit(artifact["url"]).path.rpartition("/")[2])
        if artifact["algorithm"] != "sha256":
            raise ExternalError(f"the index gives no sha256 for {filename}")
        sha256 = artifact["hash"]
        files.append(LockedFile.of(filename, size_of(name, filename, sha256), sha256))
    return LockedPackage.of(name, document["version"], files, requires=document["requires_dists"])
