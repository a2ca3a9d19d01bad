"""The vocabulary of the laws: canonical documents, labels, file trees, globs, settings, source text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hypothesis import strategies as st

from lambdabuild.digest import Digest, digest_of
from lambdabuild.label import Label, TargetPattern
from lambdabuild.tree import FileNode, Node, SymlinkNode

# --- documents ---------------------------------------------------------------

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
"""Any Unicode text, control characters included."""


def documents(integers: st.SearchStrategy[int]) -> st.SearchStrategy[Any]:
    """Returns JSON values without floats."""
    return st.recursive(
        st.none() | st.booleans() | integers | texts,
        lambda below: st.lists(below, max_size=4) | st.dictionaries(texts, below, max_size=4),
        max_leaves=12,
    )


canonical = documents(st.integers())
"""What `encode` accepts."""

crossing = documents(st.integers(-(1 << 63), (1 << 63) - 1))
"""What crosses between Starlark and us as it is."""

uncanonical = st.one_of(
    st.floats(),
    st.binary(max_size=3),
    st.complex_numbers(),
    st.sets(st.integers(), max_size=2),
    st.builds(object),
)
"""What has no canonical encoding."""


def nested(leaf: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Returns `leaf`, somewhere in a document that is otherwise canonical."""
    return st.recursive(
        leaf,
        lambda below: st.one_of(
            st.tuples(st.lists(canonical, max_size=2), below).map(lambda pair: [*pair[0], pair[1]]),
            st.tuples(texts, below).map(lambda pair: {pair[0]: pair[1]}),
        ),
        max_leaves=1,
    )


digests: st.SearchStrategy[Digest] = st.binary(max_size=4).map(digest_of) | st.builds(
    lambda data, size: Digest(digest_of(data).hash, size), st.binary(max_size=2), st.integers(0, 1 << 62)
)

# --- labels ------------------------------------------------------------------

_parts = st.one_of(
    st.sampled_from(
        ["a", "b", "lib", "a-b", "a_b", "a.py", "..a", "a..", "....", "-", "a b", "ä", "日本", "#", "a@b"]
    ),
    st.text(
        st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="/:\\@"), min_size=1, max_size=5
    ),
).filter(lambda part: part not in (".", "..", "..."))


def _paths(min_size: int) -> st.SearchStrategy[str]:
    return st.lists(_parts, min_size=min_size, max_size=3).map("/".join)


packages = _paths(0)
names = _paths(1)
labels: st.SearchStrategy[Label] = st.one_of(
    st.builds(Label, packages, names),
    _paths(1).map(lambda package: Label(package, package.rpartition("/")[2])),
)

patterns: st.SearchStrategy[TargetPattern] = st.one_of(
    st.builds(TargetPattern, packages, names | st.sampled_from(["all", "*"]), st.just(False), st.booleans()),
    st.builds(TargetPattern, packages, st.sampled_from(["all", "*"]), st.just(True), st.booleans()),
)

bad_paths = st.one_of(
    st.builds(
        lambda before, bad, after: "/".join([*before, bad, *after]),
        st.lists(_parts, max_size=2),
        st.sampled_from(["", ".", ".."]),
        st.lists(_parts, max_size=2),
    ).filter(bool),
    st.builds(
        lambda a, bad, b: a + bad + b, names, st.sampled_from(list("\0\n\x1b\x7f\\\u202e\ud800")), names
    ),
    names.map(lambda path: "@" + path),
    names.map(lambda path: "/" + path),
)
"""What is neither a package nor a name in one."""

# --- trees -------------------------------------------------------------------

components = st.one_of(
    st.sampled_from(["a", "b", "a.py", "a-b", "a b", "ä", "é", "日本", "\N{SNAKE}", "\ue000", "Ω" * 40]),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0/"), min_size=1, max_size=6),
).filter(lambda name: name not in (".", ".."))

nodes: st.SearchStrategy[Node] = st.one_of(
    st.builds(FileNode, digests, st.booleans()), st.builds(SymlinkNode, texts)
)


_tree_paths = st.lists(components, min_size=1, max_size=4).map("/".join)


def _consistent(paths: Iterable[str]) -> list[str]:
    """Returns `paths` without those that make a directory of a file before them, or a file of a directory."""
    kept: dict[str, None] = {}
    for path in paths:
        if not any(f"{a}/".startswith(f"{b}/") for other in kept for a, b in ((path, other), (other, path))):
            kept[path] = None
    return list(kept)


entries: st.SearchStrategy[dict[str, Node]] = st.dictionaries(_tree_paths, nodes, max_size=6).map(
    lambda tree: {path: tree[path] for path in _consistent(tree)}
)
"""What a Directory holds: relative path -> node, without conflicts."""

# --- files and globs ---------------------------------------------------------

_file_names = st.sampled_from(
    ["a", "b", "a.py", "b.py", "ab.py", "a.txt", ".env", "a+b", "[a]", "a^", "BUILD", "BUILD.lambda"]
)
_directory_names = st.sampled_from(["a", "b", "src", "x.py", ".git", "node_modules", "BUILD", "out"])
file_paths = st.lists(_directory_names, max_size=3).flatmap(
    lambda above: (_file_names | st.just("WORKSPACE.toml")).map(lambda name: "/".join([*above, name]))
)


file_trees = st.lists(file_paths, max_size=14).map(_consistent)
"""Paths of regular files; no path is a directory of another."""

_pattern_parts = st.sampled_from(
    [
        "**",
        "**",
        "*",
        "?",
        "a",
        "b",
        "src",
        "*.py",
        "a*",
        "*b*",
        "?.py",
        "??",
        ".*",
        "[a]",
        "a+b",
        "*.*",
        "BUILD*",
    ]
)
glob_patterns = st.lists(_pattern_parts, min_size=1, max_size=4).map("/".join)

# --- Starlark ----------------------------------------------------------------

_tokens = st.sampled_from(
    [
        *"()[]{}'\"\\#\n,;:.=+-~ \r",
        '"""',
        "'''",
        'r"',
        "f'",
        "\\\n",
        "\\\r\n",
        "\\\\",
        '\\"',
        "x",
        "1",
        "not ",
        "lambda",
        " if ",
        " else ",
        " for ",
        " in ",
        "elif",
        "x = ",
        '"a"',
        "()",
        "[]",
        "{}",
        "'#'",
        "é",
    ]
)
source_texts = st.lists(_tokens, max_size=30).map("".join) | st.text(max_size=60)
"""Text made of what makes the language hard to scan."""

literals: st.SearchStrategy[str] = st.builds(
    lambda raw, quote, inner: f"{raw}{quote}{''.join(inner)}{quote}",
    st.sampled_from(["", "r"]),
    st.sampled_from(["'", '"', "'''", '"""']),
    st.lists(
        st.sampled_from(
            [*"()[]{}#'\"ax ", "\\\\", "\\'", '\\"', "\\n", "\\\n", "\\\r\n", "\n", "\r", "\\r", "é"]
        ),
        max_size=8,
    ),
)
"""String literals, right or not, full of brackets, quotes and escapes."""

# --- settings ----------------------------------------------------------------

_platform_lists = st.lists(st.sampled_from(["linux/amd64", "linux/arm64", "host"]), min_size=1, max_size=3)
settings: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {},
    optional={
        "name": st.text("abc -é", max_size=4),
        "platforms": _platform_lists,
        "ignore": st.lists(st.text("ab._", min_size=1, max_size=3), max_size=3),
    },
)
"""What a [workspace] table, or one that overlays it, can say."""

toml_texts = st.lists(
    st.sampled_from(
        [
            "[workspace]",
            "[config.a.workspace]",
            "[config]",
            "name = 1",
            "platforms = ['x']",
            "config = 3",
            "[x]",
            "name = 'a'",
            "platforms = []",
            "ignore = [1]",
            "[",
            '"',
            "a.b.c = 1",
            "workspace = {nam = 1}",
            "#",
            "=",
        ]
    ),
    max_size=6,
).map("\n".join) | st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
