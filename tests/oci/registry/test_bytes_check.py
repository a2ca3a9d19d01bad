from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdabuild.oci.digest import sha256_of
from lambdabuild.oci.registry.bytes_check import verified


class Wrong(Exception):
    pass


def got(pieces: list[bytes], right: bytes) -> tuple[bytes, str]:
    """Returns what is handed on, and what is said in the end."""
    received: list[bytes] = []

    def all_of() -> Iterator[None]:
        for piece in verified(pieces, sha256_of(right), len(right), Wrong):
            received.append(piece)
            yield

    try:
        list(all_of())
    except Wrong as wrong:
        return b"".join(received), str(wrong)
    return b"".join(received), ""


@given(st.lists(st.binary(max_size=5)))
def test_right_bytes_pass(pieces: list[bytes]) -> None:
    right = b"".join(pieces)
    assert got(pieces, right) == (right, "")


@given(st.lists(st.binary(max_size=5)), st.binary(max_size=9))
def test_wrong_bytes_never_pass_whole(pieces: list[bytes], right: bytes) -> None:
    given_bytes = b"".join(pieces)
    if given_bytes == right:
        return
    received, said = got(pieces, right)
    assert said
    assert received == given_bytes[: len(received)]
    assert len(received) < max(len(given_bytes), 1)


@pytest.mark.parametrize(
    ("data", "said"),
    [(b"abcd", "more than its 3 bytes"), (b"ab", "only 2 of its 3"), (b"abx", "other bytes")],
)
def test_what_is_wrong_is_told(data: bytes, said: str) -> None:
    assert said in got([data], b"abc")[1]
