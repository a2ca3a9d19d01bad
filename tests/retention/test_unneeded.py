"""What is needed of a store never goes; what nothing needs and is old does."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given

from lambdabuild.digest import Digest
from lambdabuild.retention.choose import DAY
from lambdabuild.retention.sweeping import choose_unneeded
from lambdabuild.retention.unneeded import StoreNeeds, Unneeded
from lambdabuild.store.s3.bucket import Listed
from lambdabuild.store.s3.packs import STORED, Member
from lambdabuild.store.s3.segments import Document, Entry
from lambdabuild.store.s3.survey import Survey
from tests.retention.surveys import (
    BLOBS,
    KEYS,
    NOW,
    OBJECTS,
    PACKS,
    outputs_of,
    result_of,
    store_needs,
    surveys,
)


def held_after(survey: Survey, gone: Unneeded) -> set[Digest]:
    """Returns the blobs that can be read once all is removed that goes."""
    members = survey.members()
    staying = {m.digest for name in members.keys() - gone.objects - gone.packs.keys() for m in members[name]}
    return staying | {m.digest for each in gone.packs.values() for m in each}


def held(survey: Survey) -> set[Digest]:
    return {member.digest for each in survey.members().values() for member in each}


@given(surveys(), store_needs())
def test_what_is_needed_never_goes(survey: Survey, needs: StoreNeeds) -> None:
    gone = choose_unneeded(survey, needs)
    assert not gone.results & needs.keys
    left = [entry for key, entry in survey.entries() if key not in gone.results]
    named = {digest for entry in left for digest in outputs_of(entry)}
    assert (named | needs.blobs) & held(survey) <= held_after(survey, gone)
    assert not {entry.document.pack for entry in left} & gone.documents.keys()


@given(surveys(), store_needs())
def test_what_is_young_never_goes(survey: Survey, needs: StoreNeeds) -> None:
    gone = choose_unneeded(survey, needs)
    oldest = NOW - max(needs.days, 1) * DAY
    assert not {key for key, entry in survey.entries() if entry.made and entry.made > oldest} & gone.results
    listed = {**survey.objects, **survey.documents}
    young = {name for name, each in listed.items() if each.modified > oldest}
    assert not young & {*gone.objects, *gone.packs, *gone.documents}


@given(surveys(), store_needs())
def test_what_is_old_and_nothing_needs_goes(survey: Survey, needs: StoreNeeds) -> None:
    gone = choose_unneeded(survey, needs)
    oldest = NOW - max(needs.days, 1) * DAY
    old = {name for name, each in survey.objects.items() if each.modified <= oldest}
    left = [(key, entry) for key, entry in survey.entries() if key not in gone.results]
    live = {entry.result for key, entry in left if key in needs.keys}
    young = {key for key, entry in left if entry.made and entry.made > oldest}
    # A key that stays keeps all its entries, if different builds have published different ones.
    kept = {key for key, entry in left if key in needs.keys or key in young or entry.result in live}
    assert {key for key, _ in left} == kept
    named = {digest for _, entry in left for digest in outputs_of(entry)} | needs.blobs
    unused = {name for name in old if not {m.digest for m in survey.members()[name]} & named}
    assert gone.objects.keys() == unused


@given(surveys(), store_needs())
def test_with_nothing_gone_of_the_results_what_any_of_them_names_stays(
    survey: Survey, needs: StoreNeeds
) -> None:
    everything = replace(needs, keys=frozenset(KEYS))
    named = {digest for _, entry in survey.entries() for digest in outputs_of(entry)}
    assert named & held(survey) <= held_after(survey, choose_unneeded(survey, everything))


DOCUMENT = Document(PACKS[0], 0, 1, 1, STORED)


def store(*results: bytes) -> Survey:
    """Returns a store with old results under KEYS, and one pack of the first four blobs."""
    members = [Member(blob, 10 * number, 10, STORED) for number, blob in enumerate(BLOBS[:4])]
    entries = {
        key: Entry(result, 1, NOW - 10 * DAY, DOCUMENT) for key, result in zip(KEYS, results, strict=False)
    }
    old = Listed(40, NOW - 10 * DAY, "")
    return Survey(NOW, {OBJECTS[0]: old}, {PACKS[0]: old}, {"i": {OBJECTS[0]: members}}, {"r": entries})


def test_a_result_stays_under_both_of_its_keys() -> None:
    one, other = result_of(BLOBS[0]), result_of(BLOBS[1])
    needs = StoreNeeds(frozenset(KEYS[:1]), frozenset(), 7)
    assert choose_unneeded(store(one, one, other), needs).results == {KEYS[2]}


def test_a_pack_of_which_little_is_needed_is_written_anew_and_one_of_which_much_is_stays() -> None:
    survey = store(result_of(BLOBS[0], BLOBS[1]), result_of(BLOBS[2]))
    two = choose_unneeded(survey, StoreNeeds(frozenset(KEYS[:1]), frozenset(), 7))
    assert {m.digest for m in two.packs[OBJECTS[0]]} == set(BLOBS[:2])
    assert (two.bytes, two.blobs, two.objects) == (20, 2, {})
    three = choose_unneeded(survey, StoreNeeds(frozenset(KEYS[:2]), frozenset(), 7))
    assert (three.bytes, three.packs, three.objects) == (0, {}, {})


def test_what_no_index_tells_of_goes_when_it_is_old() -> None:
    survey = replace(store(result_of(BLOBS[0])), index={})
    assert choose_unneeded(survey, StoreNeeds(frozenset(KEYS), frozenset(), 7)).objects == {OBJECTS[0]: 40}
    assert choose_unneeded(survey, StoreNeeds(frozenset(KEYS), frozenset(), 11)).objects == {}
