from __future__ import annotations

import contextlib
import os
import socket
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lambdabuild.errors import UserError
from lambdabuild.sources import SourceError, WorkingTree, glob

from .strategies import file_trees, glob_patterns

IGNORE = frozenset({"node_modules", "out"})
MARKERS = {"BUILD", "BUILD.lambda", "WORKSPACE.toml"}


@contextlib.contextmanager
def tree_of(paths: Iterable[str]) -> Iterator[WorkingTree]:
    with tempfile.TemporaryDirectory() as name:
        root = Path(name).resolve()
        plant(root, *paths)
        yield WorkingTree(root, IGNORE)


def plant(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()


def globbed(root: Path, *include: str, exclude: Sequence[str] = (), package: str = "") -> tuple[str, ...]:
    return glob(WorkingTree(root, IGNORE), package, include, exclude)


# --- an independent oracle ---------------------------------------------------


def matches_part(part: str, pattern: str) -> bool:
    """Tells whether `pattern` matches; row[j] says whether its beginning matches part[:j]."""
    row = [True, *[False] * len(part)]
    for char in pattern:
        if char == "*":
            row = [any(row[: j + 1]) for j in range(len(row))]
        else:
            row = [False, *(row[j] and char in ("?", part[j]) for j in range(len(part)))]
    return row[-1]


def matches(path: Sequence[str], pattern: Sequence[str]) -> bool:
    if not pattern or not path:
        return not pattern and not path
    if pattern[0] != "**":
        return matches_part(path[0], pattern[0]) and matches(path[1:], pattern[1:])
    if len(pattern) == 1:
        return True
    return matches(path, pattern[1:]) or matches(path[1:], pattern)


def oracle(paths: Iterable[str], include: Sequence[str], exclude: Sequence[str]) -> tuple[str, ...]:
    """Returns what a glob over a package with the regular files `paths` must give."""
    files = list(paths)
    other_packages = {path.rpartition("/")[0] + "/" for path in files if path.rpartition("/")[2] in MARKERS}
    found = []
    for path in files:
        *above, _ = parts = path.split("/")
        if any(name.startswith(".") or name in IGNORE for name in above) or path in MARKERS:
            continue
        if any("/" + path.startswith(other) * path == "/" + path for other in other_packages - {"/"}):
            continue
        wanted, unwanted = ([p.split("/") for p in patterns] for patterns in (include, exclude))
        if any(matches(parts, p) for p in wanted) and not any(matches(parts, p) for p in unwanted):
            found.append(path)
    return tuple(sorted(found))


@given(
    file_trees,
    st.lists(glob_patterns, min_size=1, max_size=3),
    st.lists(glob_patterns, max_size=2),
    st.booleans(),
)
@example(["a/b/c.py", "c.py", "a/c.py"], ["**/c.py"], [], False)
@example(["a/b/c.py", "c.py", "a/c.py"], ["a/**"], ["a/*"], False)
@example(["a/b/c.py", "a/c.py", "b/c.py"], ["a/**/c.py"], [], True)
@example(["a/b/a/b/c", "a/b/c"], ["**/a/**/b/**"], [], True)
@example(
    ["a/BUILD", "a/x", "b/BUILD.lambda", "b/x", "c/WORKSPACE.toml", "c/x", "BUILD", "x"], ["**"], [], False
)
@example([".git/x", "a/.b/x", "node_modules/x", "a/out/x", ".env", "a/.env"], ["**"], [], False)
@example(["BUILD/a", "x/BUILD/b"], ["**"], [], False)
def test_a_glob_gives_what_matching_every_file_gives(
    paths: list[str], include: list[str], exclude: list[str], nested: bool
) -> None:
    package = "some/package" if nested else ""
    with tree_of(f"{package}/{path}" if nested else path for path in [*paths, "BUILD"]) as tree:
        assert glob(tree, package, include, exclude) == oracle(paths, include, exclude)


@given(file_trees, glob_patterns, glob_patterns)
def test_globs_distribute_over_union_and_difference(paths: list[str], one: str, other: str) -> None:
    with tree_of(paths) as tree:
        a, b = set(glob(tree, "", [one])), set(glob(tree, "", [other]))
        assert set(glob(tree, "", [one, other])) == a | b
        assert set(glob(tree, "", [one], [other])) == a - b


# --- examples ----------------------------------------------------------------


@pytest.fixture
def root(tmp_path: Path) -> Path:
    plant(
        tmp_path, "BUILD", "a.py", "b.txt", "src/BUILD.py", "src/a.py", "src/deep/er/a.py", "src/deep/b.txt"
    )
    return tmp_path.resolve()


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("*.py", ["a.py"]),
        ("**/*.py", ["a.py", "src/BUILD.py", "src/a.py", "src/deep/er/a.py"]),
        ("src/**/a.py", ["src/a.py", "src/deep/er/a.py"]),
        ("src/**", ["src/BUILD.py", "src/a.py", "src/deep/b.txt", "src/deep/er/a.py"]),
        ("**/deep/**", ["src/deep/b.txt", "src/deep/er/a.py"]),
        ("*/*/*", ["src/deep/b.txt"]),
        ("?.txt", ["b.txt"]),
        ("[ab].py", []),
        ("A.PY", []),
        ("src", []),
        ("BUILD", []),
        ("**", ["a.py", "b.txt", "src/BUILD.py", "src/a.py", "src/deep/b.txt", "src/deep/er/a.py"]),
    ],
)
def test_patterns_mean_what_the_manual_says(root: Path, pattern: str, found: list[str]) -> None:
    assert globbed(root, pattern) == tuple(found)


@pytest.mark.parametrize("marker", ["BUILD", "BUILD.lambda", "WORKSPACE.toml"])
def test_a_glob_stays_in_its_package(root: Path, marker: str) -> None:
    plant(root, f"src/deep/{marker}")
    assert globbed(root, "**") == ("a.py", "b.txt", "src/BUILD.py", "src/a.py")
    assert globbed(root, "src/deep/*", "src/deep/er/*") == ()


@pytest.mark.parametrize("marker", ["BUILD", "BUILD.lambda", "WORKSPACE.toml"])
def test_a_directory_called_like_a_build_file_makes_no_package(root: Path, marker: str) -> None:
    plant(root, f"src/deep/{marker}/x")
    assert set(globbed(root, "src/deep/**")) == {"src/deep/b.txt", "src/deep/er/a.py", f"src/deep/{marker}/x"}


def test_a_link_to_a_build_file_makes_a_package(root: Path) -> None:
    (root / "src" / "deep" / "BUILD").symlink_to("b.txt")
    assert globbed(root, "src/deep/**") == ()


def test_a_package_does_not_get_its_own_build_files(root: Path) -> None:
    plant(root, "BUILD.lambda", "WORKSPACE.toml")
    assert globbed(root, "*", "BUILD*", "WORKSPACE.toml") == ("a.py", "b.txt")


def test_ignored_directories_are_not_entered_even_by_name(root: Path) -> None:
    plant(root, "node_modules/x.js", ".venv/x.py", "src/out/x")
    assert globbed(root, "node_modules/*", ".venv/*", "src/out/x") == ()


def test_a_file_may_have_the_name_of_an_ignored_directory_or_begin_with_a_dot(root: Path) -> None:
    plant(root, "src/out", "src/.env")
    assert globbed(root, "src/o*", "src/.*") == ("src/.env", "src/out")


@pytest.mark.parametrize(
    "pattern",
    ["", "/", "/a", "a/", "a//b", ".", "./a", "..", "../a", "a/../b", "**/..", "a**", "**.py", "a/**b/c"],
)
@pytest.mark.parametrize("excluded", [False, True])
def test_a_malformed_pattern_is_refused(root: Path, pattern: str, excluded: bool) -> None:
    with pytest.raises(UserError, match="glob pattern") as caught:
        globbed(root, *([] if excluded else [pattern]), exclude=[pattern] if excluded else [])
    assert caught.value.hint


def test_an_unknown_directory_gives_nothing_and_a_missing_package_is_an_error(root: Path) -> None:
    assert globbed(root, "nowhere/**") == ()
    with pytest.raises(SourceError, match="no such file: nowhere"):
        globbed(root, "**", package="nowhere")


# --- links and other kinds ---------------------------------------------------


@pytest.mark.parametrize("target", ["b.txt", "src/../b.txt", "{root}/b.txt", "src/link2"])
def test_a_link_to_a_file_counts_as_a_file(root: Path, target: str) -> None:
    (root / "src" / "link2").symlink_to("../b.txt")
    (root / "link.py").symlink_to(target.format(root=root))
    assert globbed(root, "*.py") == ("a.py", "link.py")
    assert "src/link2" in globbed(root, "**")


def test_a_link_to_a_file_counts_whatever_its_name(root: Path) -> None:
    (root / ".env").symlink_to("b.txt")
    (root / "out").symlink_to("b.txt")
    assert globbed(root, ".e*", "o*", "**/.env") == (".env", "out")


@pytest.mark.parametrize("pattern", ["**", "**/*.py", "link/*", "*/a.py", "l*/**"])
def test_a_link_to_a_directory_on_the_way_is_refused(root: Path, pattern: str) -> None:
    (root / "link").symlink_to("src")
    with pytest.raises(
        SourceError, match="link is a link to a directory, which a glob does not follow"
    ) as caught:
        globbed(root, pattern)
    assert caught.value.hint == 'name the files behind it, or leave it out with exclude = ["link/**"]'


@pytest.mark.parametrize("exclude", ["link/**", "link", "l*/**", "**/link/**", "**/*", "**", "link/**/*"])
def test_an_excluded_link_to_a_directory_is_passed_by(root: Path, exclude: str) -> None:
    (root / "link").symlink_to("src")
    assert not any("link" in path for path in globbed(root, "**", exclude=[exclude]))


@pytest.mark.parametrize("exclude", ["link/x", "link/*", "**/x", "*/?", "**/*x", "link/*.py", "lin/**"])
def test_a_link_to_a_directory_is_not_excluded_by_what_leaves_out_some_of_its_files(
    root: Path, exclude: str
) -> None:
    (root / "link").symlink_to("src")
    with pytest.raises(SourceError, match="link to a directory"):
        globbed(root, "**", exclude=[exclude])


def test_a_link_to_a_directory_does_not_matter_where_no_pattern_enters_it(root: Path) -> None:
    (root / "link").symlink_to("src")
    assert globbed(root, "*", "src/*.py") == ("a.py", "b.txt", "src/BUILD.py", "src/a.py")


@pytest.mark.parametrize("name", [".venv", "node_modules", ".#lock"])
@pytest.mark.parametrize("target", ["src", "/", "/nowhere/at/all", "user@host.1234"])
def test_a_link_that_would_not_be_entered_may_lead_anywhere_but_to_a_file(
    root: Path, name: str, target: str
) -> None:
    (root / name).symlink_to(target)
    assert globbed(root, "*", "**/a.py", "*/a.py") == ("a.py", "b.txt", "src/a.py", "src/deep/er/a.py")


@pytest.mark.parametrize(
    ("target", "problem"),
    [
        ("nowhere", "link.py is a link that leads nowhere"),
        ("link.py", "link.py: too many links, or links in a circle"),
        ("../outside", "link.py leads out of the workspace, to ../outside"),
        ("/etc/passwd", "link.py leads out of the workspace, to /etc/passwd"),
    ],
)
def test_a_bad_link_is_refused_unless_excluded(root: Path, target: str, problem: str) -> None:
    (root / "link.py").symlink_to(target)
    with pytest.raises(SourceError) as caught:
        globbed(root, "*.py")
    assert caught.value.message == problem
    assert caught.value.hint
    assert globbed(root, "*.py", exclude=["link.*"]) == ("a.py",)
    assert globbed(root, "*.txt") == ("b.txt",)


@pytest.mark.parametrize("kind", ["fifo", "socket"])
def test_what_is_no_file_is_refused_unless_excluded(
    root: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kind == "fifo":
        os.mkfifo(root / "src" / "odd")
    else:
        monkeypatch.chdir(root / "src")  # a socket's path is short
        with socket.socket(socket.AF_UNIX) as server:
            server.bind("odd")
    with pytest.raises(SourceError, match="src/odd is a fifo, a device or a socket") as caught:
        globbed(root, "src/*")
    assert caught.value.hint == "leave it out with exclude"
    for exclude in ("src/odd", "**/odd", "src/**"):
        assert "src/odd" not in globbed(root, "src/*", exclude=[exclude])
    assert globbed(root, "src/*.py") == ("src/BUILD.py", "src/a.py")
    with pytest.raises(SourceError, match="src/odd"):
        globbed(root, "src/*", exclude=["**/x"])


@pytest.mark.parametrize("name", [b"\xff.py", b"a\nb.py", b"\x1b[31m.py"])
def test_a_name_that_no_label_can_have_is_refused_unless_excluded(root: Path, name: bytes) -> None:
    try:
        with open(os.fsencode(root / "src") + b"/" + name, "wb"):
            pass
    except OSError:
        pytest.skip("this file system takes only UTF-8")
    with pytest.raises(SourceError, match="not UTF-8 or has a control character") as caught:
        globbed(root, "src/*.py")
    assert caught.value.message.isprintable()
    assert "exclude" in (caught.value.hint or "")
    assert globbed(root, "src/a.*") == ("src/a.py",)
    assert globbed(root, "src/*.py", exclude=[os.fsdecode(b"src/" + name)]) == ("src/BUILD.py", "src/a.py")
