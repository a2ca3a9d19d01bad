"""Whatever is asked of AWS fails once, in a way that AWS or a network may; the build does not notice."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.cloud import altered, clients
from tests.cloud.asked import access_key, decoded_path, operation
from tests.cloud.aws import Cloud
from tests.cloud.dialects import Dialect
from tests.cloud.faults import (
    FOR_EVER,
    Rule,
    conflict,
    corrupted,
    cut_in_the_middle,
    cut_off,
    lost_answer,
    server_error,
    slow,
    throttled,
    truncated,
)
from tests.cloud.surviving import ACTIONS, actions_run, builds_of, check, leases, new_team
from tests.oci.registry.proxy import Fault, Forward
from tests.oci.registry.server import Reply, Request


def kinds(dialect: Dialect, request: Request) -> Mapping[str, Fault]:
    """Returns what may befall a request."""
    found = {
        "throttled": throttled(dialect),
        "server error": server_error(dialect),
        "cut off": cut_off(),
        "answer lost": lost_answer(),
        "cut in the middle": cut_in_the_middle(),
        "slow": slow(0.02),
    }
    if {"if-match", "if-none-match"} & request.headers.keys():
        found["conflict"] = conflict()
    if dialect == "s3" and request.method == "GET" and "?" not in request.target:
        found |= {"corrupted": corrupted(at=-1), "truncated": truncated(7)}
    return found


class EachOnce:
    """Lets the first of equal requests fail, and passes the others on.

    turn: which of its faults befalls a request; the next one has the next.
    """

    def __init__(self, turn: int) -> None:
        self.done: Counter[str] = Counter()
        self._turn = turn
        self._seen: set[tuple[str, ...]] = set()
        self._lock = threading.Lock()

    def fault(self, dialect: Dialect) -> Fault:
        def fault(request: Request, forward: Forward) -> Reply:
            name = self._new(dialect, request)
            return kinds(dialect, request)[name](request, forward) if name else forward(request)

        return fault

    def _new(self, dialect: Dialect, request: Request) -> str:
        query = request.target.partition("?")[2]
        which = (
            access_key(request), request.method, decoded_path(request), query, operation(request),
            request.headers.get("range", ""),
        )  # fmt: skip
        with self._lock:
            if which in self._seen:
                return ""
            self._seen.add(which)
            self._turn += 1
            names = list(kinds(dialect, request))
            self.done[names[self._turn % len(names)]] += 1
            return names[self._turn % len(names)]


@pytest.mark.parametrize("turn", range(0, 6, 2))
def test_a_build_of_which_every_request_fails_once_ends_well(cloud: Cloud, tmp_path: Path, turn: int) -> None:
    team = new_team(cloud, tmp_path / "team", source=altered.source("hasty"))
    expected = team.local_digests()
    each = EachOnce(turn)
    for name in ("s3", "codebuild", "logs"):
        proxy = cloud.proxies[name]
        proxy.add(Rule(each.fault(proxy.dialect), times=FOR_EVER))
    check(team, clients.start(team, before=altered.hasty).ended(), expected)
    assert len(each.done) == 9
    assert sum(each.done.values()) > 36
    assert len(builds_of(team)) == 1
    assert sorted(actions_run(team)) == sorted(set(actions_run(team)))
    assert len(actions_run(team)) == ACTIONS
    assert leases(team).leases == ()
