"""What a remote build may send and ask: the laws of `benchmarks.replay`, on a small workspace."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from benchmarks.replay import FILES_LIMIT, FIRST_LIMIT, FRESH_LIMIT, IMAGES, Bench, Replay
from benchmarks.sent import Sent
from benchmarks.workload import Size

from .aws import Cloud

SIZE = Size(packages=12, files=6, images=24)
COMMITS = 4


@pytest.fixture(scope="module")
def bench(whole_cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    yield Bench(whole_cloud, tmp_path_factory.mktemp("bench"), SIZE)
    whole_cloud.reset()


@pytest.fixture(scope="module")
def first(bench: Bench) -> Sent:
    """What the first build has sent."""
    return bench.build()[1]


@pytest.fixture(scope="module")
def replayed(bench: Bench, first: Sent) -> Replay:
    return bench.replay(COMMITS)


def test_a_first_upload_is_a_few_requests_that_write(first: Sent) -> None:
    assert first.actions == 12 + 2 + 2 * 24
    assert first.writes <= FIRST_LIMIT // 6  # a workspace of thousands of files may have ten times as many


def test_of_files_no_more_is_sent_than_has_changed(replayed: Replay) -> None:
    assert replayed.changed > 0
    assert replayed.total.files <= FILES_LIMIT * replayed.changed


def test_all_that_is_no_file_is_small(replayed: Replay) -> None:
    assert replayed.builds == COMMITS
    assert 0 < replayed.total.overhead <= replayed.allowed


def test_somebody_with_an_empty_cache_asks_little_and_sends_nothing(bench: Bench, replayed: Replay) -> None:
    report, sent = bench.build(client="bob")
    assert {target["status"] for target in report["targets"]} == {"cached"}
    assert (sent.writes, sent.actions) == (0, 0)
    assert sent.requests <= FRESH_LIMIT


def test_ten_dirty_images_on_one_dirty_base_are_one_build(bench: Bench, replayed: Replay) -> None:
    assert IMAGES == 10
    assert bench.one_base() == 1
