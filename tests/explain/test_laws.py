"""Laws of explanations, on generated workspaces and edits of them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambdabuild.configured import ConfiguredLabel
from lambdabuild.explain.change import FILES, Change
from lambdabuild.explain.current import Current
from lambdabuild.explain.difference import difference
from lambdabuild.explain.state import TargetState, from_json, to_json
from lambdabuild.label import parse_label
from tests.project import Project

BUILD = """
files(name = "lib", srcs = glob(["lib/**"]), dest = "{place}", strip_prefix = "lib")
base_image(name = "base", base = "scratch", srcs = [":lib"], env = {{"V": "{value}"}})
lambda_image(name = "image", base = ":base", srcs = glob(["app/**"]) + ["main.py"], labels = {{"l": "{label}"}})
"""


class File(NamedTuple):
    text: str
    executable: bool


class Tree(NamedTuple):
    """A workspace: its files by path, and what its BUILD file says."""

    files: dict[str, File]
    place: str = "opt/lib"
    value: str = "1"
    label: str = "a"


KEPT = {path: File(path, False) for path in ("lib/kept.py", "app/kept.py", "main.py")}
"""No glob may become empty: then it is a dependency that comes or goes."""
paths = st.builds(
    "/".join,
    st.tuples(st.sampled_from(["lib", "app", "app/sub"]), st.sampled_from(["a.py", "b.py", "c.txt"])),
)
files = st.builds(File, st.sampled_from(["", "x = 1\n", "x = 2\n", "y\n" * 50]), st.booleans())
trees = st.builds(
    Tree,
    st.dictionaries(paths, files, max_size=5).map(lambda found: KEPT | found),
    st.sampled_from(["opt/lib", "opt/other"]),
    st.sampled_from(["1", "2"]),
    st.sampled_from(["a", "b"]),
)


@st.composite
def edited(draw: st.DrawFn) -> tuple[Tree, Tree]:
    """Draws a workspace, and what a few edits of files and attributes make of it."""
    tree = draw(trees)
    found = dict(tree.files)
    for kind in draw(st.lists(st.sampled_from(["write", "delete", "rename", "chmod"]), max_size=4)):
        path = draw(st.sampled_from(sorted(found)))
        spare = path not in KEPT
        if kind == "write":
            found[draw(paths | st.just(path))] = draw(files)
        elif kind == "delete" and spare:
            del found[path]
        elif kind == "rename" and spare:
            found[draw(paths)] = found.pop(path)
        elif kind == "chmod":
            found[path] = found[path]._replace(executable=not found[path].executable)
    attributes = draw(trees) if draw(st.booleans()) else tree
    return tree, attributes._replace(files=found)


class World:
    """A directory in which workspaces are written, hashed and forgotten."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def look(self, tree: Tree) -> tuple[TargetState, Current]:
        """Returns the state of //:image in that workspace, and what finds the documents below it."""
        root = Path(tempfile.mkdtemp(dir=self._directory))
        project = Project(root / "w", self._directory / "cache" / "lambdabuild")
        project.write({path: file.text for path, file in tree.files.items()})
        for path, file in tree.files.items():
            (project.root / path).chmod(0o755 if file.executable else 0o644)
        project.write({"BUILD": BUILD.format(place=tree.place, value=tree.value, label=tree.label)})
        evaluation, keys = project.keys("//:image")
        current = Current(evaluation.graph, keys)
        state = current.state(ConfiguredLabel(parse_label("//:image"), "linux/amd64"))
        shutil.rmtree(root)
        return state, current

    def changes(self, old: Tree, new: Tree) -> tuple[Change, ...]:
        (before, find_old), (now, find_new) = self.look(old), self.look(new)
        return difference(before.target, now.target, find_old, find_new)


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with tempfile.TemporaryDirectory() as directory:
        yield World(Path(directory))


brief = settings(max_examples=max(10, settings().max_examples // 10))


@brief
@given(edited())
def test_an_explanation_names_exactly_the_files_that_were_edited(
    world: World, pair: tuple[Tree, Tree]
) -> None:
    old, new = pair
    changes = world.changes(old, new)
    differing = {path for path in old.files | new.files if old.files.get(path) != new.files.get(path)}
    assert {path for change in changes for path in change.paths()} == differing
    kinds = {change.place: change.kind for change in changes if change.kind in ("added", "removed", "edited")}
    for path, kind in kinds.items():
        assert {"added": path not in old.files, "removed": path not in new.files, "edited": True}[kind]


@brief
@given(edited())
def test_an_explanation_names_exactly_the_attributes_that_were_edited(
    world: World, pair: tuple[Tree, Tree]
) -> None:
    old, new = pair
    found = {(c.place, c.old, c.new) for c in world.changes(old, new) if c.kind == "attr"}
    wanted = [("env.V", old.value, new.value), ("labels.l", old.label, new.label)]
    assert found == {(name, f'"{was}"', f'"{now}"') for name, was, now in wanted if was != now}


@brief
@given(edited())
def test_of_equal_hashes_there_is_nothing_to_explain_and_of_others_there_is(
    world: World, pair: tuple[Tree, Tree]
) -> None:
    (old, before), (new, now) = map(world.look, pair)
    assert (old.target.key == new.target.key) == (not difference(old.target, new.target, before, now))


@brief
@given(edited())
def test_places_are_the_same_in_both_directions(world: World, pair: tuple[Tree, Tree]) -> None:
    (old, before), (new, now) = map(world.look, pair)
    there = difference(old.target, new.target, before, now)
    back = difference(new.target, old.target, now, before)
    assert _places(there) == _places(back)


def _places(changes: tuple[Change, ...]) -> set[str]:
    return {place for c in changes for place in (c.paths() if c.kind in FILES else {c.place})}


@brief
@given(trees)
def test_a_state_that_is_kept_is_the_one_that_is_read(world: World, tree: Tree) -> None:
    state, _ = world.look(tree)
    assert from_json(to_json(state)) == state


@given(st.binary(max_size=40) | st.sampled_from([b"[]", b"{}", b'{"label": 1}', b"[" * 100_000]))
def test_what_is_no_state_is_refused_with_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        from_json(data)
