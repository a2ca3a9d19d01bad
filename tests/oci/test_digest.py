from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdabuild.oci.digest import hex_of, parse_oci_digest, sha256_of

EMPTY = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_the_digest_of_nothing_is_the_well_known_one() -> None:
    assert sha256_of(b"") == EMPTY
    assert hex_of(sha256_of(b"")) == EMPTY[7:]


@given(st.binary())
def test_digests_parse_as_themselves(data: bytes) -> None:
    assert parse_oci_digest(sha256_of(data)) == sha256_of(data)


@pytest.mark.parametrize(
    "text",
    ["", EMPTY[7:], EMPTY[:-1], EMPTY + "0", EMPTY.upper(), EMPTY + "\n", "sha512:" + "0" * 128, " " + EMPTY],
)
def test_what_is_no_sha256_digest_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a sha256 digest"):
        parse_oci_digest(text)
