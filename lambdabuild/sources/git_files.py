"""The files of a revision of git, below a workspace's root, with the bytes that a checkout has.

The tree is listed once, when the revision is opened; submodules when something
in them is asked for.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol, Self

from lambdabuild.digest import Digest, Hasher
from lambdabuild.sources.git_checkout import FILE_NAME as ATTRIBUTES
from lambdabuild.sources.git_checkout import Checkout
from lambdabuild.sources.git_lfs import FILTER as LFS
from lambdabuild.sources.git_lfs import copy_object, parse_pointer
from lambdabuild.sources.git_modules import find_module, module_names
from lambdabuild.sources.git_objects import Blobs, Sink
from lambdabuild.sources.git_repository import Repository
from lambdabuild.sources.git_revision import Revision, find_revision
from lambdabuild.sources.view import Kind

_LINK, _MODULE, _EXECUTABLE = "120000", "160000", "100755"


class Entry(NamedTuple):
    """A file or link of a commit. mode: as in tree objects, octal. oid: its blob's name."""

    mode: str
    oid: str

    @property
    def executable(self) -> bool:
        return self.mode == _EXECUTABLE


class Commit:
    """One commit of one repository, mounted somewhere in the workspace.

    mount:   "" or the workspace-relative path of a submodule, with "/" at its end.
    entries: files, links and submodules below the workspace's root, by workspace-relative path.
    """

    def __init__(
        self, repository: Repository, commit: str, *, name: str, prefix: str = "", mount: str = ""
    ) -> None:
        self.repository = repository
        self.mount = mount
        self._commit = commit
        self._name = name
        self._prefix = prefix
        self._checkout: Checkout | None = None
        self._blobs = Blobs(repository, self._checkout_place)
        listed = _list(repository, commit, f"the tree of {self._shown(mount)}")
        self.entries = {
            mount + path.removeprefix(prefix): entry
            for path, entry in listed.items()
            if path.startswith(prefix)
        }
        attributes = {
            path: entry.oid
            for path, entry in listed.items()
            if path.rpartition("/")[2] == ATTRIBUTES and entry.mode not in (_LINK, _MODULE)
        }
        files = [path for path, entry in self.entries.items() if _kind(entry) is Kind.FILE]
        try:
            self._checkout = Checkout(
                repository, sorted(attributes), lambda path: self._stored(path, attributes[path])
            )
            self._converted = self._checkout.converted(list(map(self._inner, files)))
        except BaseException:
            self.close()
            raise

    def copy(self, path: str, sink: Sink) -> None:
        """Gives the bytes that a checkout has at `path` to `sink`; raises ExternalError if it cannot."""
        entry, inner = self.entries[path], self._inner(path)
        what = self._shown(path)
        if inner not in self._converted:
            self._blobs.copy(entry.oid, sink, what=what)
            return
        if self._converted[inner] == LFS:
            pointer = parse_pointer(self._stored(path, entry.oid))
            if pointer:
                copy_object(self.repository, pointer, self._commit if self.mount else self._name, what, sink)
                return
        sink(self._blobs.converted(entry.oid, inner, what=what))

    def converts(self, path: str) -> bool:
        """Tells whether a checkout may have other bytes at `path` than the blob."""
        return self._inner(path) in self._converted

    def hash_stored(self, oids: Sequence[str]) -> Mapping[str, Digest]:
        """Returns the digests of blobs as they are stored; raises ExternalError for one that is not here."""
        hashers = {oid: Hasher() for oid in oids}
        self._blobs.copy_all(list(hashers), lambda oid: hashers[oid].update, what=f"a file of {self._name}")
        return {oid: hasher.digest() for oid, hasher in hashers.items()}

    def link(self, path: str) -> str:
        """Returns the target of the link at `path`."""
        return os.fsdecode(self._stored(path, self.entries[path].oid))

    def module(self, path: str) -> Commit:
        """Returns the submodule at `path`; raises ExternalError if it is not here."""
        inner, commit = self._inner(path), self.entries[path].oid
        names = module_names(self.repository, self._commit)
        repository = find_module(self.repository, inner, path, names.get(inner), commit)
        return Commit(repository, commit, name=self._name, mount=f"{path}/")

    def close(self) -> None:
        self._blobs.close()
        if self._checkout:
            self._checkout.close()

    def _stored(self, path: str, oid: str) -> bytes:
        data: list[bytes] = []
        self._blobs.copy(oid, data.append, what=self._shown(path))
        return b"".join(data)

    def _checkout_place(self) -> tuple[str, Mapping[str, str]]:
        assert self._checkout
        return self._checkout.directory, self._checkout.env

    def _inner(self, path: str) -> str:
        return self._prefix + path.removeprefix(self.mount)

    def _shown(self, path: str) -> str:
        return f"{self._name}:{path.rstrip('/')}".rstrip(":")


class BlobDigests(Protocol):
    """Digests of blobs, as they are stored, that need not be read again."""

    def known(self, oids: Iterable[str]) -> Mapping[str, Digest]:
        """Returns the digests of those of some blobs that are known."""

    def keep(self, news: Mapping[str, Digest]) -> None:
        """Keeps those that were not."""


class RevisionFiles:
    """The files of a revision below a workspace's root. Closing it ends git's processes.

    blobs: what is known of blobs without reading them.
    """

    def __init__(self, revision: Revision, blobs: BlobDigests | None = None) -> None:
        self.revision = revision
        self._blobs = blobs
        top = Commit(revision.repository, revision.commit, name=revision.name, prefix=revision.prefix)
        self._commits = [top]
        self._owners: dict[str, Commit] = {}
        self._directories: dict[str, dict[str, Kind]] = {"": {}}
        self._modules: dict[str, Commit] = {}
        self._digests: dict[str, Digest] = {}
        self._mount(top)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for commit in self._commits:
            commit.close()

    def kind(self, path: str) -> Kind | None:
        """Returns what is at `path`, links not followed, or None; raises ExternalError."""
        self._enter_modules(path.rpartition("/")[0])
        if path in self._directories or path in self._modules:
            return Kind.DIRECTORY
        owner = self._owners.get(path)
        return _kind(owner.entries[path]) if owner else None

    def children(self, directory: str) -> Mapping[str, Kind] | None:
        """Returns what is in `directory`, or None where there is no directory; raises ExternalError."""
        self._enter_modules(directory)
        return self._directories.get(directory)

    def link(self, path: str) -> str:
        """Returns the target of the link at `path`."""
        return self._owners[path].link(path)

    def executable(self, path: str) -> bool:
        return self._owners[path].entries[path].executable

    def read(self, path: str) -> bytes:
        """Returns the bytes of the file at `path`; raises ExternalError if they are not here."""
        data: list[bytes] = []
        self._owners[path].copy(path, data.append)
        return b"".join(data)

    def digest(self, path: str) -> Digest:
        """Returns the digest of the file at `path`; raises ExternalError if its bytes are not here."""
        owner = self._owners[path]
        oid = owner.entries[path].oid
        found = None if owner.converts(path) else self._digests.get(oid)
        if found is None:
            hasher = Hasher()
            owner.copy(path, hasher.update)
            found = hasher.digest()
            if not owner.converts(path):
                self._digests[oid] = found
        return found

    def hash(self, paths: Sequence[str]) -> None:
        """Learns the digests of files that will be asked for, all at once; leaves out what is no file."""
        wanted: dict[Commit, dict[str, None]] = {}
        for path in paths:
            owner = self._owners.get(path)
            if owner and _kind(owner.entries[path]) is Kind.FILE and not owner.converts(path):
                wanted.setdefault(owner, {})[owner.entries[path].oid] = None
        for owner, oids in wanted.items():
            if self._blobs:
                self._digests.update(self._blobs.known(oids.keys() - self._digests.keys()))
            news = owner.hash_stored([oid for oid in oids if oid not in self._digests])
            self._digests.update(news)
            if self._blobs:
                self._blobs.keep(news)

    def _mount(self, commit: Commit) -> None:
        """Adds the entries of a commit to the directories."""
        self._directories.setdefault(commit.mount.rstrip("/"), {})
        for path, entry in commit.entries.items():
            parent, _, name = path.rpartition("/")
            self._directory(parent)[name] = _kind(entry)
            if entry.mode == _MODULE:
                self._modules[path] = commit
            else:
                self._owners[path] = commit

    def _directory(self, path: str) -> dict[str, Kind]:
        found = self._directories.get(path)
        if found is None:
            found = self._directories[path] = {}
            parent, _, name = path.rpartition("/")
            self._directory(parent)[name] = Kind.DIRECTORY
        return found

    def _enter_modules(self, directory: str) -> None:
        """Adds the submodules that `directory` is or lies in."""
        if not self._modules:
            return
        parts = directory.split("/")
        for count in range(1, len(parts) + 1):
            path = "/".join(parts[:count])
            owner = self._modules.get(path)
            if owner:
                module = owner.module(path)
                del self._modules[path]
                self._commits.append(module)
                self._mount(module)


def open_revision(
    root: Path, name: str, env: Mapping[str, str], blobs: BlobDigests | None = None
) -> RevisionFiles:
    """Returns the files of a revision of the repository in which the workspace at `root` lies.

    env:   the environment for git.
    blobs: that of RevisionFiles.

    Raises UserError for a revision that does not exist, ExternalError for one that is not here.
    """
    return RevisionFiles(find_revision(root, name, env), blobs)


def _kind(entry: Entry) -> Kind:
    if entry.mode == _LINK:
        return Kind.LINK
    return Kind.DIRECTORY if entry.mode == _MODULE else Kind.FILE


def _list(repository: Repository, commit: str, what: str) -> dict[str, Entry]:
    """Returns what is in the tree of a commit, by path in the repository."""
    ran = repository.run("ls-tree", "-r", "-z", "--full-tree", commit)
    if ran.code != 0:
        raise repository.lacks(what, ran.said)
    found = {}
    for record in os.fsdecode(ran.out).split("\0")[:-1]:
        head, _, path = record.partition("\t")
        mode, _, oid = head.split(" ")
        found[path] = Entry(mode, oid)
    return found
