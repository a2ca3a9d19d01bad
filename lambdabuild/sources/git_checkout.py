"""Which files of a commit git would convert when it writes them to disk, and what it takes to have them so.

git reads attributes from the working tree and the index. So that those of the
commit count, it is shown another working tree, a temporary directory that holds
the commit's .gitattributes and nothing else, and no index.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from lambdabuild.errors import ExternalError
from lambdabuild.sources.git_repository import Repository

FILE_NAME = ".gitattributes"
# gitattributes(5), and `crlf`, the old name of `text`.
_CONVERTING = frozenset({"text", "crlf", "eol", "ident", "filter", "working-tree-encoding"})
_OFF = frozenset({"", "false", "no", "off", "0", "input"})


class Checkout:
    """How git would write the files of one commit.

    read: gives the bytes of a .gitattributes file of the commit, by its path.
    """

    def __init__(
        self, repository: Repository, attributes: Sequence[str], read: Callable[[str], bytes]
    ) -> None:
        self._repository = repository
        self._place = tempfile.TemporaryDirectory(prefix="lambdabuild-git-")
        self.directory = os.path.join(self._place.name, "tree")
        os.mkdir(self.directory)
        try:
            for path in attributes:
                self._write(path, read(path))
        except BaseException:
            self.close()
            raise
        self.env: Mapping[str, str] = {
            "GIT_WORK_TREE": self.directory,
            "GIT_INDEX_FILE": os.path.join(self._place.name, "no-index"),
        }

    def converted(self, paths: Sequence[str]) -> Mapping[str, str]:
        """Returns those of `paths` that git may convert, each with the name of its filter or ""."""
        data = b"".join(os.fsencode(path) + b"\0" for path in paths)
        ran = self._repository.run(
            "check-attr", "-z", "--stdin", "--all", data=data, cwd=self.directory, env=self.env
        )
        if ran.code != 0:
            raise ExternalError("git cannot tell attributes of files", hint="git fsck", details=ran.said)
        everything = (self._repository.setting("core.autocrlf") or "").lower() not in _OFF
        found = dict.fromkeys(paths, "") if everything else {}
        fields = os.fsdecode(ran.out).split("\0")
        for path, name, value in zip(fields[0::3], fields[1::3], fields[2::3], strict=False):
            if name in _CONVERTING and value != "unset":
                found[path] = value if name == "filter" else found.get(path, "")
        return found

    def close(self) -> None:
        self._place.cleanup()

    def _write(self, path: str, data: bytes) -> None:
        # A tree object may hold any name; what git itself would not write, is not written.
        if {"", ".", "..", ".git"} & set(path.split("/")):
            return
        target = Path(self.directory, path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
