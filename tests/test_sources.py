from __future__ import annotations

import contextlib
import os
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lambdabuild.digest import digest_of
from lambdabuild.sources import Kind, SourceError, WorkingTree, stable, walk_directories
from lambdabuild.sources.view import MAX_LINKS
from lambdabuild.tree import FileNode


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path.resolve() / "workspace"
    (root / "lib" / "deep").mkdir(parents=True)
    (root / "lib" / "a.py").write_bytes(b"a")
    (root / "lib" / "deep" / "b.py").write_bytes(b"b")
    (tmp_path / "outside.py").write_bytes(b"outside")
    (tmp_path / "workspace-too").mkdir()
    return root


def refused(tree: WorkingTree, path: str) -> str:
    """Returns the message with which both ways of reading refuse `path`; asks for a hint."""
    messages = set()
    for way in (tree.read, tree.node):
        with pytest.raises(SourceError) as caught:
            way(path)
        assert caught.value.hint
        messages.add(caught.value.message)
    assert len(messages) == 1
    return messages.pop()


# --- reading -----------------------------------------------------------------


def test_a_file_is_its_bytes_and_its_executable_bit(root: Path) -> None:
    tree = WorkingTree(root)
    assert tree.read("lib/a.py") == b"a"
    assert tree.node("lib/a.py") == FileNode(digest_of(b"a"), False)
    assert tree.kind("lib/a.py") is Kind.FILE
    assert tree.place(digest_of(b"a")) == str(root / "lib" / "a.py")
    assert tree.place(digest_of(b"never seen")) is None


@pytest.mark.parametrize(
    ("mode", "executable"), [(0o644, False), (0o755, True), (0o744, True), (0o655, False), (0o400, False)]
)
def test_a_file_is_executable_when_its_owner_may_execute_it(root: Path, mode: int, executable: bool) -> None:
    (root / "lib" / "a.py").chmod(mode)
    assert WorkingTree(root).node("lib/a.py").executable is executable


def test_times_and_other_modes_do_not_matter(root: Path) -> None:
    before = WorkingTree(root).node("lib/a.py")
    (root / "lib" / "a.py").chmod(0o600)
    os.utime(root / "lib" / "a.py", (0, 0))
    assert WorkingTree(root).node("lib/a.py") == before


@given(st.binary(max_size=50), st.integers(0, 3))
def test_any_bytes_are_read_as_they_are(data: bytes, copies: int) -> None:
    data *= 1 << (10 * copies // 2)
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "x").write_bytes(data)
        tree = WorkingTree(Path(name).resolve())
        assert tree.read("x") == data
        assert tree.node("x").digest == digest_of(data)
        assert b"".join(stable.pieces(f"{name}/x")) == data


def test_a_file_of_many_pieces_is_read_whole(root: Path) -> None:
    data = os.urandom(1 << 16) * 40
    (root / "big").write_bytes(data)
    assert WorkingTree(root).node("big").digest == digest_of(data)
    assert [len(piece) for piece in stable.pieces(str(root / "big"))] == [1 << 20, 1 << 20, 1 << 19]


def test_what_was_read_listed_and_followed_is_recorded(root: Path) -> None:
    (root / "link").symlink_to("lib/here")
    (root / "lib" / "here").symlink_to("a.py")
    tree = WorkingTree(root)
    assert (tree.read_digests, tree.listings, tree.links) == ({}, {}, {})
    tree.read("link")
    tree.listing("lib")
    tree.listing("")
    tree.node("lib/deep/b.py")  # a source is recorded by who asks, not as something that was read
    assert tree.read_digests == {"link": digest_of(b"a")}
    assert tree.links == {"link": "lib/here", "lib/here": "a.py"}
    assert tree.listings == {
        "": {"lib": Kind.DIRECTORY, "link": Kind.LINK},
        "lib": {"a.py": Kind.FILE, "deep": Kind.DIRECTORY, "here": Kind.LINK},
    }
    assert [list(listing) for listing in tree.listings.values()] == [
        ["a.py", "deep", "here"],
        ["lib", "link"],
    ]


def test_listings_and_digests_are_taken_once(root: Path) -> None:
    tree = WorkingTree(root)
    listing, node = tree.listing("lib"), tree.node("lib/a.py")
    (root / "lib" / "a.py").write_bytes(b"changed")
    (root / "lib" / "new").touch()
    assert tree.listing("lib") is listing
    assert tree.node("lib/a.py") is node


# --- links -------------------------------------------------------------------

LINKS: list[tuple[str, dict[str, str]]] = [
    ("x", {"x": "y", "y": "z", "z": "lib/a.py"}),
    ("x", {"x": "{root}/lib/a.py"}),
    ("x", {"x": ".//lib/./a.py"}),
    ("x", {"d": "lib/deep", "x": "d/../a.py"}),
    ("lib/deep/x", {"lib/deep/x": "../../lib/deep/../a.py"}),
    ("x/a.py", {"x": "lib"}),
    ("x/a.py", {"x": "y", "y": "{root}/lib/deep/.."}),
    ("x/lib/a.py", {"x": "{root}"}),
]


@pytest.mark.parametrize(("path", "links"), LINKS)
def test_a_link_counts_as_what_it_leads_to(root: Path, path: str, links: dict[str, str]) -> None:
    targets = {name: target.format(root=root) for name, target in links.items()}
    for name, target in targets.items():
        (root / name).symlink_to(target)
    tree = WorkingTree(root)
    assert tree.read(path) == b"a"
    assert tree.node(path) == FileNode(digest_of(b"a"))
    assert tree.kind(path) is Kind.FILE
    assert tree.place(digest_of(b"a")) == str(root / "lib" / "a.py")
    assert tree.links == targets


def test_a_linked_directory_has_the_listing_of_what_it_leads_to(root: Path) -> None:
    (root / "lib" / "deep" / "x").symlink_to("../../y")
    (root / "y").symlink_to("lib")
    tree = WorkingTree(root)
    assert tree.listing("lib/deep/x") == tree.listing("lib")
    (root / "out").symlink_to("..")
    with pytest.raises(SourceError, match="leads out of the workspace"):
        tree.listing("out")


def test_the_executable_bit_is_that_of_the_file_behind_the_link(root: Path) -> None:
    (root / "lib" / "a.py").chmod(0o755)
    (root / "x").symlink_to("lib/a.py")
    assert WorkingTree(root).node("x").executable


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("../outside.py", "x"),
        ("{root}/../outside.py", "x"),
        ("/etc/hostname", "x"),
        ("..", "x/outside.py"),
        ("../../../../../../etc", "x/hostname"),
        ("lib/../../workspace/lib/a.py", "x"),  # comes back, but depends on the name of the checkout
        ("{root}-too", "x/a"),
        ("/", "x/etc/hostname"),
    ],
)
def test_a_link_out_of_the_workspace_is_refused(root: Path, target: str, path: str) -> None:
    (root / "x").symlink_to(target.format(root=root))
    tree = WorkingTree(root)
    assert refused(tree, path).startswith("x leads out of the workspace, to ")
    with pytest.raises(SourceError, match="leads out of the workspace"):
        tree.kind(path)


@pytest.mark.parametrize(
    "links", [{"x": "x"}, {"x": "y", "y": "x"}, {"x": "lib/x", "lib/x": "deep/../../x"}, {"x": "x/x"}]
)
def test_links_in_a_circle_are_refused(root: Path, links: dict[str, str]) -> None:
    for name, target in links.items():
        (root / name).symlink_to(target)
    assert "too many links, or links in a circle" in refused(WorkingTree(root), "x")


def test_as_many_links_are_followed_as_linux_follows(root: Path) -> None:
    (root / "0").symlink_to("lib/a.py")
    for i in range(1, MAX_LINKS + 1):
        (root / str(i)).symlink_to(str(i - 1))
    last = str(MAX_LINKS - 1)
    assert WorkingTree(root).read(last) == (root / last).read_bytes()
    assert "too many links" in refused(WorkingTree(root), str(MAX_LINKS))


def test_links_that_double_at_each_step_end_soon(root: Path) -> None:
    (root / "0").symlink_to("lib")
    for i in range(1, MAX_LINKS):
        (root / str(i)).symlink_to(f"{i - 1}/../{i - 1}")
    assert "too many links" in refused(WorkingTree(root), str(MAX_LINKS - 1))


_names = st.sampled_from(["a", "b", "c", "d"])
_targets = st.lists(st.sampled_from(["a", "b", "c", "d", "..", ".", ""]), min_size=1, max_size=5)


def led_to(root: str, path: str) -> Kind | str | None:
    """Returns where `path` leads, by a stack of what is still to do instead of recursion."""
    here: list[str] = []
    todo, links = path.split("/")[::-1], 0
    while todo:
        part = todo.pop()
        place = "/".join([root, *here, part])
        if part == "..":
            if not here:
                return "out of the workspace"
            here.pop()
        elif part in ("", "."):
            continue
        elif os.path.islink(place):
            links += 1
            if links > MAX_LINKS:
                return "circle"
            target = os.readlink(place)
            if target.startswith("/"):
                if target != root and not target.startswith(root + "/"):
                    return "out of the workspace"
                here, target = [], target[len(root) :]
            todo.extend(target.split("/")[::-1])
        elif not os.path.exists(place):
            return None
        else:
            here.append(part)
    return Kind.DIRECTORY if os.path.isdir("/".join([root, *here])) else Kind.FILE


@given(
    st.lists(st.tuples(_names, _names, st.sampled_from(["file", "directory"])), max_size=4),
    st.lists(st.tuples(_names, st.none() | _names, st.booleans(), _targets), max_size=5),
    st.lists(_names, min_size=1, max_size=3),
)
@example([("a", "b", "file")], [("c", None, False, ["a", "b"])], ["c"])
@example([], [("a", None, False, ["b"]), ("b", None, False, ["a"])], ["a"])
@example([], [("a", None, True, [".."])], ["a"])
def test_links_lead_where_following_them_one_by_one_leads(
    files: list[tuple[str, str, str]],
    links: list[tuple[str, str | None, bool, list[str]]],
    path: list[str],
) -> None:
    with tempfile.TemporaryDirectory() as name:
        root = os.path.realpath(name)
        for above, below, kind in files:
            with contextlib.suppress(OSError):
                os.makedirs(f"{root}/{above}", exist_ok=True)
                os.mkdir(f"{root}/{above}/{below}") if kind == "directory" else open(
                    f"{root}/{above}/{below}", "x"
                ).close()
        for above, inner, absolute, parts in links:
            with contextlib.suppress(OSError):
                at = f"{root}/{above}/{inner}" if inner else f"{root}/{above}"
                target = "/".join(parts)
                os.symlink(
                    f"{root}/{target}" if absolute or not target.strip("/") else target.lstrip("/"), at
                )
        expected = led_to(root, "/".join(path))
        tree = WorkingTree(Path(root))
        if isinstance(expected, str):
            with pytest.raises(SourceError, match=expected):
                tree.kind("/".join(path))
        else:
            assert tree.kind("/".join(path)) is expected


# --- what cannot be read -----------------------------------------------------


def test_what_does_not_exist_is_refused(root: Path) -> None:
    (root / "broken").symlink_to("nowhere")
    tree = WorkingTree(root)
    for path in ("nowhere", "nowhere/a", "lib/nowhere", "lib/a.py/x", "broken", "broken/x"):
        assert refused(tree, path) == f"no such file: {path}"
        assert tree.kind(path) is None
    with pytest.raises(SourceError, match="no such file: nowhere"):
        tree.listing("nowhere")


def test_a_directory_is_no_source(root: Path) -> None:
    (root / "link").symlink_to("lib")
    tree = WorkingTree(root)
    assert refused(tree, "lib/deep") == "lib/deep is a directory, not a file"
    assert refused(tree, "link") == "link is a directory, not a file"
    assert tree.kind("lib") is tree.kind("link") is tree.kind("") is Kind.DIRECTORY


@pytest.mark.parametrize("kind", ["fifo", "socket"])
def test_a_fifo_or_socket_is_no_source_and_nobody_waits_for_it(
    root: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root)  # a socket's path is short
    if kind == "fifo":
        os.mkfifo("odd")
    else:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind("odd")
    (root / "link").symlink_to("odd")
    tree = WorkingTree(root)
    assert refused(tree, "odd") == "odd is a fifo, a device or a socket, not a file"
    assert refused(tree, "link") == "link is a fifo, a device or a socket, not a file"
    assert tree.kind("link") is tree.kind("odd") is tree.listing("")["odd"] is Kind.OTHER


@contextlib.contextmanager
def as_nobody() -> Iterator[None]:
    """Gives up root's power over permissions for a while."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def public() -> Iterator[Path]:
    """A directory that another user can reach, as pytest's own cannot be."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        root = Path(name).resolve()
        (root / "locked").mkdir()
        for path in ("secret", "open", "locked/x"):
            (root / path).write_bytes(b"x")
        (root / "secret").chmod(0)
        (root / "locked").chmod(0)
        yield root
        (root / "locked").chmod(0o755)


def test_what_may_not_be_read_is_refused(public: Path) -> None:
    tree = WorkingTree(public)
    with as_nobody():
        assert tree.read("open") == b"x"
        assert refused(tree, "secret") == "secret cannot be read: permission denied"
        assert refused(tree, "locked/x") == "locked/x cannot be read: permission denied"
        for way in (tree.kind, tree.listing):
            with pytest.raises(SourceError, match="permission denied") as caught:
                way("locked/x" if way == tree.kind else "locked")
            assert (caught.value.hint or "").startswith("chmod")


def test_refusing_leaves_no_descriptor_open(root: Path) -> None:
    os.mkfifo(root / "fifo")
    before = set(os.listdir("/dev/fd"))
    for path in ("fifo", "lib", "nowhere"):
        refused(WorkingTree(root), path)
    piece = stable.pieces(str(root / "lib" / "a.py"))
    next(piece)
    piece.close()  # type: ignore[attr-defined]
    assert set(os.listdir("/dev/fd")) <= before


# --- files that change -------------------------------------------------------


def meddling(monkeypatch: pytest.MonkeyPatch, meddle: Callable[[int], None]) -> list[int]:
    """Calls `meddle` with its number after each read of bytes; returns the growing list of numbers."""
    read, reads = os.read, list[int]()

    def reading(descriptor: int, size: int) -> bytes:
        piece = read(descriptor, size)
        if piece:
            reads.append(len(reads))
            meddle(reads[-1])
        return piece

    monkeypatch.setattr(os, "read", reading)
    return reads


def rewritten(path: Path) -> None:
    path.write_bytes(b"new")


def replaced(path: Path) -> None:
    path.with_suffix(".tmp").write_bytes(b"new")
    path.with_suffix(".tmp").replace(path)


def appended(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"new")


def of_equal_size(path: Path) -> None:
    path.write_bytes(b"n")
    os.utime(path, ns=(1, 1))


CHANGES = [(rewritten, b"new"), (replaced, b"new"), (appended, b"anew"), (of_equal_size, b"n")]


@pytest.mark.parametrize(("change", "expected"), CHANGES)
def test_a_file_that_changes_while_it_is_read_is_read_again(
    root: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[Path], None], expected: bytes
) -> None:
    path = root / "lib" / "a.py"
    meddling(monkeypatch, lambda number: change(path) if number == 0 else None)
    assert WorkingTree(root).node("lib/a.py").digest == digest_of(expected)


def test_a_mode_that_changes_while_the_file_is_read_is_noticed(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = root / "lib" / "a.py"
    meddling(monkeypatch, lambda number: path.chmod(0o755) if number == 0 else None)
    assert WorkingTree(root).node("lib/a.py") == FileNode(digest_of(b"a"), True)


@pytest.mark.parametrize("way", ["read", "node"])
def test_a_file_that_changes_each_time_is_refused(
    root: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    path = root / "lib" / "a.py"
    reads = meddling(monkeypatch, lambda number: os.utime(path, ns=(number, number)))
    with pytest.raises(SourceError, match=r"^lib/a.py changes while it is read$") as caught:
        getattr(WorkingTree(root), way)("lib/a.py")
    assert caught.value.hint == "wait until what writes it is done, and build again"
    assert len(reads) == stable.ATTEMPTS


def test_a_fifo_that_takes_the_place_of_a_file_is_noticed(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = root / "lib" / "a.py"

    def change(number: int) -> None:
        path.unlink()
        os.mkfifo(path)

    meddling(monkeypatch, change)
    with pytest.raises(SourceError, match="fifo"):
        WorkingTree(root).node("lib/a.py")


def test_no_reader_sees_half_of_two_versions(root: Path) -> None:
    path, versions = root / "lib" / "a.py", [bytes([i]) * (1 << 21) for i in range(2)]
    path.write_bytes(versions[0])
    done = threading.Event()

    def write() -> None:
        for i in range(60):
            replaced_by = path.with_suffix(".tmp")
            replaced_by.write_bytes(versions[i % 2])
            replaced_by.replace(path)
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    expected = {digest_of(data) for data in versions}
    while not done.is_set():
        with contextlib.suppress(SourceError):
            assert WorkingTree(root).node("lib/a.py").digest in expected
    writer.join()


# --- walking -----------------------------------------------------------------


def test_walking_enters_what_patterns_enter_parents_first(root: Path) -> None:
    for name in (".git", "node_modules/x", "nested/inner", "zz", "lib/.hidden", "zz/WORKSPACE.toml"):
        (root / name).mkdir(parents=True)
    (root / "nested" / "WORKSPACE.toml").touch()
    (root / "link").symlink_to("lib")
    tree = WorkingTree(root, frozenset({"node_modules"}))
    assert list(walk_directories(tree, "")) == ["", "lib", "lib/deep", "zz", "zz/WORKSPACE.toml"]
    assert list(walk_directories(tree, "lib")) == ["lib", "lib/deep"]
    assert list(walk_directories(tree, "nested")) == ["nested", "nested/inner"]
