from __future__ import annotations

import hashlib
import json
from enum import IntEnum
from typing import Any

import blake3
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lambdabuild.digest import Canonical, Digest, Hasher, digest_of, encode, key_of

from .strategies import canonical, digests, nested, texts, uncanonical

EMPTY = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"


def typed(value: Any) -> object:
    """Returns what tells `value` from every other document, by means that Python cannot blur."""
    if isinstance(value, dict):
        return "dict", frozenset((key, typed(item)) for key, item in value.items())
    if isinstance(value, list | tuple):
        return "list", tuple(map(typed, value))
    return type(value).__name__, value


def without_order(value: Any, reverse: bool) -> Any:
    if isinstance(value, dict):
        items = [(key, without_order(item, reverse)) for key, item in value.items()]
        return dict(
            reversed(items)
            if reverse
            else sorted(items, key=lambda item: hashlib.md5(repr(item).encode()).digest())
        )
    return [without_order(item, reverse) for item in value] if isinstance(value, list) else value


@given(canonical, canonical)
@example(["a", "b"], ["asb"])
@example(["a", "b"], ["a,b"])
@example(["a", "b"], ['a","b'])
@example([["a"], "b"], [["a", "b"]])
@example({"a": "b"}, ["a", "b"])
@example({"a": {}}, {"a": []})
@example(True, 1)
@example(False, 0)
@example("1", 1)
@example("", None)
@example("null", None)
@example([], {})
@example([], [None])
@example(-1, "-1")
@example("é", "e\u0301")
@example("\\u00e9", "é")
@example({"a": 1, "b": 2}, {"b": 2, "a": 1})
@example({"a": True}, {"a": 1})
def test_encoding_is_injective(a: Any, b: Any) -> None:
    assert (encode(a) == encode(b)) == (typed(a) == typed(b))


@given(canonical)
def test_encoding_is_invariant_under_the_order_of_keys(value: Any) -> None:
    assert encode(value) == encode(without_order(value, True)) == encode(without_order(value, False))


@given(canonical)
def test_decoding_is_the_left_inverse_of_encoding(value: Any) -> None:
    assert typed(json.loads(encode(value))) == typed(value)


@given(canonical)
def test_encoding_is_idempotent_over_decoding(value: Any) -> None:
    assert encode(json.loads(encode(value))) == encode(value)


@given(st.lists(canonical, max_size=3))
def test_lists_and_tuples_are_the_same_sequence(value: list[Any]) -> None:
    assert encode(tuple(value)) == encode(value)


def test_the_encoding_of_a_document_never_changes() -> None:
    document: Canonical = {"b": [1, -2, True, None], "a": 'é"\\\n\x1f\x7f\u2028', "ä": {"": 10**30}, "Z": ()}
    text = (
        '{"Z":[],"a":"é\\"\\\\\\n\\u001f\x7f\u2028","b":[1,-2,true,null],'
        '"ä":{"":1000000000000000000000000000000}}'
    )
    assert encode(document) == text.encode()


def test_keys_sort_by_code_point_and_not_by_utf_16_unit() -> None:
    assert encode({"\U0001f40d": 1, "\uff5e": 2}) == '{"\uff5e":2,"\U0001f40d":1}'.encode()


class Colour(IntEnum):
    RED = 1


@given(nested(uncanonical))
@example(float("nan"))
@example(1.0)
@example([{"a": b""}])
@example(Colour.RED)
@example(bytearray(b"a"))
@example(frozenset("a"))
@example(Digest(EMPTY, 0))
def test_what_is_no_document_is_refused(value: Any) -> None:
    with pytest.raises(TypeError, match="has no canonical encoding"):
        encode(value)


@given(nested(st.one_of(st.none(), st.booleans(), st.integers(), st.tuples()).map(lambda key: {key: "x"})))
def test_keys_that_are_not_strings_are_refused(value: Any) -> None:
    with pytest.raises(TypeError, match="keys are strings"):
        encode(value)


@given(nested(st.builds(lambda a, c, b: a + c + b, texts, st.characters(categories=["Cs"]), texts)))
@example({"\ud800": 1})
@example(["\ud83d\udc0d"])  # a pair of surrogates is not the character they would make in UTF-16
def test_lone_surrogates_are_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="surrogates not allowed"):
        encode(value)


# --- keys --------------------------------------------------------------------


def test_the_key_of_a_document_never_changes() -> None:
    assert key_of("action", {"tool": "layer", "n": [1, True, None]}) == GOLDEN_KEY


GOLDEN_KEY = "0a72af1d7d2ec8cc68368173765d587f6fe0342d3acc73e3f10680129f0f409b"


@given(st.text("abc/ 1é", max_size=5), canonical)
def test_a_key_is_blake3_in_derive_key_mode_over_the_encoding(kind: str, document: Any) -> None:
    context = "lambdabuild 1 " + kind
    assert key_of(kind, document) == blake3.blake3(encode(document), derive_key_context=context).hexdigest()


@given(texts, texts, canonical, canonical)
@example("a", "ab", "b", "")
@example("action", "deep", {}, {})
def test_keys_are_equal_only_for_equal_kinds_and_documents(kind: str, other: str, a: Any, b: Any) -> None:
    assert (key_of(kind, a) == key_of(other, b)) == ((kind, typed(a)) == (other, typed(b)))


@given(texts, canonical)
def test_a_key_is_never_the_digest_of_its_document(kind: str, document: Any) -> None:
    assert key_of(kind, document) != digest_of(encode(document)).hash


# --- digests -----------------------------------------------------------------

# From the test vectors that BLAKE3 publishes: n bytes of 0, 1, …, 250, 0, 1, …
VECTORS = {
    0: EMPTY,
    1: "2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213",
    1023: "10108970eeda3eb932baac1428c7a2163b0e924c9a9e25b35bba72b28f70bd11",
    1024: "42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7",
    1025: "d00278ae47eb27b34faecf67b4fe263f82d5412916c1ffd97c8cb7fb814b8444",
}


@pytest.mark.parametrize("size", VECTORS)
def test_a_digest_is_plain_blake3_with_a_size(size: int) -> None:
    data = bytes(i % 251 for i in range(size))
    assert digest_of(data) == Digest(VECTORS[size], size)


@given(st.lists(st.binary(max_size=3000), max_size=5))
def test_digesting_is_associative_over_pieces(pieces: list[bytes]) -> None:
    hasher = Hasher()
    for piece in pieces:
        hasher.update(memoryview(piece))
    assert hasher.digest() == digest_of(b"".join(pieces))


@given(digests)
def test_parsing_is_the_left_inverse_of_printing(digest: Digest) -> None:
    assert Digest.parse(str(digest)) == digest


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/",
        EMPTY,
        f"{EMPTY}/",
        f"/{EMPTY}",
        f"{EMPTY[1:]}/0",
        f"{EMPTY}0/0",
        f"{EMPTY.upper()}/0",
        f"{'g' * 64}/0",
        f"{EMPTY}/-1",
        f"{EMPTY}/+1",
        f"{EMPTY}/01",
        f"{EMPTY}/ 1",
        f"{EMPTY}/1\n",
        f"{EMPTY}/1/",
        f"{EMPTY}/1_0",
        f"{EMPTY}/0x1",
        f"{EMPTY}/1.0",
        f"{EMPTY}/\u0663",
        f"blake3:{EMPTY}/0",
    ],
)
def test_what_is_no_digest_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a digest"):
        Digest.parse(text)


@given(st.text(st.sampled_from([*"0123456789abcdefABF/-+ ", "\u0663"]), max_size=70))
def test_only_what_prints_back_is_a_digest(text: str) -> None:
    try:
        digest = Digest.parse(text)
    except ValueError:
        return
    assert str(digest) == text
