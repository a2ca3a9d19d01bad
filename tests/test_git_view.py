"""A revision of git, seen through its objects, is what a checkout of it shows."""

from __future__ import annotations

import hashlib
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lambdabuild.digest import digest_of
from lambdabuild.errors import ExternalError, UserError
from lambdabuild.sources import Kind, SourceError, View, WorkingTree
from lambdabuild.sources.git_files import RevisionFiles, open_revision
from lambdabuild.sources.git_lfs import MAX_POINTER, parse_pointer
from lambdabuild.sources.git_objects import Blobs
from lambdabuild.sources.git_revision import find_revision
from lambdabuild.sources.git_tree import GitTree
from lambdabuild.starlark import isolated
from lambdabuild.tree import FileNode
from tests.affected.repository import Repository

UPPER = {'filter "upper".smudge': "tr a-z A-Z", 'filter "upper".clean': "tr A-Z a-z"}


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path.resolve())


@pytest.fixture
def opened(repository: Repository) -> Iterator[Callable[..., GitTree]]:
    """Opens revisions, and closes them at the end."""
    files: list[RevisionFiles] = []

    def open_(revision: str = "HEAD", root: Path | None = None) -> GitTree:
        files.append(open_revision(root or repository.root, revision, repository.env))
        return GitTree(files[-1], root or repository.root)

    yield open_
    for each in files:
        each.__exit__()


# --- what a checkout shows ---------------------------------------------------


NAMES = st.sampled_from(["a", "b.txt", "c.py", " d", "é x", "e\nf", ".hidden", ".gitattributes", "g\udcff"])
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
CONTENTS = st.one_of(
    st.binary(max_size=20),
    st.sampled_from(
        [
            b"a\nb\n",
            b"a\r\nb\nc\r\n",
            b"$Id$\n",
            b"$Id: x $\r\n",
            b"\0\r\n\n",
            "ü\n".encode(),
            b"z\n" * 70_000,
        ]
    ),
    st.sampled_from(
        [
            b"* text=auto\n",
            b"* text eol=crlf\n",
            b"*.txt ident -text\n*.py text eol=lf\n",
            b"* filter=upper\n",
            b"b.txt working-tree-encoding=UTF-16LE text\n",
            b"[attr]odd text eol=crlf\n*.py odd\n",
            b"* binary\n* crlf\n",
        ]
    ),
)
LINKS = st.sampled_from(
    ["a", "../a", "../../a", ".", "..", "b.txt/../c.py", "nowhere", "/nowhere", "é x/a"]
).map(lambda target: ("link", target))
FILES = st.tuples(st.sampled_from([0o644, 0o755]), CONTENTS)


def lay_out(root: Path, entries: Mapping[str, tuple[int | str, bytes | str]]) -> None:
    for path, (mode, content) in entries.items():
        target = root / path
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, str):
                target.symlink_to(content)
            else:
                target.write_bytes(content)
                target.chmod(int(mode))
        except OSError:  # a file where another entry wants a directory, or the other way round
            continue


@settings(max_examples=max(settings().max_examples // 2, 10))
@given(
    st.dictionaries(PATHS, st.one_of(FILES, FILES, LINKS), max_size=8),
    st.sampled_from([UPPER, UPPER | {"core.autocrlf": "true"}, UPPER | {"core.eol": "crlf"}]),
    st.sampled_from(["", "in/side"]),
)
@example({" d": (0o644, b"a\n"), ".gitattributes": (0o644, b"* text eol=crlf\n")}, {}, "")
@example({"e\nf": (0o755, b"a\n"), ".gitattributes": (0o644, b"* text eol=crlf\n")}, {}, "in")
@example({"a/b": ("link", "../../a"), "a/c": (0o644, b"")}, {}, "in")
def test_a_revision_looks_like_its_checkout(
    entries: dict[str, tuple[int | str, bytes | str]], configured: dict[str, str], inside: str
) -> None:
    with tempfile.TemporaryDirectory() as name:
        repository = Repository(Path(name).resolve(), inside=inside, settings=configured)
        lay_out(repository.root, entries)
        repository.write({"always": ""})
        commit = repository.commit()
        place = repository.checkout(commit)
        with open_revision(repository.root, commit, repository.env) as files:
            seen = GitTree(files, repository.root)
            # The links' targets are as seen from where the workspace is, which none of these needs.
            assert list(everything(seen)) == list(everything(WorkingTree(place)))
            files.hash(sorted(entries))
            again = GitTree(files, repository.root)
            assert list(everything(again)) == list(everything(seen))


def everything(view: View, directory: str = "") -> Iterator[object]:
    """Yields all that a view tells of what is below a directory."""
    yield directory, dict(view.listing(directory))
    for name, kind in view.listing(directory).items():
        path = f"{directory}/{name}" if directory else name
        yield path, view.enters(name), *(answer(ask, path) for ask in (view.kind, view.read, view.node))
        yield answer(view.kind, f"{path}/below")
        if kind is Kind.LINK:
            yield view.leads_to_file(path), answer(view.listing, path)
        if kind is Kind.DIRECTORY:
            yield from everything(view, path)


def answer(ask: Callable[[str], object], path: str) -> object:
    try:
        return ask(path)
    except UserError as error:
        return error.message, error.hint


def test_a_link_through_the_root_counts_as_seen_from_the_workspace(
    repository: Repository, opened: Callable[..., GitTree]
) -> None:
    repository.write({"a": "a"})
    (repository.root / "link").symlink_to(repository.root / "a")
    repository.commit()
    assert opened().read("link") == b"a"


def test_what_lies_on_disk_or_in_the_index_is_not_looked_at(
    repository: Repository, opened: Callable[..., GitTree]
) -> None:
    repository.write({"a.txt": "1\n"})
    repository.commit()
    repository.write({"a.txt": "2\n", "b.txt": "", ".gitattributes": "* text eol=crlf\n"})
    repository.git("add", ".gitattributes")
    tree = opened()
    assert tree.read("a.txt") == b"1\n"
    assert dict(tree.listing("")) == {"a.txt": Kind.FILE}
    assert tree.place(digest_of(b"1\n")) is None


def test_variables_that_git_hooks_set_do_not_lead_astray(
    repository: Repository, tmp_path: Path, opened: Callable[..., GitTree]
) -> None:
    repository.write({"a": "1"})
    repository.commit()
    names = (
        "GIT_DIR",
        "GIT_WORK_TREE",
        "GIT_INDEX_FILE",
        "GIT_OBJECT_DIRECTORY",
        "GIT_PREFIX",
        "GIT_NAMESPACE",
    )
    repository.env.update(dict.fromkeys(names, str(tmp_path / "elsewhere")))
    assert opened().read("a") == b"1"


def test_a_linked_working_tree_is_as_good_as_the_first(
    repository: Repository, tmp_path: Path, opened: Callable[..., GitTree]
) -> None:
    repository.write({"a": "1"})
    commit = repository.commit()
    repository.git("worktree", "add", "-q", "--detach", str(tmp_path / "linked"))
    repository.write({"a": "2"})
    repository.commit()
    assert opened("main", tmp_path / "linked").read("a") == b"2"
    assert opened("HEAD", tmp_path / "linked").read("a") == opened(commit).read("a") == b"1"


def test_a_view_works_in_a_forked_process_and_after_it(
    repository: Repository, opened: Callable[..., GitTree]
) -> None:
    repository.write(
        {f"f{number}": str(number) for number in range(50)} | {".gitattributes": "f1 eol=crlf\n"}
    )
    repository.commit()
    tree = opened()

    def read() -> list[bytes]:
        return [tree.read(f"f{number}") for number in range(50)]

    before = read()
    assert isolated(lambda beat, emit: read()) == before == read()


def test_an_evaluation_that_is_cut_short_leaves_nothing_behind_for_its_parent(repository: Repository) -> None:
    repository.write({"big": b"b" * 10_000_000, "small": "s"})
    repository.commit()
    big, small = repository.git("rev-parse", "HEAD:big"), repository.git("rev-parse", "HEAD:small")
    found = find_revision(repository.root, "HEAD", repository.env).repository
    blobs = Blobs(found, lambda: (str(repository.root), {}))

    def stop(piece: bytes) -> None:
        raise UserError("stopped")

    def read() -> list[bytes]:
        pieces: list[bytes] = []
        blobs.copy(small, pieces.append, what="small")
        return pieces

    assert read() == [b"s"]
    with pytest.raises(UserError, match="stopped"):
        isolated(lambda beat, emit: blobs.copy(big, stop, what="big"))
    assert read() == [b"s"]
    blobs.close()


def test_one_blob_may_be_two_files(repository: Repository, opened: Callable[..., GitTree]) -> None:
    repository.write(
        {"a.py": "1\n", "b.txt": "1\n", "c.py": "1\n", ".gitattributes": "*.txt text eol=crlf\n"}
    )
    repository.commit()
    tree = opened()
    with tree.hashing(["a.py", "b.txt", "c.py"]):
        assert tree.node("a.py") == tree.node("c.py") == FileNode(digest_of(b"1\n"), False)
        assert tree.node("b.txt") == FileNode(digest_of(b"1\r\n"), False)


def test_a_path_that_git_would_not_write_is_not_written(
    repository: Repository, tmp_path: Path, opened: Callable[..., GitTree], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    blob = repository.git("hash-object", "-w", "--stdin", env={})
    entry = f"100644 blob {blob}\t.gitattributes\0".encode()
    run = {"cwd": repository.top, "env": repository.env, "capture_output": True, "check": True}
    tree = subprocess.run(["git", "mktree", "-z"], input=entry, **run).stdout.decode().strip()  # type: ignore[call-overload]
    for _ in range(2):
        raw = b"40000 ..\0" + bytes.fromhex(tree)
        command = ["git", "hash-object", "-t", "tree", "-w", "--literally", "--stdin"]
        tree = subprocess.run(command, input=raw, **run).stdout.decode().strip()  # type: ignore[call-overload]
    commit = repository.git("commit-tree", tree, "-m", "x")
    with pytest.raises(ExternalError, match="cannot tell attributes"):
        opened(commit)
    assert list(tmp_path.glob("**/.gitattributes")) == []


# --- bytes that are not here -------------------------------------------------


def test_partial_clones_say_what_to_fetch_and_fetch_nothing(repository: Repository, tmp_path: Path) -> None:
    repository.write({"a": "1"})
    repository.commit()
    repository.write({"a": "2"})
    repository.commit()
    repository.git("config", "uploadpack.allowFilter", "true")
    for kind in ("blob:none", "tree:0"):
        place = tmp_path / kind.replace(":", "-")
        repository.git("clone", "-q", f"--filter={kind}", repository.top.as_uri(), str(place))
        with pytest.raises(ExternalError) as caught, open_revision(place, "HEAD~1", repository.env) as files:
            GitTree(files, place).read("a")
        assert "HEAD~1" in caught.value.message
        assert caught.value.hint == "git fetch --refetch --no-filter origin"
        repository.git(*caught.value.hint.split()[1:], cwd=place)
        with open_revision(place, "HEAD~1", repository.env) as files:
            assert GitTree(files, place).read("a") == b"1"


def pointer(data: bytes) -> bytes:
    digest = hashlib.sha256(data).hexdigest()
    return b"version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize %d\n" % (
        digest.encode(),
        len(data),
    )


def lfs_place(repository: Repository, data: bytes) -> Path:
    name = hashlib.sha256(data).hexdigest()
    return repository.top / f".git/lfs/objects/{name[:2]}/{name[2:4]}/{name}"


def test_files_in_lfs_are_those_that_pointers_stand_for(
    repository: Repository, opened: Callable[..., GitTree]
) -> None:
    data = b"large" * 1000
    files: dict[str, str | bytes] = {
        ".gitattributes": "*.bin filter=lfs diff=lfs merge=lfs -text\n",
        "b.bin": "no pointer",
        "c": pointer(data),
    }
    repository.write({**files, "a.bin": pointer(data)})
    repository.commit()
    with pytest.raises(ExternalError) as caught:
        opened().read("a.bin")
    assert caught.value.hint == "git lfs fetch origin HEAD"
    place = lfs_place(repository, data)
    place.parent.mkdir(parents=True)
    place.write_bytes(data)
    assert opened().read("a.bin") == data
    assert opened().node("a.bin") == FileNode(digest_of(data), False)
    assert opened().read("b.bin") == b"no pointer"
    assert opened().read("c") == pointer(data)
    place.write_bytes(data[:-1] + b"!")
    with pytest.raises(ExternalError, match="damaged"):
        opened().node("a.bin")


@given(st.binary(max_size=MAX_POINTER + 10))
@example(pointer(b""))
@example(pointer(b"").replace(b"\n", b"\r\n"))
@example(pointer(b"") + b"x")
def test_pointers_are_recognised_and_nothing_else_is(data: bytes) -> None:
    found = parse_pointer(data)
    if found:
        assert found.sha256.encode() in data
        assert len(found.sha256) == 64


@pytest.fixture
def module(repository: Repository, tmp_path: Path) -> Path:
    """A repository that is a submodule of `repository` at lib/module."""
    place = tmp_path / "module"
    repository.git("init", "-q", str(place))
    (place / "a.txt").write_text("1\n")
    (place / ".gitattributes").write_text("*.txt text eol=crlf\n")
    repository.git("add", "-A", cwd=place)
    repository.git("commit", "-qm", "x", cwd=place)
    repository.git("submodule", "--quiet", "add", str(place), "lib/module")
    repository.commit()
    return place


def test_a_submodule_shows_the_files_of_its_commit(
    repository: Repository, module: Path, opened: Callable[..., GitTree]
) -> None:
    (module / "a.txt").write_text("2\n")
    repository.git("commit", "-qam", "y", cwd=module)
    repository.git("submodule", "--quiet", "update", "--remote")
    repository.commit()
    for revision, data in (("HEAD~1", b"1\r\n"), ("HEAD", b"2\r\n")):
        tree = opened(revision)
        assert tree.listing("lib") == {"module": Kind.DIRECTORY}
        assert tree.kind("lib/module") is Kind.DIRECTORY
        assert tree.listing("lib/module") == {".gitattributes": Kind.FILE, "a.txt": Kind.FILE}
        assert tree.read("lib/module/a.txt") == data
        assert tree.kind("lib/module/b") is None


def test_a_submodule_that_is_gone_from_the_working_tree_is_still_there(
    repository: Repository, module: Path, opened: Callable[..., GitTree]
) -> None:
    repository.git("rm", "-q", "lib/module")
    repository.commit()
    assert opened("HEAD~1").read("lib/module/a.txt") == b"1\r\n"
    with pytest.raises(SourceError):
        opened("HEAD").read("lib/module/a.txt")


def test_a_submodule_that_is_not_here_says_how_to_get_it(
    repository: Repository, module: Path, tmp_path: Path
) -> None:
    place = tmp_path / "clone"
    repository.git("clone", "-q", str(repository.top), str(place))
    with open_revision(place, "HEAD", repository.env) as files:
        tree = GitTree(files, place)
        assert tree.kind("lib/module") is Kind.DIRECTORY
        for ask in (tree.listing, tree.kind, tree.read, tree.node):
            with pytest.raises(ExternalError) as caught:
                ask("lib/module" if ask == tree.listing else "lib/module/a.txt")
            assert caught.value.hint == "git submodule update --init lib/module"
    repository.git("submodule", "--quiet", "update", "--init", "lib/module", cwd=place)
    with open_revision(place, "HEAD", repository.env) as files:
        assert GitTree(files, place).read("lib/module/a.txt") == b"1\r\n"


def test_a_submodule_that_lacks_the_commit_says_how_to_get_it(
    repository: Repository, module: Path, opened: Callable[..., GitTree]
) -> None:
    (module / "a.txt").write_text("2\n")
    repository.git("commit", "-qam", "y", cwd=module)
    commit = repository.git("rev-parse", "HEAD", cwd=module)
    repository.git("update-index", "--cacheinfo", f"160000,{commit},lib/module")
    repository.git("commit", "-qm", "z")
    with pytest.raises(ExternalError) as caught:
        opened().read("lib/module/a.txt")
    assert caught.value.hint == f"git -C lib/module fetch origin {commit}"
    repository.git(*caught.value.hint.split()[1:])
    assert opened().read("lib/module/a.txt") == b"2\r\n"


def test_a_filter_that_fails_is_said_with_what_git_says(tmp_path: Path) -> None:
    broken = {'filter "odd".smudge': "false", 'filter "odd".clean': "cat", 'filter "odd".required': "true"}
    repository = Repository(tmp_path.resolve(), settings=broken)
    repository.write({".gitattributes": "a filter=odd\n", "a": "a"})
    repository.commit()
    with (
        pytest.raises(ExternalError, match="cannot convert HEAD:a") as caught,
        open_revision(repository.root, "HEAD", repository.env) as files,
    ):
        GitTree(files, repository.root).node("a")
    assert "odd" in "".join(caught.value.details)


def test_damaged_objects_are_no_bug(repository: Repository, opened: Callable[..., GitTree]) -> None:
    repository.write({"a": "1" * 100})
    repository.commit()
    tree = opened()
    name = repository.git("rev-parse", "HEAD:a")
    os.unlink(repository.top / f".git/objects/{name[:2]}/{name[2:]}")
    with pytest.raises(ExternalError) as caught:
        tree.read("a")
    assert caught.value.hint == "git fsck"
    with pytest.raises(ExternalError), tree.hashing(["a"]):
        pass
