from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lambdabuild.errors import ExternalError, UserError
from lambdabuild.remote.lease_table import MAX_BYTES, MAX_FOLLOWERS, MAX_LEASES, decode, encode
from lambdabuild.remote.leases import KEY, Lease, Leases, Table, Verdict, may_stop, verdict
from lambdabuild.remote.states import BuildState
from lambdabuild.store.s3.bucket import Bucket
from tests.cloud.aws import ACCOUNT, Cloud

NOW = 1_800_000_000.0
MINUTE = 60.0
ORDER = "0a" * 32
BUILD = "project:7d2e2f0a-0000-4000-8000-000000000001"


def lease(token: str = "t-1", *, build: str | None = None, at: float = NOW, **more: Any) -> Lease:
    made = Lease(ORDER, token, build, "project", "plain", "alice", (), at)
    return replace(made, **more)


def state(status: str = "IN_PROGRESS", *, order: str | None = ORDER) -> BuildState:
    return BuildState(BUILD, status, "BUILD", complete=status != "IN_PROGRESS", order=order)


def leases(
    cloud: Cloud, client: str = "alice", pause: Callable[[int], None] = lambda attempt: None
) -> Leases:
    return Leases(bucket(cloud, client), pause)


def bucket(cloud: Cloud, client: str = "alice", name: str = "") -> Bucket:
    api = cloud.client("s3", client, attempts=3)
    return Bucket(lambda: api, name or cloud.place().bucket, "store", ACCOUNT, sleep=lambda seconds: None)


# --- every way in which an entry can be left behind


def test_of_a_client_killed_before_start_build_the_same_build_is_started() -> None:
    assert verdict(lease(), NOW + MINUTE, None, sought=False) is Verdict.RESTART


def test_of_a_client_killed_after_start_build_the_same_token_gives_the_same_build() -> None:
    assert verdict(lease(), NOW + 4 * MINUTE, None, sought=False) is Verdict.RESTART


@pytest.mark.parametrize("minutes", [4.9, 5, 10, 14.9, 15, 60, 24 * 60])
def test_when_the_token_may_be_forgotten_the_builds_are_searched_first(minutes: float) -> None:
    assert verdict(lease(), NOW + minutes * MINUTE, None, sought=False) is Verdict.LOOK_UP


def test_a_build_whose_id_was_never_written_is_found_and_followed() -> None:
    assert verdict(lease(), NOW + 30 * MINUTE, state(), sought=True) is Verdict.LIVE


def test_a_build_whose_id_was_never_written_and_that_is_over_is_dead() -> None:
    assert verdict(lease(), NOW + 30 * MINUTE, state("SUCCEEDED"), sought=True) is Verdict.DEAD


def test_a_lease_without_any_build_is_dead_after_15_minutes_and_not_before() -> None:
    assert verdict(lease(), NOW + 14.9 * MINUTE, None, sought=True) is Verdict.LOOK_UP
    assert verdict(lease(), NOW + 15 * MINUTE, None, sought=True) is Verdict.DEAD


def test_a_build_that_runs_is_live_however_long_it_does() -> None:
    assert verdict(lease(build=BUILD), NOW + 36 * 60 * MINUTE, state(), sought=False) is Verdict.LIVE


@pytest.mark.parametrize("status", ["SUCCEEDED", "FAILED", "FAULT", "TIMED_OUT", "STOPPED"])
def test_a_build_that_is_over_is_dead_though_nobody_removed_it(status: str) -> None:
    assert verdict(lease(build=BUILD), NOW + MINUTE, state(status), sought=False) is Verdict.DEAD


def test_a_build_that_vanished_is_looked_for_and_dead_after_15_minutes() -> None:
    left = lease(build=BUILD)
    assert verdict(left, NOW + MINUTE, None, sought=False) is Verdict.LOOK_UP
    assert verdict(left, NOW + 14 * MINUTE, None, sought=True) is Verdict.LOOK_UP
    assert verdict(left, NOW + 16 * MINUTE, None, sought=False) is Verdict.LOOK_UP
    assert verdict(left, NOW + 16 * MINUTE, None, sought=True) is Verdict.DEAD


def test_a_vanished_build_is_never_started_again_under_its_token() -> None:
    assert verdict(lease(build=BUILD), NOW + 1, None, sought=True) is not Verdict.RESTART


def test_followers_that_died_keep_no_entry_alive() -> None:
    left = lease(build=BUILD, followers=("dead", "dead-too"))
    assert verdict(left, NOW + MINUTE, state("FAILED"), sought=False) is Verdict.DEAD


def test_an_entry_with_a_time_from_the_future_dies_as_well() -> None:
    ahead = lease(at=NOW + 60 * MINUTE)
    assert verdict(ahead, NOW, None, sought=False) is Verdict.LOOK_UP
    assert verdict(ahead, NOW, None, sought=True) is Verdict.DEAD


def test_a_lease_that_names_the_build_of_another_order_is_not_waited_for() -> None:
    strange = lease(build=BUILD)
    other = state(order="0b" * 32)
    assert verdict(strange, NOW + 16 * MINUTE, other, sought=True) is Verdict.DEAD


@given(st.floats(0, 1e6), st.booleans(), st.sampled_from([None, BUILD]))
def test_every_lease_without_a_build_dies_once_it_is_old(age: float, sought: bool, build: str | None) -> None:
    told = verdict(lease(build=build), NOW + age, None, sought)
    assert (told is Verdict.DEAD) == (sought and age >= 15 * MINUTE)
    assert told is not Verdict.LIVE


def test_a_client_stops_only_what_it_started_and_nobody_else_follows() -> None:
    assert may_stop(lease(), "alice")
    assert may_stop(lease(followers=("alice",)), "alice")
    assert not may_stop(lease(), "bob")
    assert not may_stop(lease(followers=("bob",)), "alice")


# --- the table


def test_a_lease_has_the_time_of_s3_whatever_its_client_believes() -> None:
    table = Table((), None, NOW).adding(lease(at=NOW + 60 * MINUTE))
    assert table.leases[0].at == NOW


def test_edits_that_are_done_change_nothing() -> None:
    table = Table((), None, NOW).adding(lease()).started("t-1", BUILD).following("t-1", "bob")
    again = table.adding(lease()).started("t-1", BUILD).following("t-1", "bob").following("t-1", "alice")
    assert again == table
    assert table.leaving("t-1", "bob").leases[0].followers == ()
    assert table.removing("t-1").removing("t-1").leases == ()


def test_the_table_has_no_more_entries_than_can_be_read_again() -> None:
    table = Table(tuple(lease(f"t-{n}") for n in range(MAX_LEASES)), None, NOW)
    with pytest.raises(ExternalError, match="under way"):
        table.adding(lease("one-more"))
    crowd = lease(build=BUILD, client="c" * 128, followers=("f" * 128,) * 2)
    full = Table(tuple(replace(crowd, token=f"{n:064}") for n in range(MAX_LEASES)), None, NOW)
    assert len(encode(full)) < MAX_BYTES


def test_a_crowd_of_followers_does_not_fill_the_table() -> None:
    table = Table((lease(),), None, NOW)
    for number in range(MAX_FOLLOWERS + 5):
        table = table.following("t-1", f"client-{number}")
    assert len(table.leases[0].followers) == MAX_FOLLOWERS


TOKENS = st.from_regex(r"[A-Za-z0-9-]{1,64}", fullmatch=True)
NAMES = st.from_regex(r"[ -~]{1,128}", fullmatch=True)
LEASES = st.builds(
    Lease,
    order=st.from_regex(r"[0-9a-f]{64}", fullmatch=True),
    token=TOKENS,
    build=st.none() | st.just(BUILD),
    project=st.just("project"),
    environment=st.sampled_from(["plain", "docker-amd64", "docker-arm64"]),
    client=NAMES,
    followers=st.lists(NAMES, max_size=3).map(tuple),
    at=st.floats(0, 1e10),
)


@given(st.lists(LEASES, max_size=4, unique_by=lambda each: each.token))
def test_what_is_written_is_read_again(some: list[Lease]) -> None:
    table = Table(tuple(some), "etag", NOW)
    assert decode(encode(table), "etag", NOW, "s3://b/leases.json") == table


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
@example(b"[" * 100_000)
@example(b"null")
@example(b'{"version":2,"leases":[]}')
@example(b'{"version":1,"leases":{}}')
@example(b'{"version":1,"leases":[{}]}')
@example(b'{"version":1,"leases":[1]}')
def test_a_hostile_table_is_refused_with_a_way_to_be_rid_of_it(data: bytes) -> None:
    with pytest.raises(UserError) as caught:
        decode(data, "etag", NOW, "s3://b/p/leases.json")
    assert "aws s3 rm s3://b/p/leases.json" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("order", "../../etc"),
        ("order", ORDER.upper()),
        ("token", "a b"),
        ("token", ["t"]),
        ("build", 7),
        ("build", "other:7d2e2f0a"),
        ("build", "project:../x"),
        ("project", "-p"),
        ("environment", "windows"),
        ("environment", []),
        ("client", "\x1b[2J"),
        ("client", ""),
        ("followers", "bob"),
        ("followers", [1]),
        ("followers", ["x"] * (MAX_FOLLOWERS + 1)),
        ("at", float("nan")),
        ("at", float("inf")),
        ("at", True),
        ("at", 10**400),
        ("at", "now"),
        ("more", 1),
    ],
)
def test_an_entry_that_no_client_writes_is_refused(name: str, value: object) -> None:
    (entry,) = json.loads(encode(Table((lease(),), None, NOW)))["leases"]
    data = json.dumps({"version": 1, "leases": [{**entry, name: value}]}).encode()
    with pytest.raises(UserError):
        decode(data, "etag", NOW, "s3://b/leases.json")


def test_two_entries_with_one_token_are_refused() -> None:
    data = encode(Table((lease(), lease()), None, NOW))
    with pytest.raises(UserError, match="token"):
        decode(data, "etag", NOW, "s3://b/leases.json")


# --- in the bucket


def test_a_store_without_a_table_has_an_empty_one_and_s3s_time(cloud: Cloud) -> None:
    table = leases(cloud).read()
    assert (table.leases, table.etag) == ((), None)
    assert table.now > 1_700_000_000


def test_a_change_is_read_by_others(cloud: Cloud) -> None:
    place = cloud.place().bucket
    alice, bob = (Leases(bucket(cloud, name, place), lambda attempt: None) for name in ("alice", "bob"))
    written = alice.change(lambda table: table.adding(lease()))
    assert bob.read().leases == written.leases
    bob.change(lambda table: table.removing("t-1"))
    assert alice.read().leases == ()


def test_nothing_is_written_where_nothing_changes(cloud: Cloud) -> None:
    some = leases(cloud)
    some.change(lambda table: None)
    some.change(lambda table: table.removing("t-1"))
    assert cloud.s3.asked("PUT") == []


def test_of_many_clients_at_once_none_loses_its_entry(cloud: Cloud) -> None:
    place = cloud.place().bucket

    def enter(number: int) -> None:
        mine = Leases(bucket(cloud, f"client{number}", place), lambda attempt: None)
        mine.change(lambda table: table.adding(lease(f"t-{number}")))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(enter, range(8)))
    found = Leases(bucket(cloud, "alice", place), lambda attempt: None).read()
    assert {each.token for each in found.leases} == {f"t-{number}" for number in range(8)}


def test_an_edit_meets_what_others_wrote_in_between(cloud: Cloud) -> None:
    place = cloud.place().bucket
    pauses: list[int] = []
    mine = Leases(bucket(cloud, "alice", place), pauses.append)
    other = Leases(bucket(cloud, "bob", place), lambda attempt: None)
    seen: list[int] = []

    def edit(table: Table) -> Table:
        if not seen:
            other.change(lambda theirs: theirs.adding(lease("theirs")))
        seen.append(len(table.leases))
        return table.adding(lease("mine"))

    assert [each.token for each in mine.change(edit).leases] == ["theirs", "mine"]
    assert seen == [0, 1]
    assert pauses == [1]


def test_who_is_always_overtaken_is_told_so_in_the_end(cloud: Cloud) -> None:
    place = cloud.place().bucket
    mine = Leases(bucket(cloud, "alice", place), lambda attempt: None)
    other = Leases(bucket(cloud, "bob", place), lambda attempt: None)
    turns = iter(range(10_000))

    def edit(table: Table) -> Table:
        other.change(lambda theirs: Table((lease(f"t-{next(turns)}"),), theirs.etag, theirs.now))
        return table.adding(lease("mine"))

    with pytest.raises(ExternalError, match="too many clients"):
        mine.change(edit)


def test_a_table_of_strange_bytes_or_size_is_refused_by_name(cloud: Cloud) -> None:
    place = cloud.place().bucket
    one = bucket(cloud, "alice", place)
    for data in (b"\x00" * 100, b" " * (MAX_BYTES + 1)):
        found = one.read(KEY, limit=1 << 22)
        assert one.replace(KEY, data, found.etag if found else None)
        with pytest.raises((UserError, ExternalError)) as caught:
            Leases(one, lambda attempt: None).read()
        assert f"aws s3 rm s3://{place}/store/leases.json" in str(caught.value.hint)
