"""The harness of `make bench`, on a workspace so small that its figures mean nothing."""

from __future__ import annotations

from pathlib import Path

from benchmarks import rows
from benchmarks.rows import Row
from benchmarks.run import EDITS, Bench
from benchmarks.workload import Size


def test_every_figure_is_measured_of_a_workspace(tmp_path: Path) -> None:
    bench = Bench("tiny", Size(packages=4, files=4, images=4), tmp_path, 1, frozenset({"bazel", "ninja"}))
    table = bench.table()
    assert bench.figures["files"] == 4 * 4 + 4 * 3
    told = {row[0] for row in table.rows}
    assert {f"{what}, build //..." for what in EDITS} < told
    assert {"first hash, evaluation not counted", "first build (once)", "no-op build //..."} < told
    assert told == bench.figures.keys() - {"files"}
    assert all(figure > 0 for figure in bench.figures.values())
    bench.end()


def test_a_budget_is_met_up_to_its_limit_and_not_beyond() -> None:
    limits = {
        rows.at_most(2): (2.0, 2.1),
        rows.faster(4): (0.25, 0.26),
        rows.more(0.5): (1.5, 1.6),
        rows.within(150, "MB"): (150.0, 151.0),
    }
    for limit, (most, too_much) in limits.items():
        assert Row("ours", most, "theirs", 1.0, limit).cells()[-1] == "yes"
        assert Row("ours", too_much, "theirs", 1.0, limit).cells()[-1] == "no"


def test_growth_is_told_from_size_to_size() -> None:
    table = rows.growth({"S": {"files": 10, "no-op": 0.1}, "M": {"files": 100, "no-op": 0.5}})
    assert table.head == ("what", "S", "M", "M / S")
    assert table.rows == [("files", "10", "100", "10.00"), ("no-op", "0.100", "0.500", "5.00")]
