"""A package index on this machine with what a python.lock names, for builds that see nothing of this machine."""

from __future__ import annotations

import html
import os
import sys
import threading
from pathlib import Path
from urllib.parse import unquote

from lambdabuild.python.index import Index, config_files, read_settings
from lambdabuild.python.lock_file import parse_lock
from lambdabuild.python.locked import LockedFile
from tests.oci.registry.server import Reply, Request, Server


class LockedIndex(Server):
    """The simple API (PEP 503). Files come from the index that this machine is set up for, when asked for.

    directory: keeps them.
    """

    def __init__(self, lock: Path, directory: Path) -> None:
        super().__init__(self._respond)
        self._directory = directory
        self._lock = threading.Lock()
        self._files: dict[str, dict[str, LockedFile]] = {}
        locked = parse_lock(lock.read_bytes())
        for package in (*locked.packages, *(each for build in locked.builds for each in build.packages)):
            self._files.setdefault(package.name, {}).update({file.name: file for file in package.files})
        home = Path.home()
        self._index = Index(read_settings(os.environ, home, config_files(os.environ, home, Path(sys.prefix))))

    def _respond(self, request: Request) -> Reply:
        _, kind, project, name = (*unquote(request.path).split("/"), "", "")[:4]
        files = self._files.get(project, {})
        if kind == "simple" and files:
            links = (f'<a href="/files/{project}/{each}">{html.escape(each)}</a>\n' for each in files)
            return Reply(200, "".join(links).encode(), {"Content-Type": "text/html"})
        if kind == "files" and name in files:
            return Reply(200, self._bytes(project, files[name]))
        return Reply(404)

    def _bytes(self, project: str, file: LockedFile) -> bytes:
        path = self._directory / file.name
        with self._lock:
            if not path.exists():
                self._index.fetch(project, file.name, file.size, file.sha256, path, lambda: None)
        return path.read_bytes()
