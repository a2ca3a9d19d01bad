"""A client is killed at each of its requests, one workspace each; the next one ends as if nothing was."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.cloud.aws import Cloud
from tests.cloud.clients import build, start
from tests.cloud.surviving import (
    ACTIONS,
    Kill,
    actions_run,
    builds_of,
    check,
    new_team,
    publications,
    recover,
)
from tests.sweeps import points, sweep

POINTS = 30
"""At least so many there have to be."""

AT_ONCE = 4
_READING = ("GET ", "HEAD ", "BatchGetBuilds", "GetLogEvents")


def moments(seen: list[str]) -> list[tuple[int, bool]]:
    """Returns where to kill, as Kill takes it: before and after what writes, and around what reads.

    seen: what a client asks for that lives. Of the blobs that it reads in the end, the first counts.
    """
    chosen: list[tuple[int, bool]] = []
    blobs = 0
    for nth, name in enumerate(seen, 1):
        reads = name.startswith(_READING)
        blobs += reads and "/cas/" in name
        if not reads:
            chosen += [(nth, False), (nth, True)]
        elif blobs <= 1 or nth == len(seen):
            chosen.append((nth, nth % 2 == 0))
    return chosen


@sweep
def test_a_client_killed_at_any_request_costs_nothing_but_itself(
    cloud: Cloud, tmp_path: Path, *, every: bool
) -> None:
    whole = new_team(cloud, tmp_path / "whole")
    expected = whole.local_digests()
    count = Kill(0, after=False)
    count.watch(cloud, "alice")
    check(whole, build(whole), expected)
    found = moments(count.seen)
    assert len(found) >= POINTS, count.seen
    chosen = [found[number] for number in points(len(found), every=every, between=4)]

    def wrong_after(number: int) -> str:
        """Returns what is wrong after the client was killed there, "" if nothing is."""
        kill = Kill(chosen[number][0], after=chosen[number][1])
        team = new_team(cloud, tmp_path / f"at{number}")
        victim = f"v{number}"
        kill.watch(cloud, victim)
        client = start(team, client=victim)
        kill.arm(client)
        ended = client.ended()
        try:
            assert kill.struck
            assert ended.code == -9
            # The same person again, on the same machine, or somebody who knows nothing of it.
            recover(team, expected, cache=victim if number % 3 else "")
            assert len(builds_of(team)) == publications(team) == 1
            ran = actions_run(team)
            assert len(ran) == len(set(ran)) == ACTIONS
        except AssertionError as error:
            return f"killed {'after' if kill.after else 'before'} {kill.seen[-1]}: {error}\n{ended.err}"
        return ""

    with ThreadPoolExecutor(AT_ONCE) as pool:
        wrong = [each for each in pool.map(wrong_after, range(len(chosen))) if each]
    assert wrong == []
