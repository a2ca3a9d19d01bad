"""A store is cleaned: what lives is read as before, what went is gone, and a kill at any request does no harm."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest

from lambdabuild.action import ActionResult
from lambdabuild.digest import Digest, Key, digest_of
from lambdabuild.errors import ExternalError
from lambdabuild.retention.sweeping import Sweeper, choose_unneeded
from lambdabuild.retention.unneeded import StoreNeeds, Unneeded
from lambdabuild.store.s3.bucket import Bucket
from lambdabuild.store.s3.compaction import compact
from lambdabuild.store.s3.gathering import gather
from lambdabuild.store.s3.packs import LARGE
from lambdabuild.store.s3.segments import decode_index
from lambdabuild.store.s3.survey import survey
from tests.retention.surveys import result_of
from tests.store.s3_place import S3Place

DAY = 86400.0
WRITES = ("put_object", "delete_object")


@pytest.fixture
def place(tmp_path: Any) -> S3Place:
    return S3Place(tmp_path / "clients")


@dataclass
class Build:
    """What one build left in a store: results under two keys each, and their blobs."""

    number: int
    shared: tuple[bytes, ...] = ()
    large: bool = False
    blobs: dict[Digest, bytes] = field(default_factory=dict)
    results: dict[Key, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        own = [b"blob %d of build %d" % (n, self.number) * 40 for n in range(2)]
        if self.large:
            own.append(b"%d" % self.number * LARGE)
        for data in (*own, *self.shared):
            blob, result = digest_of(data), result_of(digest_of(data))
            self.blobs[blob] = data
            for kind in (b"deep", b"action"):
                self.results[Key(digest_of(kind + result).hash)] = result

    @property
    def keys(self) -> frozenset[Key]:
        """The deep keys, which a graph knows."""
        return frozenset(Key(digest_of(b"deep" + each).hash) for each in self.results.values())

    def publish(self, place: S3Place) -> None:
        place.store().upload({d: partial(_pieces, data) for d, data in self.blobs.items()})
        place.cache().record_all([(key, each, key.encode()) for key, each in self.results.items()])


def _pieces(data: bytes) -> list[bytes]:
    return [data]


def age(place: S3Place, days: float = 10) -> None:
    """Makes all that is there older; times within merged segments stay."""
    for kind in ("cas", "index", "results", "keys"):
        for name in place.names(kind):
            place.age(f"{kind}/{name}", days * DAY)


def needs(*builds: Build) -> StoreNeeds:
    return StoreNeeds(frozenset().union(*(build.keys for build in builds)), frozenset(), 7)


def sweeper(
    place: S3Place, bucket: Bucket | None = None, quiet: Callable[[], None] = lambda: None
) -> Sweeper:
    asked = bucket or place.bucket()
    return Sweeper(asked, lambda: survey(asked, place.directory()), quiet)


def clean(place: S3Place, *live: Build, bucket: Bucket | None = None) -> Unneeded:
    cleaner = sweeper(place, bucket)
    return cleaner.sweep(choose_unneeded(cleaner.look(), needs(*live)), needs(*live))


def check_whole(place: S3Place, build: Build) -> None:
    """Asserts that a fresh client finds a build's results, reads their blobs, and the documents of keys."""
    cache, store = place.cache(), place.store()
    assert cache.lookup(build.results) == build.results
    assert store.missing(build.blobs) == set()
    assert {d: b"".join(store.pieces(d)) for d in build.blobs} == build.blobs
    assert all(cache.document(key) == key.encode() for key in build.results)


def check_no_result_names_what_is_gone(place: S3Place) -> None:
    found = survey(place.bucket(), place.directory())
    named = {
        node.digest
        for _, entry in found.entries()
        for node in ActionResult.from_json(entry.result).outputs.values()
    }
    assert place.store().missing(named) == set()


def old_and_live(place: S3Place, *, large: bool = False) -> tuple[Build, Build]:
    """Returns two builds that share a blob, of which the second is live; both are old."""
    shared = (b"shared" * 100,)
    old, live = Build(1, shared, large), Build(2, shared, large)
    old.publish(place)
    live.publish(place)
    age(place)
    return old, live


def old_and_live_in_one(place: S3Place) -> Build:
    """Returns a build that is live, in segments that an old one is in, too."""
    _, live = old_and_live(place)
    for kind in ("index", "results"):
        assert compact(place.bucket(), kind, keep=1)
    return live


def test_what_lives_stays_whole_and_what_does_not_is_gone(place: S3Place) -> None:
    old, live = old_and_live(place, large=True)
    gone = clean(place, live)
    check_whole(place, live)
    assert gone.results == old.results.keys() - live.results.keys()
    assert gone.blobs == 3
    assert place.cache().lookup(gone.results) == {}
    assert place.store().missing(old.blobs) == old.blobs.keys() - live.blobs.keys()
    told = {name for each in place.names("index") for name in decode_index(place.get(f"index/{each}"))}
    assert told == set(place.names("cas"))
    assert clean(place, live) == Unneeded()


def test_a_listing_says_what_a_cleaning_does(place: S3Place) -> None:
    live = Build(2)
    for build in (Build(1, large=True), live):
        build.publish(place)
    age(place)
    look = sweeper(place).look
    before = {kind: place.names(kind) for kind in ("cas", "keys")}
    listed = choose_unneeded(look(), needs(live))
    assert {kind: place.names(kind) for kind in before} == before
    assert clean(place, live) == listed
    assert before["cas"] != place.names("cas")
    assert len(before["keys"]) - len(place.names("keys")) == len(listed.documents) == 1


def test_a_pack_of_which_little_is_needed_is_written_anew(place: S3Place) -> None:
    builds = [Build(number) for number in range(6)]
    for build in builds:
        build.publish(place)
    gather(place.bucket(), keep=1)
    age(place)
    (before,) = place.names("cas")
    gone = clean(place, builds[3])
    assert gone.packs.keys() == {before}
    assert gone.blobs == 10
    check_whole(place, builds[3])
    (after,) = place.names("cas")
    size = {name: each.size for name, each in place.bucket().list("cas/").objects.items()}
    assert size[after] == gone.sizes[before] - gone.bytes + sum(gone.documents.values())


def test_what_went_is_made_and_found_again(place: S3Place) -> None:
    old, live = old_and_live(place)
    clean(place, live)
    old.publish(place)
    check_whole(place, old)
    check_whole(place, live)


def test_what_a_killed_cleaning_wrote_is_not_taken_for_what_nobody_needs(place: S3Place) -> None:
    builds = [Build(number) for number in range(6)]
    for build in builds:
        build.publish(place)
    gather(place.bucket(), keep=1)
    age(place)

    def cut(name: str) -> bool:
        return name.startswith("index/")  # the new pack is there, and nothing tells of it

    with pytest.raises(Killed):
        clean(place, builds[3], bucket=killing(place, cut))
    age(place)
    clean(place, builds[3])
    check_whole(place, builds[3])


def test_what_somebody_names_between_two_looks_stays(place: S3Place) -> None:
    old, live = old_and_live(place)
    cleaner = sweeper(place)
    first = choose_unneeded(cleaner.look(), needs(live))
    old.publish(place)  # finds its blobs, and names them by results of today
    cleaner.sweep(first, needs(live))
    check_whole(place, old)
    check_whole(place, live)


def test_what_is_live_at_the_second_look_alone_stays(place: S3Place) -> None:
    old, live = old_and_live(place)
    cleaner = sweeper(place)
    cleaner.sweep(choose_unneeded(cleaner.look(), needs(live)), needs(live, old))
    check_whole(place, old)


def test_a_result_published_while_results_go_keeps_its_blobs(place: S3Place) -> None:
    old, live = old_and_live(place)
    asked: list[str] = []

    def publish(name: str) -> bool:
        asked.append(name)
        if len(asked) == 1:
            old.publish(place)
        return False

    clean(place, live, bucket=killing(place, publish))
    check_whole(place, old)
    check_no_result_names_what_is_gone(place)


def test_a_merge_at_the_same_time_loses_nothing_of_what_lives(place: S3Place) -> None:
    _, live = old_and_live(place)
    count = len(requests_of(place, live))
    assert count >= 6
    for nth in range(1, count + 1):
        here = S3Place(place.root)
        _, live = old_and_live(here)
        seen: list[str] = []

        def merge(name: str, seen: list[str] = seen, nth: int = nth, here: S3Place = here) -> bool:
            seen.append(name)
            if len(seen) == nth:
                gather(here.bucket(), keep=1)
                compact(here.bucket(), "index", keep=1)
                compact(here.bucket(), "results", keep=1)
            return False

        clean(here, live, bucket=killing(here, merge))
        check_whole(here, live)


class Killed(BaseException):
    """The process is no more: nothing of it is told, and nothing cleaned up."""


def killing(place: S3Place, at: Callable[[str], bool], *, after: bool = False) -> Bucket:
    """Returns a bucket whose client dies at the first write of which `at` says so, and does nothing more.

    after: whether that write is done.
    """
    client = place.bucket()._client()
    dead: list[str] = []

    class Dying:
        def __getattr__(self, name: str) -> Any:
            def call(**parameters: Any) -> Any:
                if dead:
                    raise Killed
                if name in WRITES and at(parameters["Key"].removeprefix(f"{place.prefix}/")):
                    dead.append(name)
                    if after:
                        getattr(client, name)(**parameters)
                    raise Killed
                return getattr(client, name)(**parameters)

            return call

    bucket = place.bucket()
    return Bucket(lambda: Dying(), bucket.name, bucket.prefix, bucket.owner, sleep=lambda seconds: None)


def requests_of(place: S3Place, live: Build) -> Sequence[str]:
    """Returns the writes of a cleaning."""
    seen: list[str] = []

    def note(name: str) -> bool:
        seen.append(name)
        return False

    clean(place, live, bucket=killing(place, note))
    return seen


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_killed_at_any_write_it_leaves_what_lives_whole_and_the_next_one_finishes(
    place: S3Place, after: bool
) -> None:
    live = old_and_live_in_one(place)
    count = len(requests_of(place, live))
    ended = place.names("cas")
    for nth in range(1, count + 1):
        here = S3Place(place.root)
        live = old_and_live_in_one(here)
        seen: list[str] = []

        def at(name: str, seen: list[str] = seen, nth: int = nth) -> bool:
            seen.append(name)
            return len(seen) == nth

        with pytest.raises(Killed):
            clean(here, live, bucket=killing(here, at, after=after))
        check_whole(here, live)
        check_no_result_names_what_is_gone(here)
        clean(here, live)
        check_whole(here, live)
        assert here.names("cas") == ended


def test_a_damaged_segment_stops_it_with_the_way_to_be_rid_of_it(place: S3Place) -> None:
    _, live = old_and_live(place)
    name = place.names("index")[0]
    place.put(f"index/{name}", b"damaged")
    with pytest.raises(ExternalError, match=f"index/{name} is damaged") as caught:
        clean(place, live)
    assert caught.value.hint is not None
    assert f"aws s3 rm {place.bucket()}/index/{name}" in caught.value.hint


def test_a_build_that_begins_meanwhile_stops_it(place: S3Place) -> None:
    old, live = old_and_live(place)
    asked: list[int] = []

    def quiet() -> None:
        asked.append(1)
        if len(asked) == 2:
            raise ExternalError("builds are under way", hint="later")

    cleaner = sweeper(place, quiet=quiet)
    with pytest.raises(ExternalError, match="under way"):
        cleaner.sweep(choose_unneeded(cleaner.look(), needs(live)), needs(live))
    assert place.store().missing(old.blobs) == set()
