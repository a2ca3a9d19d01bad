from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdabuild.remote.estimates import MOST, Estimates


def estimates(root: Path) -> Estimates:
    return Estimates(root / "estimates.json", root / "tmp")


def test_what_was_recorded_is_estimated_by_the_next_process(tmp_path: Path) -> None:
    estimates(tmp_path).record({("layer", "//a:a"): 12.0, ("layer", "//b:b"): 3.0})
    assert estimates(tmp_path).seconds("layer", "//a:a") == 12.0
    assert estimates(tmp_path).seconds("layer", "//b:b") == 3.0


def test_what_was_never_seen_is_estimated_by_its_tool(tmp_path: Path) -> None:
    some = estimates(tmp_path)
    assert (
        some.seconds("dockerfile", "//a:a")
        > some.seconds("wheel", "//a:a")
        > some.seconds("write", "//a:a")
        > 0
    )
    assert some.seconds("a tool of tomorrow", "//a:a") > 0


def test_one_slow_build_counts_for_half(tmp_path: Path) -> None:
    some = estimates(tmp_path)
    some.record({("layer", "//a:a"): 10.0})
    some.record({("layer", "//a:a"): 30.0})
    assert some.seconds("layer", "//a:a") == 20.0


def test_the_file_is_bounded_and_forgets_the_oldest(tmp_path: Path) -> None:
    some = estimates(tmp_path)
    some.record({("layer", f"//a:{number}"): 7.0 for number in range(MOST)})
    some.record({("layer", "//a:0"): 7.0, ("layer", "//new:new"): 7.0})
    kept = json.loads((tmp_path / "estimates.json").read_text())["seconds"]
    assert len(kept) == MOST
    assert some.seconds("layer", "//a:1") != 7.0
    assert some.seconds("layer", "//a:0") == some.seconds("layer", "//new:new") == 7.0


@given(st.binary(max_size=100))
def test_a_damaged_file_counts_as_none(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    root = tmp_path_factory.mktemp("cache")
    (root / "estimates.json").write_bytes(data)
    assert estimates(root).seconds("layer", "//a:a") > 0


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"version": 1, "seconds": [[1]]}',
        '{"version": 1, "seconds": [["layer", "//a:a", NaN], ["layer", "//a:a", -1], ["layer", "//a:a", "1"]]}',
        '{"version": 1, "seconds": {"a": 1}}',
        '{"version": 2, "seconds": [["layer", "//a:a", 99]]}',
        '{"version": 1, "seconds": [["layer", "//a:a", 1e999]]}',
        "[]",
    ],
)
def test_a_file_with_strange_entries_is_no_trouble(tmp_path: Path, text: str) -> None:
    (tmp_path / "estimates.json").write_text(text)
    some = estimates(tmp_path)
    assert some.seconds("layer", "//a:a") == estimates(tmp_path / "empty").seconds("layer", "//a:a")
    some.record({("layer", "//a:a"): 4.0})
    assert estimates(tmp_path).seconds("layer", "//a:a") == 4.0
