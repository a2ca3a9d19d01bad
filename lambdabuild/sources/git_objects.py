"""The bytes of blobs, from one `git cat-file` for as many as are asked for.

A process is started when the first blob is wanted, in the process that wants
it: evaluation runs in a fork, which must not share pipes with its parent.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import IO

from lambdabuild.digest import CHUNK
from lambdabuild.errors import ExternalError
from lambdabuild.sources.git_repository import Repository, no_git

Sink = Callable[[bytes], object]


class Blobs:
    """The blobs of one repository, as they are stored and as git would write them to disk.

    checkout: variables of a directory whose attributes say how paths are converted, and that directory.
    """

    def __init__(self, repository: Repository, checkout: Callable[[], tuple[str, Mapping[str, str]]]) -> None:
        self._repository = repository
        self._checkout = checkout
        self._stored: _Batch | None = None
        self._converting: _Batch | None = None

    def copy(self, oid: str, sink: Sink, *, what: str) -> None:
        """Gives the bytes of a blob to `sink`, piece by piece; raises ExternalError. what: for errors."""
        batch = self._batch()
        batch.ask(oid.encode())
        batch.receive(sink, what)

    def copy_all(self, oids: Sequence[str], sink: Callable[[str], Sink], *, what: str) -> None:
        """Gives the bytes of each blob to the sink of its own; raises ExternalError."""
        batch = self._batch()
        # A thread asks, since answers that nobody reads would stop git from reading questions.
        asking = threading.Thread(target=batch.ask_all, args=([oid.encode() for oid in oids],))
        asking.start()
        try:
            for oid in oids:
                batch.receive(sink(oid), what)
        except BaseException:
            batch.kill()
            raise
        finally:
            asking.join()

    def converted(self, oid: str, path: str, *, what: str) -> bytes:
        """Returns a blob as git would write it at `path` of the repository; raises ExternalError."""
        if path[:1] in (" ", "\t") or "\n" in path:
            return self._converted_alone(oid, path, what)
        if self._converting is None or self._converting.pid != os.getpid():
            directory, env = self._checkout()
            self._converting = _Batch(self._repository, ("--filters",), directory, env)
        self._converting.ask(oid.encode() + b" " + os.fsencode(path))
        return self._converting.receive_to_mark(what)

    def close(self) -> None:
        """Ends the processes that this process has started."""
        for batch in (self._stored, self._converting):
            if batch and batch.pid == os.getpid():
                batch.close()
        self._stored = self._converting = None

    def _batch(self) -> _Batch:
        if self._stored is None or self._stored.pid != os.getpid():
            self._stored = _Batch(self._repository, (), self._repository.git_dir, {})
        return self._stored

    def _converted_alone(self, oid: str, path: str, what: str) -> bytes:
        """Does the same for a path that a line cannot hold."""
        directory, env = self._checkout()
        ran = self._repository.run("cat-file", "--filters", f"--path={path}", oid, cwd=directory, env=env)
        if ran.code != 0:
            raise self._repository.lacks(what, ran.said)
        return ran.out


class _Batch:
    """A running `git cat-file --batch`. pid: the process that started it, and alone may use it."""

    def __init__(
        self, repository: Repository, options: Sequence[str], cwd: str, env: Mapping[str, str]
    ) -> None:
        self.pid = os.getpid()
        self._repository = repository
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115  (closed with the process)
        command = repository.command("cat-file", "--batch", *options)
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._stderr,
                cwd=cwd,
                env={**repository.env, **env},
            )
        except FileNotFoundError:
            raise no_git() from None
        assert self._process.stdin
        assert self._process.stdout
        self._asked: IO[bytes] = self._process.stdin
        self._answers: IO[bytes] = self._process.stdout
        # The size that git tells of a converted blob is that of the stored one, so the end of
        # its bytes shows only in the answer to a question that comes after it: a name that no
        # object has and no blob can know.
        self._mark = f"end-{secrets.token_hex(16)}".encode()

    def ask(self, line: bytes) -> None:
        with suppress(BrokenPipeError):  # what went wrong shows when the answer is read
            self._asked.write(line + b"\n")
            self._asked.flush()

    def ask_all(self, lines: Sequence[bytes]) -> None:
        if lines:
            self.ask(b"\n".join(lines))

    def receive(self, sink: Sink, what: str) -> None:
        """Gives the bytes of the blob that was asked for to `sink`."""
        left = self._size(what)
        while left:
            piece = self._answers.read(min(left, CHUNK))
            if not piece:
                raise self._failed(what)
            sink(piece)
            left -= len(piece)
        self._answers.read(1)

    def receive_to_mark(self, what: str) -> bytes:
        """Returns the bytes of the converted blob that was asked for."""
        self.ask(self._mark)
        self._size(what)
        end = b"\n" + self._mark + b" missing\n"
        data = bytearray()
        while line := self._answers.readline():
            data += line
            if line == end[1:] and data.endswith(end):
                return bytes(data[: -len(end)])
        raise self._failed(what)

    def _size(self, what: str) -> int:
        """Returns the size that git tells of the blob whose bytes come next."""
        head = self._answers.readline().split()
        if len(head) != 3 or head[1] != b"blob":
            raise self._failed(what)
        return int(head[2])

    def _failed(self, what: str) -> Exception:
        self.kill()
        self._stderr.seek(0)
        said = tuple(os.fsdecode(self._stderr.read()).splitlines())
        if any("filter" in line for line in said):
            return ExternalError(
                f"git cannot convert {what} as its attributes say",
                hint="run the filter by hand: git cat-file --filters REVISION:PATH",
                details=said,
            )
        return self._repository.lacks(what, said)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        with suppress(BrokenPipeError):
            self._asked.close()
        self._process.wait()
        self._answers.close()
        self._stderr.close()
