from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdabuild.digest import Key
from lambdabuild.remote.environments import DOCKER_AMD64, DOCKER_ARM64, PLAIN, environment_of
from lambdabuild.remote.groups import Work, groups_of
from lambdabuild.remote.scheduling import Batch, finish, schedule, startable
from tests.remote.works import key, works

LIMITS = st.integers(1, 5)


def plan(
    given_works: Mapping[Key, Work], concurrency: int, provisioning: float = 40, processors: int = 2
) -> tuple[Batch, ...]:
    return schedule(given_works, concurrency=concurrency, provisioning=provisioning, processors=processors)


def mapping(*made: Work) -> dict[Key, Work]:
    return {work.key: work for work in made}


def above(batches: Sequence[Batch], number: int) -> set[int]:
    """Returns the batches that have to be over before one can start."""
    found: set[int] = set()
    for before in batches[number].after:
        found |= {before} | above(batches, before)
    return found


@given(works(), LIMITS)
def test_every_work_is_in_one_batch_exactly(some: Mapping[Key, Work], concurrency: int) -> None:
    keys = [each for batch in plan(some, concurrency) for each in batch.keys]
    assert sorted(keys) == sorted(some)


@given(works(), LIMITS)
def test_a_dependency_is_in_the_same_batch_before_or_in_one_that_is_waited_for(
    some: Mapping[Key, Work], concurrency: int
) -> None:
    batches = plan(some, concurrency)
    place = {each: number for number, batch in enumerate(batches) for each in batch.keys}
    for number, batch in enumerate(batches):
        for position, each in enumerate(batch.keys):
            for below in some[each].below & some.keys():
                if place[below] == number:
                    assert batch.keys.index(below) < position
                else:
                    assert place[below] in above(batches, number)


@given(works(), LIMITS)
def test_a_batch_waits_for_earlier_ones_only(some: Mapping[Key, Work], concurrency: int) -> None:
    for number, batch in enumerate(plan(some, concurrency)):
        assert all(before < number for before in batch.after)


@given(works(plain=True), LIMITS)
def test_what_belongs_together_is_never_split(some: Mapping[Key, Work], concurrency: int) -> None:
    batches = plan(some, concurrency)
    place = {each: number for number, batch in enumerate(batches) for each in batch.keys}
    for work in some.values():
        assert {place[each] for each in work.together} <= {place[work.key]}


@given(works())
def test_a_tie_is_given_up_only_where_it_would_join_two_docker_environments(
    some: Mapping[Key, Work],
) -> None:
    group_of = {each: group.number for group in groups_of(some) for each in group.keys}
    torn = [
        (work.key, each)
        for work in some.values()
        for each in work.together
        if group_of[each] != group_of[work.key]
    ]
    if torn:
        as_plain = {name: Work(name, w.seconds, w.below, w.together) for name, w in some.items()}
        groups = groups_of(as_plain)
        for one, other in torn:
            group = next(group for group in groups if one in group.keys)
            assert other in group.keys
            assert {DOCKER_AMD64, DOCKER_ARM64} <= {some[each].environment for each in group.keys}


@given(works(), LIMITS)
def test_a_batch_is_of_one_environment_in_which_all_its_works_run(
    some: Mapping[Key, Work], concurrency: int
) -> None:
    for batch in plan(some, concurrency):
        wanted = {some[each].environment for each in batch.keys} - {PLAIN}
        assert wanted in (set(), {batch.environment})
        assert batch.environment == PLAIN or wanted


@given(works(), LIMITS, st.randoms(use_true_random=False))
def test_never_more_than_concurrency_at_once_however_long_batches_take(
    some: Mapping[Key, Work], concurrency: int, chance: random.Random
) -> None:
    batches = plan(some, concurrency)
    over: set[int] = set()
    running: set[int] = set()
    while len(over) < len(batches):
        running |= set(startable(batches, over=over, running=running, concurrency=concurrency))
        assert 0 < len(running) <= concurrency
        ended = chance.choice(sorted(running))
        running.remove(ended)
        over.add(ended)


@given(works(plain=True), LIMITS)
def test_there_are_more_batches_than_concurrency_only_where_stages_force_it(
    some: Mapping[Key, Work], concurrency: int
) -> None:
    batches = plan(some, concurrency)
    if len(batches) > concurrency:
        assert any(batch.after for batch in batches)
    if concurrency == 1:
        assert len(batches) <= 1


@given(works(plain=True), LIMITS, st.integers(0, 300), st.integers(1, 8))
def test_a_split_is_never_slower_than_one_batch_by_its_own_estimate(
    some: Mapping[Key, Work], concurrency: int, provisioning: int, processors: int
) -> None:
    one = plan(some, 1, provisioning, processors)
    many = plan(some, concurrency, provisioning, processors)
    assert finish(many, concurrency) <= finish(one, 1)
    assert len(many) == 1 or not some or finish(many, concurrency) < finish(one, 1)


@given(works(plain=True), st.integers(0, 300), st.integers(1, 8))
def test_one_batch_takes_its_provisioning_and_its_longest_chain_or_its_share(
    some: Mapping[Key, Work], provisioning: int, processors: int
) -> None:
    chains: dict[Key, float] = {}

    def chain(name: Key) -> float:
        if name not in chains:
            before = [chain(below) for below in some[name].below & some.keys()]
            chains[name] = some[name].seconds + max(before, default=0)
        return chains[name]

    total = sum(work.seconds for work in some.values())
    for batch in plan(some, 1, provisioning, processors):
        assert batch.seconds == provisioning + max(*map(chain, some), total / processors, 0)


@given(works(), LIMITS, st.randoms(use_true_random=False))
def test_the_order_of_the_input_does_not_matter(
    some: Mapping[Key, Work], concurrency: int, chance: random.Random
) -> None:
    shuffled = list(some.items())
    chance.shuffle(shuffled)
    assert plan(dict(shuffled), concurrency) == plan(some, concurrency)


def test_ten_dirty_images_on_a_dirty_base_are_one_batch_with_concurrency_1() -> None:
    base = Work(key(0), 60)
    images = [Work(key(n), 20, frozenset({base.key}), frozenset({base.key})) for n in range(1, 11)]
    (batch,) = plan(mapping(base, *images), 1)
    assert batch.keys[0] == base.key
    assert batch.short


def test_ten_dirty_images_on_a_dirty_base_are_one_batch_with_any_concurrency() -> None:
    base = Work(key(0), 60)
    images = [Work(key(n), 200, frozenset({base.key}), frozenset({base.key})) for n in range(1, 11)]
    assert len(plan(mapping(base, *images), 5)) == 1


def test_independent_work_is_split_when_that_finishes_earlier() -> None:
    some = mapping(*(Work(key(n), 300) for n in range(6)))
    assert [len(batch.keys) for batch in plan(some, 3)] == [2, 2, 2]


def test_what_a_provisioning_costs_is_not_spent_on_work_that_does_not_gain_by_it() -> None:
    some = mapping(Work(key(0), 300), *(Work(key(n), 10) for n in range(1, 5)))
    assert len(plan(some, 5)) == 1


def test_a_shared_dependency_is_made_first_where_that_finishes_earlier() -> None:
    shared = Work(key(0), 10)
    users = [Work(key(n), 600, frozenset({shared.key})) for n in range(1, 5)]
    first, *rest = plan(mapping(shared, *users), 4, processors=1)
    assert first.keys == (shared.key,)
    assert [batch.after for batch in rest] == [frozenset({0})] * 4


def test_a_shared_dependency_stays_where_a_stage_of_its_own_costs_more_than_it_gains() -> None:
    shared = Work(key(0), 10)
    users = [Work(key(n), 20, frozenset({shared.key})) for n in range(1, 5)]
    assert len(plan(mapping(shared, *users), 4)) == 1


def test_what_lies_between_works_that_belong_together_travels_with_them() -> None:
    base, middle = Work(key(0), 500), Work(key(1), 500, frozenset({key(0)}))
    image = Work(key(2), 500, frozenset({key(0), key(1)}), frozenset({key(0)}))
    assert len(plan(mapping(base, middle, image), 3, processors=1)) == 1


def test_what_two_docker_environments_share_is_made_before_both() -> None:
    shared = Work(key(0), 10)
    amd64 = Work(key(1), 300, frozenset({shared.key}), environment=DOCKER_AMD64)
    arm64 = Work(key(2), 300, frozenset({shared.key}), environment=DOCKER_ARM64)
    first, *rest = plan(mapping(shared, amd64, arm64), 2)
    assert (first.keys, first.environment) == ((shared.key,), PLAIN)
    assert {batch.environment for batch in rest} == {DOCKER_AMD64, DOCKER_ARM64}
    assert [batch.after for batch in rest] == [frozenset({0})] * 2


def test_two_docker_environments_take_turns_with_concurrency_1() -> None:
    shared = Work(key(0), 10)
    amd64 = Work(key(1), 300, frozenset({shared.key}), environment=DOCKER_AMD64)
    arm64 = Work(key(2), 300, frozenset({shared.key}), environment=DOCKER_ARM64)
    first, second = plan(mapping(shared, amd64, arm64), 1)
    assert {first.environment, second.environment} == {DOCKER_AMD64, DOCKER_ARM64}
    assert (shared.key in first.keys, second.after) == (True, frozenset({0}))


def test_plain_work_upon_two_docker_environments_comes_after_both() -> None:
    amd64 = Work(key(0), 300, environment=DOCKER_AMD64)
    arm64 = Work(key(1), 300, environment=DOCKER_ARM64)
    plain = Work(key(2), 5, frozenset({amd64.key, arm64.key}))
    batches = plan(mapping(amd64, arm64, plain), 2)
    assert [len(batch.keys) for batch in batches] == [1, 1, 1]
    assert [batch.after for batch in batches] == [frozenset(), frozenset(), frozenset({0, 1})]


def test_docker_work_does_not_go_where_there_is_room_but_another_environment() -> None:
    amd64 = [Work(key(n), seconds, environment=DOCKER_AMD64) for n, seconds in enumerate((300, 100))]
    arm64 = Work(key(2), 10, environment=DOCKER_ARM64)
    plain = Work(key(3), 200)
    batches = plan(mapping(*amd64, arm64, plain), 2, processors=1)
    assert {batch.environment: batch.keys for batch in batches} == {
        DOCKER_AMD64: (key(0), key(1)),
        DOCKER_ARM64: (key(2), key(3)),
    }


def test_a_build_that_took_docker_work_takes_none_of_another_environment() -> None:
    amd64 = [Work(key(n), seconds, environment=DOCKER_AMD64) for n, seconds in enumerate((300, 290))]
    arm64 = [Work(key(n + 2), seconds, environment=DOCKER_ARM64) for n, seconds in enumerate((300, 280))]
    batches = plan(mapping(*amd64, *arm64), 3, processors=1)
    assert sorted(batch.keys for batch in batches) == [(key(0),), (key(1),), (key(2), key(3))]


def test_the_longest_work_finds_its_place_first() -> None:
    some = mapping(*(Work(key(n), seconds) for n, seconds in enumerate((100, 100, 200))))
    batches = plan(some, 2, processors=1)
    assert sorted(batch.keys for batch in batches) == [(key(0), key(1)), (key(2),)]


def test_of_ties_that_two_docker_environments_share_those_within_one_stay() -> None:
    base = Work(key(0), 10)
    tied = frozenset({base.key})
    arm64 = Work(key(1), 10, tied, tied, DOCKER_ARM64)
    amd64 = Work(key(2), 500, tied, tied, DOCKER_AMD64)
    upon = [Work(key(n), 500, frozenset({amd64.key}), frozenset({amd64.key}), DOCKER_AMD64) for n in (3, 4)]
    groups = {group.keys for group in groups_of(mapping(base, arm64, amd64, *upon))}
    assert groups == {(base.key,), (arm64.key,), (key(2), key(3), key(4))}


def test_what_stands_on_a_docker_image_alone_needs_no_build_of_its_own() -> None:
    shared = Work(key(0), 10)
    below = frozenset({shared.key})
    dockers = [
        Work(key(1), 300, below, environment=DOCKER_AMD64),
        Work(key(2), 300, below, environment=DOCKER_ARM64),
    ]
    plain = [Work(key(n + 2), 5, frozenset({key(n)})) for n in (1, 2)]
    _, *rest = plan(mapping(shared, *dockers, *plain), 2)
    assert sorted(batch.keys for batch in rest) == [(key(1), key(3)), (key(2), key(4))]


def test_a_batch_that_is_long_or_needs_docker_is_not_for_lambda_compute() -> None:
    long = mapping(Work(key(0), 700))
    docker = mapping(Work(key(0), 1, environment=DOCKER_ARM64))
    assert [batch.short for batch in (*plan(long, 1), *plan(docker, 1))] == [False, False]


def test_nothing_to_do_is_no_batch() -> None:
    assert plan({}, 3) == ()


def test_a_thousand_images_with_shared_layers_are_all_scheduled() -> None:
    layers = [Work(key(n), 0.2) for n in range(3000)]
    images = [
        Work(key(10_000 + n), 1.0, frozenset(layers[(n * 7 + i * i) % 3000].key for i in range(12)))
        for n in range(1000)
    ]
    batches = plan(mapping(*layers, *images), 20)
    assert sum(len(batch.keys) for batch in batches) == 4000


def test_a_long_chain_does_not_exhaust_the_stack() -> None:
    some = [Work(key(n), 1, frozenset({key(n - 1)})) for n in range(5000)]
    (batch,) = plan(mapping(*some), 3)
    assert len(batch.keys) == 5000


@pytest.mark.parametrize(
    ("tool", "platform", "name"),
    [
        ("image", "linux/arm64", "plain"),
        ("layer", "any", "plain"),
        ("dockerfile", "linux/amd64", "docker-amd64"),
        ("dockerfile", "linux/arm64", "docker-arm64"),
        ("dockerfile", "linux/arm64/v8", "docker-arm64"),
    ],
)
def test_only_dockerfiles_need_a_docker_environment(tool: str, platform: str, name: str) -> None:
    assert environment_of(tool, platform).name == name
