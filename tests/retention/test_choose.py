"""What is in use stays, whatever else is true of it; what goes, nobody needs."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from lambdabuild.oci.digest import OciDigest, sha256_of
from lambdabuild.retention.choose import BASE, DAY, FOREIGN, LAST, RUNNING, UNKNOWN, YOUNG, Needs, choose
from lambdabuild.retention.held import Held, Origin

NOW = 1000 * DAY
NEEDS = Needs("shop", frozenset(), frozenset(), 0, 30, NOW)


def digest(text: str) -> OciDigest:
    return sha256_of(text.encode())


LAYERS = tuple(digest(f"layer {number}") for number in range(4))


@st.composite
def images(draw: st.DrawFn) -> list[Held]:
    """A few repositories' images: of our targets and others', young and old, tagged and not."""
    found = {}
    for number in draw(st.lists(st.integers(0, 9), unique=True, min_size=1, max_size=8)):
        origin = Origin(
            draw(st.sampled_from(["shop", "shop", "shop", "mine"])),
            draw(st.sampled_from(["//:a", "//:b"])),
            "linux/amd64",
            f"hash {number}",
        )
        layers = LAYERS[: draw(st.integers(0, 4))]
        image = Held(
            draw(st.sampled_from(["host/a", "host/b"])),
            digest(str(number)),
            tuple(draw(st.lists(st.sampled_from(["b3-x", "stable", "live-f-1"]), unique=True, max_size=2))),
            draw(st.none() | st.integers(0, 100).map(lambda days: NOW - days * DAY)),
            layers,
            dict.fromkeys((digest(str(number)), *layers), 10),
            tuple(digest(str(each)) for each in draw(st.lists(st.integers(0, 9), max_size=1))),
            draw(st.sampled_from([(origin,), (origin,), ()])),
        )
        found[image.digest] = image
    return list(found.values())


@st.composite
def needs(draw: st.DrawFn) -> Needs:
    numbers = st.frozensets(st.integers(0, 9), max_size=3)
    return replace(
        NEEDS,
        live=frozenset(f"hash {each}" for each in draw(numbers)),
        running=frozenset(digest(str(each)) for each in draw(numbers)),
        last=draw(st.integers(0, 3)),
        days=draw(st.integers(1, 60)),
    )


@given(images(), needs())
def test_what_goes_is_run_by_nobody_live_nowhere_tagged_for_nobody_ours_and_old(
    held: list[Held], wanted: Needs
) -> None:
    for each in choose(held, wanted).gone:
        assert each.digest not in wanted.running
        assert not {origin.hash for origin in each.origins} & wanted.live
        assert all(tag.startswith("b3-") for tag in each.tags)
        assert {origin.workspace for origin in each.origins} == {wanted.workspace}
        assert each.at is not None
        assert NOW - each.at > wanted.days * DAY


@given(images(), needs())
def test_nothing_that_stays_is_made_of_what_goes(held: list[Held], wanted: Needs) -> None:
    choice = choose(held, wanted)
    for kept in (each for found in choice.kept.values() for each in found):
        for gone in choice.gone:
            assert gone.digest not in kept.parts
            assert (
                not gone.layers
                or kept.layers[: len(gone.layers)] != gone.layers
                or kept.layers == gone.layers
            )


@given(images(), needs())
def test_every_image_either_goes_or_stays_for_one_reason(held: list[Held], wanted: Needs) -> None:
    choice = choose(held, wanted)
    told = [*choice.gone, *(each for found in choice.kept.values() for each in found)]
    assert sorted(each.digest for each in told) == sorted(each.digest for each in held)


@given(images(), needs())
def test_when_what_went_is_gone_nothing_more_goes(held: list[Held], wanted: Needs) -> None:
    gone = {each.digest for each in choose(held, wanted).gone}
    left = [each for each in held if each.digest not in gone]
    assert choose(left, wanted).gone == ()


@given(images(), needs(), st.integers(0, 9))
def test_a_further_use_lets_nothing_more_go(held: list[Held], wanted: Needs, number: int) -> None:
    used = replace(wanted, running=wanted.running | {digest(str(number))})
    assert set(told(held, used)) <= set(told(held, wanted))


def told(held: list[Held], wanted: Needs) -> list[OciDigest]:
    return [each.digest for each in choose(held, wanted).gone]


def aged(number: int, days: float, **changes: object) -> Held:
    origin = Origin("shop", "//:a", "linux/amd64", f"hash {number}")
    image = Held("host/a", digest(str(number)), ("b3-x",), NOW - days * DAY, origins=(origin,))
    return replace(image, **changes)  # type: ignore[arg-type]


def test_a_base_of_what_stays_stays_and_so_does_a_part_of_an_index_with_its_own_base() -> None:
    base, image = aged(1, 50, layers=LAYERS[:1]), aged(2, 1, layers=LAYERS[:2])
    other, part = aged(3, 50, layers=LAYERS[2:3]), aged(4, 50, layers=LAYERS[2:])
    index = aged(5, 50, parts=(part.digest,), origins=())
    held = [base, image, other, part, index]
    assert choose(held, NEEDS).kept[BASE] == (base, other, part)
    assert len(choose([base, other, part], NEEDS).gone) == 3


def test_what_another_workspace_has_made_as_well_stays() -> None:
    (ours,) = aged(1, 50).origins
    held = [aged(1, 50, origins=(ours, replace(ours, workspace="mine"))), aged(2, 50)]
    choice = choose(held, NEEDS)
    assert choice.kept == {FOREIGN: (held[0],)}
    assert choice.gone == (held[1],)


def test_the_last_of_each_target_stay_however_old_they_are() -> None:
    held = [aged(number, 100 + number) for number in range(5)]
    choice = choose(held, replace(NEEDS, last=2))
    assert choice.gone == tuple(sorted(held[2:], key=lambda each: each.digest))
    assert choice.kept == {LAST: (held[0], held[1])}


def test_nothing_goes_on_the_day_it_was_pushed_whatever_the_settings_say() -> None:
    held = [aged(1, 0.9), aged(2, 1.1), aged(3, 50, at=None)]
    choice = choose(held, replace(NEEDS, days=0))
    assert choice.gone == (held[1],)
    assert choice.kept == {YOUNG: (held[0], held[2])}


def test_what_nobody_has_recorded_stays_and_so_does_what_runs_elsewhere_under_the_same_digest() -> None:
    held = [aged(1, 50, origins=()), aged(2, 50), aged(2, 50, place="host/b")]
    choice = choose(held, replace(NEEDS, running=frozenset({digest("2")})))
    assert choice.kept == {UNKNOWN: (held[0],), RUNNING: (held[1], held[2])}


def test_bytes_that_another_image_of_the_repository_has_are_not_freed() -> None:
    shared, own = digest("shared"), digest("own")
    gone = aged(1, 50, sizes={digest("1"): 1, shared: 100, own: 10})
    stays = aged(2, 0, sizes={digest("2"): 1, shared: 100})
    assert choose([gone, stays], NEEDS).freed("host/a") == 11
    assert choose([gone, replace(stays, place="host/b")], NEEDS).freed("host/a") == 111
