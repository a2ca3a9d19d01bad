"""Packs and segments as bytes: out comes what went in, and nothing else ever does harm."""

from __future__ import annotations

import json
import random
import tracemalloc
import zlib
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lambdabuild.digest import CHUNK, Digest, Key, digest_of
from lambdabuild.store.s3.packs import (
    DEFLATED,
    ENCODINGS,
    LARGE,
    STORED,
    DamagedError,
    Member,
    PackWriter,
    blob_of,
    compressed,
    decoded,
    write_encoded,
)
from lambdabuild.store.s3.segments import (
    Document,
    Entry,
    decode_index,
    decode_results,
    encode_index,
    encode_results,
    made_at,
    merge_indexes,
    merge_results,
)

blobs = st.binary(max_size=300) | st.integers(0, 5000).map(lambda n: b"ab" * n)
names = st.binary(max_size=4).map(lambda data: digest_of(data).hash)
counts = st.integers(0, 1 << 50)
members = st.builds(Member, st.builds(Digest, names, counts), counts, counts, st.sampled_from(ENCODINGS))
indexes = st.dictionaries(names, st.lists(members, min_size=1, max_size=4, unique=True), max_size=4)
documents = st.builds(Document, names, counts, counts, counts, st.sampled_from(ENCODINGS))
entries = st.builds(Entry, st.binary(max_size=20), counts, st.none() | counts.map(float), documents)
results = st.dictionaries(names.map(Key), entries, max_size=4)


# --- packs -------------------------------------------------------------------


@given(st.lists(blobs, max_size=6))
@example([b"", b"a", b"a" * 1000])
def test_a_pack_is_its_members_one_after_the_other(contents: list[bytes]) -> None:
    writer = PackWriter()
    for data in contents:
        writer.add(digest_of(data), data)
    pack = writer.take()
    assert writer.take() is None
    if pack is None:
        assert contents == []
        return
    assert pack.name == digest_of(pack.data).hash
    end = 0
    for member, data in zip(pack.members, contents, strict=True):
        assert member.offset == end
        end += member.length
        assert blob_of(pack.data[member.offset : end], member.encoding, member.digest) == data
        assert member.length <= len(data)
    assert end == len(pack.data)


@given(blobs, st.data())
def test_no_damage_to_a_member_gives_other_bytes(data: bytes, choice: st.DataObject) -> None:
    stored, encoding = compressed(data)
    damaged = choice.draw(
        st.binary(max_size=400)
        | st.integers(0, len(stored)).map(lambda n: stored[:n])
        | st.just(stored + b"\0")
        | st.integers(0, max(0, len(stored) * 8 - 1)).map(lambda bit: _flipped(stored, bit))
    )
    for how in ENCODINGS:
        try:
            assert blob_of(damaged, how, digest_of(data)) == data
        except DamagedError:
            assert damaged != stored or how != encoding


def _flipped(data: bytes, bit: int) -> bytes:
    flipped = bytearray(data)
    if flipped:
        flipped[bit // 8] ^= 1 << bit % 8
    return bytes(flipped)


@pytest.mark.parametrize("size", [0, 1, 1000, (1 << 20) - 1])
def test_a_bomb_takes_no_more_memory_than_its_digest_names(size: int) -> None:
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = deflate.compress(bytes(30 << 20)) + deflate.flush()
    tracemalloc.start()
    with pytest.raises(DamagedError):
        blob_of(bomb, DEFLATED, Digest("0" * 64, size))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * size + 2 * len(bomb) + (1 << 17)


def test_a_digest_of_a_huge_size_allocates_nothing() -> None:
    stored, encoding = compressed(b"a" * 1000)
    tracemalloc.start()
    for how in (STORED, encoding):
        with pytest.raises(DamagedError):
            blob_of(stored, how, Digest("0" * 64, 1 << 50))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 18


@given(
    st.lists(st.binary(max_size=100) | st.integers(1, 3 * CHUNK).map(bytes), max_size=4), st.integers(1, 5000)
)
def test_a_large_blob_comes_out_of_its_pieces_as_it_went_in(pieces: list[bytes], cut: int) -> None:
    written = bytearray()
    blob, stored, encoding = write_encoded(pieces, written.extend)
    data, out = b"".join(pieces), bytes(written)
    assert (blob, stored) == (digest_of(data), digest_of(out))
    cuts = [out[i : i + cut] for i in range(0, len(out), cut)] if len(out) < 100_000 else [out]
    assert b"".join(decoded(cuts, encoding, len(data))) == data


def test_a_stream_ends_where_its_bytes_end() -> None:
    stored, encoding = compressed(b"a" * 1000)
    for wrong in (stored[:-1], stored + b"\0", stored + stored, b""):
        with pytest.raises(DamagedError):
            b"".join(decoded([wrong], encoding, 1000))
        with pytest.raises(DamagedError):
            b"".join(decoded([wrong[i : i + 1] for i in range(len(wrong))], encoding, 1000))


def test_what_does_not_compress_is_stored_as_it_is() -> None:
    noise = random.Random(1).randbytes(LARGE)
    assert write_encoded([noise], lambda data: None)[2] == STORED
    assert write_encoded([bytes(LARGE)], lambda data: None)[2] == DEFLATED
    assert compressed(noise[:100]) == (noise[:100], STORED)


# --- segments ----------------------------------------------------------------


@given(indexes)
def test_an_index_is_decoded_as_it_was_encoded(objects: Mapping[str, list[Member]]) -> None:
    assert decode_index(encode_index(objects)) == objects


@given(results)
def test_results_are_decoded_as_they_were_encoded(found: Mapping[Key, Entry]) -> None:
    assert decode_results(encode_results(found)) == found


def test_no_two_segments_have_one_name() -> None:
    assert encode_index({}) != encode_index({})


@given(st.binary(max_size=200))
def test_random_bytes_are_no_segment(data: bytes) -> None:
    for decode in (decode_index, decode_results):
        with pytest.raises(DamagedError):
            decode(data)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | names,
    lambda inner: (
        st.lists(inner, max_size=8) | st.dictionaries(names | st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(
    st.fixed_dictionaries(
        {"version": st.just(1)}, optional=dict.fromkeys(("objects", "entries", "packs"), json_values)
    )
)
def test_other_documents_are_segments_only_if_they_say_what_segments_say(document: dict[str, Any]) -> None:
    data = deflated(json.dumps(document).encode())
    for decode, encode in ((decode_index, encode_index), (decode_results, encode_results)):
        try:
            decoded_ = decode(data)
        except DamagedError:
            continue
        assert decode(encode(decoded_)) == decoded_  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "line",
    [
        ["0" * 64, 1, 0, 1],
        ["0" * 64, 1, 0, 1, 2],
        ["0" * 64, 1, 0, 1, True],
        ["0" * 64, -1, 0, 1, 0],
        ["0" * 64, 1, -1, 1, 0],
        ["0" * 64, 1.0, 0, 1, 0],
        ["0" * 64, 1 << 51, 0, 1, 0],
        ["0" * 63, 1, 0, 1, 0],
        ["F" * 64, 1, 0, 1, 0],
        ["../" + "0" * 61, 1, 0, 1, 0],
        {"hash": "0" * 64},
        None,
    ],
)
def test_a_member_that_says_something_else_makes_its_segment_damaged(line: object) -> None:
    document = {"version": 1, "objects": {"0" * 64: [line]}}
    with pytest.raises(DamagedError):
        decode_index(deflated(json.dumps(document).encode()))


def test_deep_nesting_and_other_versions_are_damage() -> None:
    for text in (
        "[" * 100_000,
        '{"version":1,"objects":' + "[" * 100_000,
        '{"version":2,"objects":{}}',
        "[]",
        "{}",
    ):
        with pytest.raises(DamagedError):
            decode_index(deflated(text.encode()))


def deflated(data: bytes) -> bytes:
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    return deflate.compress(data) + deflate.flush()


# --- merging -----------------------------------------------------------------


@given(st.lists(indexes, max_size=4), st.dictionaries(names, counts))
def test_a_merged_index_says_what_its_segments_said_of_objects_that_are_there(
    segments: list[Mapping[str, list[Member]]], held: Mapping[str, int]
) -> None:
    merged = {(name, m) for name, ms in merge_indexes(segments, held).items() for m in ms}
    assert merged == {
        (name, m)
        for objects in segments
        for name, ms in objects.items()
        for m in ms
        if name in held and m.offset + m.length <= held[name]
    }


dated_results = st.tuples(results, st.integers(0, 1 << 40).map(float))


@given(st.lists(dated_results, max_size=4), st.randoms(use_true_random=False))
def test_the_order_of_segments_does_not_matter(
    segments: list[tuple[Mapping[Key, Entry], float]], chance: random.Random
) -> None:
    shuffled = chance.sample(segments, len(segments))
    assert _told(merge_results(segments, 0)) == _told(merge_results(shuffled, 0))


@given(st.lists(dated_results, max_size=4), st.integers(0, 4))
def test_merging_merged_segments_is_merging_all_of_them(
    segments: list[tuple[Mapping[Key, Entry], float]], cut: int
) -> None:
    first, rest = segments[:cut], segments[cut:]
    twice = merge_results([(merge_results(first, 0), 0.0), *rest], 0)
    assert _told(twice) == _told(merge_results(segments, 0))


def _told(merged: Mapping[Key, Entry]) -> Mapping[Key, tuple[bytes, int, float]]:
    return {key: (entry.result, entry.count, made_at(entry)) for key, entry in merged.items()}


@given(st.lists(dated_results, max_size=4), counts)
def test_what_is_too_old_is_left_out(segments: list[tuple[Mapping[Key, Entry], float]], oldest: int) -> None:
    young = merge_results(segments, oldest)
    assert all(made_at(entry) >= oldest for entry in young.values())
    assert young.keys() == {
        key
        for found, written in segments
        for key, entry in found.items()
        if (written if entry.made is None else entry.made) >= oldest
    }
