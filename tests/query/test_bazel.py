"""The label sets of Bazel: the same graphs and expressions, asked of `bazel query` and of ours.

Left out is what Bazel alone has: generated files and implicit dependencies. CI has no Bazel, so
that these are skipped there, LAMBDABUILD_TEST_REQUIRE or not. Debian has one.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from lambdabuild.errors import UserError
from lambdabuild.label import Label
from lambdabuild.query.answer import Query, ask
from lambdabuild.query.parser import parse, parse_universe
from lambdabuild.workspace import load_workspace
from tests.project import WORKSPACE
from tests.query.graphs import FILES, LABELS, PACKAGES, Plain, acyclic, expressions, sets

BAZEL = shutil.which("bazel")

pytestmark = [
    pytest.mark.once,
    pytest.mark.skipif(BAZEL is None, reason="CI installs none; on Debian: apt-get install bazel-bootstrap"),
]


# A question to Bazel takes half a second: there are few, and what fails is not made smaller.
_few = settings(max_examples=10, phases=[Phase.explicit, Phase.generate])


class Both:
    """One graph as a workspace of Bazel and as one of lambdabuild.

    Targets whose names end in 3 are genrules, the others filegroups; to lambdabuild all are `files`.
    """

    def __init__(self, root: Path) -> None:
        self._bazel = [
            str(BAZEL),
            *("--nohome_rc", "--noworkspace_rc"),  # Debian says in the system's how it starts
            *(f"--output_user_root={root / 'output'}", "--max_idle_secs=60"),
        ]
        self._theirs, self._ours = root / "theirs", root / "ours"
        _write(self._theirs / "WORKSPACE", "")
        _write(self._ours / "WORKSPACE.toml", WORKSPACE)
        for package in PACKAGES:
            for side in (self._theirs, self._ours):
                _write(side / package / "x.py", "")
                _write(side / package / "names.bzl", "T = 1\n")
        self.shows(Plain({}))

    def shows(self, graph: Plain) -> None:
        for package in PACKAGES:
            theirs = ['load("//a:names.bzl", "T")']
            ours = ['load("//a:names.bzl", "T")']
            for label in (*(each for each in LABELS if each.package == package), Label(package, "own")):
                named = sorted({str(other) for _, other in graph.depends.get(label, ())})
                srcs = named if label.name != "own" else ["x.py", "names.bzl"]
                theirs.append(_of_bazel(label.name, srcs))
                ours.append(f"files(name = {label.name!r}, srcs = {srcs})")
            _write(self._theirs / package / "BUILD", _PUBLIC + "\n".join(theirs))
            _write(self._ours / package / "BUILD", "\n".join(ours))

    def theirs(self, text: str, *options: str) -> set[str]:
        """Returns the labels that Bazel answers, without those of files that rules generate."""
        ran = subprocess.run(
            [*self._bazel, "query", "--noimplicit_deps", "--noshow_progress", *options, text],
            cwd=self._theirs,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        return {line for line in ran.stdout.splitlines() if not line.endswith(".out")}

    def ours(self, text: str, universe: str = "") -> set[str]:
        workspace = load_workspace(self._ours, env={})
        query = Query(text, parse(text), parse_universe(universe), keep_going=False)
        return {str(node.label) for node in ask(workspace, query, lambda text, at: None).nodes}

    def stop(self) -> None:
        subprocess.run([*self._bazel, "shutdown"], cwd=self._theirs, capture_output=True, check=False)


_PUBLIC = 'package(default_visibility = ["//visibility:public"])\nexports_files(["x.py", "names.bzl"])\n'


def _of_bazel(name: str, srcs: list[str]) -> str:
    if name.endswith("3"):
        return f'genrule(name = {name!r}, srcs = {srcs}, outs = ["{name}.out"], cmd = "touch $@")'
    return f"filegroup(name = {name!r}, srcs = {srcs})"


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    sides = Both(tmp_path_factory.mktemp("bazel"))
    yield sides
    sides.stop()


@_few
@given(acyclic, st.lists(expressions, min_size=3, max_size=5))
def test_expressions_give_the_labels_that_bazel_gives(both: Both, graph: Plain, texts: list[str]) -> None:
    both.shows(graph)
    for text in texts:
        assert both.ours(text) == both.theirs(text), text


_UNIVERSES = {
    "//...": "//...",
    "//a/...,//c:t0": "//a/... + //c:t0",
    "//a/...,-//a/b/...": "//a/... - //a/b/...",
}
"""As --universe_scope, and as an expression."""

_FORMS = (
    "labels(srcs, {})",
    "same_pkg_direct_rdeps({})",
    "buildfiles({})",
    "loadfiles({})",
    "siblings({})",
    "attr(name, t1, {})",
    "filter('t[12]$', deps({}))",
    "kind('source file', deps({}))",
    "kind('^source', siblings({}))",
    "rdeps(//a/... + //c:all, {}, 1)",
    "deps({}, 1) ^ rdeps(//..., //c:x.py, 2)",
    "let x = {} in deps($x) - $x",
)


@_few
@given(acyclic, sets, st.lists(st.sampled_from(_FORMS), min_size=3, max_size=5, unique=True))
def test_functions_give_the_labels_that_bazel_gives(
    both: Both, graph: Plain, x: str, forms: list[str]
) -> None:
    both.shows(graph)
    for text in (form.format(x) for form in forms):
        assert both.ours(text) == both.theirs(text), text


@_few
@given(acyclic, st.sampled_from(LABELS), st.sampled_from(LABELS + FILES))
def test_paths_are_there_where_bazel_finds_some(both: Both, graph: Plain, a: Label, b: Label) -> None:
    both.shows(graph)
    ends = f"({a}, {b})"
    path = both.ours(f"somepath{ends}")
    assert bool(path) == bool(both.theirs(f"somepath{ends}"))
    assert path <= both.theirs(f"allpaths{ends}") == both.ours(f"allpaths{ends}")


@_few
@given(acyclic, st.sampled_from(sorted(_UNIVERSES)), st.data())
def test_allrdeps_gives_the_labels_that_bazel_gives(
    both: Both, graph: Plain, universe: str, data: st.DataObject
) -> None:
    both.shows(graph)
    # Of what is outside its universe, Bazel gives x itself; its manual says otherwise.
    within = st.sampled_from(sorted(both.ours(f"deps({_UNIVERSES[universe]})")))
    text = f"allrdeps(set({' '.join(data.draw(st.sets(within, max_size=4)))}))"
    assert both.ours(text, universe) == both.theirs(text, f"--universe_scope={universe}", "--order_output=no")


@pytest.mark.parametrize(
    "text",
    ["deps(//a:t0", "deps()", "nosuch(//a:t0)", "kind('(', //...)", "//a:none", "deps(//a:t0, -1)", "$x"],
)
def test_what_bazel_refuses_we_refuse(both: Both, text: str) -> None:
    both.shows(Plain({}))
    with pytest.raises(AssertionError):
        both.theirs(text)
    with pytest.raises(UserError):
        both.ours(text)
