"""The content store and action cache on this machine's disk.

    <root>/cas/<2 hex>/<62 hex>    one blob, read-only, named by its BLAKE3
    <root>/ac/<2 hex>/<62 hex>     64 hex of BLAKE3, a newline, the result document
    <root>/keys/<2 hex>/<62 hex>   the canonical document that the key is the hash of
    <root>/tmp/                    files being written
    <root>/lock                    see `use`

Every file is written under tmp/ and renamed into place, so that processes can
share the store and be killed at any moment. Nothing is synced to the disk: a
file that a power failure tore is found by its size, time or digest, thrown away,
and made again. Every blob's time is SEAL: one that was written to later, perhaps
through a hard link, has another time and counts as missing. "Why not fsync": it
costs more than most actions do.

What nobody uses any more, `collecting` removes.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from lambdabuild.digest import CHUNK, Digest, Hasher, Key, digest_of
from lambdabuild.errors import ExternalError
from lambdabuild.store.use import looking, note_use

_STALE_SECONDS = 24 * 3600

SEAL = 315_619_200
"""The modification time of every blob: 1980-01-02T00:00:00Z, that of all files in layers and layouts."""


@contextlib.contextmanager
def disk_errors(
    what: Path, elsewhere: str = "or set XDG_CACHE_HOME to a directory of yours"
) -> Iterator[None]:
    """Turns what the disk refuses into an ExternalError with a hint.

    elsewhere: what else can be done where `what` cannot be written.
    """
    try:
        yield
    except OSError as error:
        hints = {
            errno.ENOSPC: "free some space, or run `lambdabuild clean --cache`, and build again",
            errno.EDQUOT: "free some space, or run `lambdabuild clean --cache`, and build again",
            errno.EACCES: f"make {what} writable, {elsewhere}",
            errno.EROFS: f"make {what} writable, {elsewhere}",
            errno.EEXIST: f"remove what is in the way of {what}",
            errno.ENOTDIR: f"remove what is in the way of {what}",
        }
        raise ExternalError(
            f"cannot write below {what}: {error.strerror}", hint=hints.get(error.errno or 0)
        ) from error


class LocalStore:
    """A ContentStore on disk. Blobs are read-only files that may be hard-linked elsewhere."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.scratch = root / "tmp"
        with disk_errors(root):
            self.scratch.mkdir(parents=True, exist_ok=True)

    def path(self, digest: Digest) -> Path:
        """Returns where the blob lies, or would lie; its bytes are not verified."""
        return self.root / "cas" / digest.hash[:2] / digest.hash[2:]

    def missing(self, digests: Iterable[Digest]) -> set[Digest]:
        with looking(self.root):
            return {digest for digest in digests if not self._has(digest)}

    def put(self, data: bytes) -> Digest:
        digest = digest_of(data)
        if self.missing([digest]):
            write_atomically(self.path(digest), data, self.scratch, mode=0o444, mtime=SEAL)
        return digest

    def put_file(self, path: Path) -> Digest:
        hasher = Hasher()
        with open(path, "rb") as file:
            while piece := file.read(CHUNK):
                hasher.update(piece)
        digest = hasher.digest()
        target = self.path(digest)
        with disk_errors(self.root):
            if not self.missing([digest]):
                path.unlink()
            else:
                path.chmod(0o444)
                target.parent.mkdir(parents=True, exist_ok=True)
                path.replace(target)
                # Only now: under tmp/, a file so old would be swept away.
                os.utime(target, (time.time(), SEAL))
        return digest

    def pieces(self, digest: Digest) -> Iterator[bytes]:
        hasher = Hasher()
        path = self.path(digest)
        try:
            with open(path, "rb") as file:
                while piece := file.read(CHUNK):
                    hasher.update(piece)
                    yield piece
        except FileNotFoundError:
            raise ExternalError(
                f"the local store has no blob {digest}",
                hint="run the same command again; it will be made again",
            ) from None
        except OSError as error:
            raise unreadable(path, error) from error
        if hasher.digest() != digest:
            path.unlink(missing_ok=True)
            raise damaged(path)

    def verified(self, digest: Digest) -> Path:
        """Returns the path of a blob whose bytes were just verified."""
        for _ in self.pieces(digest):
            pass
        return self.path(digest)

    def sweep(self) -> None:
        """Removes what killed processes left half-written."""
        limit = time.time() - _STALE_SECONDS
        with contextlib.suppress(OSError), os.scandir(self.scratch) as entries:
            for entry in entries:
                if entry.stat(follow_symlinks=False).st_mtime < limit:
                    remove_tree(Path(entry.path))

    def _has(self, digest: Digest) -> bool:
        """Tells whether a blob is here, and notes its use if it is."""
        path = self.path(digest)
        try:
            status = os.stat(path)
        except OSError:
            return False
        if status.st_size != digest.size or status.st_mtime_ns != SEAL * 10**9:
            return False
        note_use(path, status)
        return True


class LocalActionCache:
    """An ActionCache on disk."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._scratch = root / "tmp"
        with disk_errors(root):
            self._scratch.mkdir(parents=True, exist_ok=True)

    def lookup(self, keys: Iterable[Key]) -> Mapping[Key, bytes]:
        found: dict[Key, bytes] = {}
        for key in keys:
            path = self._path("ac", key)
            try:
                data = path.read_bytes()
            except FileNotFoundError:
                continue
            except OSError as error:
                raise unreadable(path, error) from error
            checksum, _, result = data.partition(b"\n")
            if checksum != digest_of(result).hash.encode():
                path.unlink(missing_ok=True)
                raise damaged(path)
            found[key] = result
        return found

    def record(self, key: Key, result: bytes, document: bytes) -> None:
        write_atomically(self._path("keys", key), document, self._scratch)
        checksum = digest_of(result).hash.encode()
        write_atomically(self._path("ac", key), checksum + b"\n" + result, self._scratch)

    def document(self, key: Key) -> bytes | None:
        """Returns the document that `key` is the hash of, if a result was ever kept under it."""
        try:
            return self._path("keys", key).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise unreadable(self._path("keys", key), error) from error

    def _path(self, kind: str, key: Key) -> Path:
        return self.root / kind / key[:2] / key[2:]


def unreadable(path: Path, error: OSError) -> ExternalError:
    """Returns the error for a cache file that is there and cannot be read."""
    return ExternalError(
        f"cannot read {path}: {error.strerror}", hint=f"make {path} readable, or remove it and build again"
    )


def damaged(path: Path) -> ExternalError:
    """Returns the error for a cache file that was found damaged and removed."""
    return ExternalError(
        f"a file of the local cache was damaged and has been removed: {path}",
        hint="run the same command again; what it held will be made again",
    )


def write_atomically(
    target: Path, data: bytes, scratch: Path, *, mode: int = 0o644, mtime: int | None = None
) -> None:
    """Writes `data` to `target` so that no reader ever sees a part of it."""
    with disk_errors(target.parent):
        descriptor, name = _new_file(str(scratch))
        try:
            with open(descriptor, "wb") as file:
                file.write(data)
                os.fchmod(descriptor, mode)
            try:
                os.replace(name, target)
            except FileNotFoundError:
                target.parent.mkdir(parents=True, exist_ok=True)
                os.replace(name, target)
            if mtime is not None:
                os.utime(target, (time.time(), mtime))
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(name)
            raise


_numbers = itertools.count()


def _new_file(directory: str) -> tuple[int, str]:
    """Returns an open file that was not there, and its path. Cheaper than `tempfile`, which chance names."""
    while True:
        # O_EXCL decides: other machines and containers have processes of the same number.
        name = f"{directory}/new-{os.getpid()}-{next(_numbers)}"
        with contextlib.suppress(FileExistsError):
            return os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), name


def remove_tree(path: Path) -> None:
    """Removes a file or directory tree, read-only parts too."""
    if path.is_dir() and not path.is_symlink():
        path.chmod(0o700)
        for child in list(path.iterdir()):
            remove_tree(child)
        path.rmdir()
    else:
        path.unlink(missing_ok=True)
