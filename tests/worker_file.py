"""The worker as a pex, made once for each state of its sources, and shared by all test processes."""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import tempfile
from pathlib import Path

from lambdabuild.setup import worker_pex as packing


def worker_pex() -> Path:
    """Returns worker.pex as `lambdabuild bootstrap` uploads it, but for machines such as this one alone.

    It is kept below the directory of temporary files: the first call takes a minute, the others nothing.
    """
    kept = Path(tempfile.gettempdir()) / f"lambdabuild-worker-{os.getuid()}"
    kept.mkdir(mode=0o700, exist_ok=True)
    with open(kept / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        path = kept / _state() / "worker.pex"
        if not path.is_file():
            path.parent.mkdir(exist_ok=True)
            unfinished = path.with_suffix(".tmp")
            packing.make_worker(unfinished, machines=(platform.machine(),))
            unfinished.replace(path)
        return path


def _state() -> str:
    """Returns what changes whenever something changes that the worker is made of."""
    modules = {**packing.modules(), packing.__name__: Path(packing.__file__)}
    state = hashlib.sha256(repr(packing.requirements()).encode())
    for name, path in sorted(modules.items()):
        state.update(f"{name}\0{path.stat().st_size}\0".encode() + path.read_bytes())
    return state.hexdigest()[:32]
