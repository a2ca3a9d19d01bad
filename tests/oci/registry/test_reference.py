from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lambdabuild.errors import UserError
from lambdabuild.oci.digest import sha256_of
from lambdabuild.oci.registry.reference import Reference, api_host, check_version, parse_reference

HEX = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
DIGEST = f"sha256:{HEX}"

hosts = st.one_of(
    st.sampled_from(["localhost", "localhost:5000", "[::1]:5000", "Host", "127.0.0.1:1", "docker.io"]),
    st.from_regex(r"[a-z0-9]([a-z0-9-]{0,5}[a-z0-9])?\.[a-z]{2,4}(:[1-9][0-9]{0,3})?", fullmatch=True),
)
repositories = st.from_regex(
    r"[a-z0-9]{1,5}((\.|_|__|-{1,3})[a-z0-9]{1,3})?(/[a-z0-9]{1,5}(\.[a-z0-9]{1,3})?){0,3}", fullmatch=True
)
tags = st.from_regex(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}", fullmatch=True)
digests = st.binary(max_size=3).map(sha256_of)


@st.composite
def references(draw: st.DrawFn) -> Reference:
    host, repository = draw(hosts), draw(repositories)
    if host == "docker.io" and "/" not in repository:
        repository = f"library/{repository}"
    return Reference(host, repository, draw(st.none() | tags), draw(st.none() | digests))


@given(references())
def test_a_reference_parses_as_itself(reference: Reference) -> None:
    assert parse_reference(str(reference)) == reference


@given(st.text("aA0._-/:@[]", max_size=40) | st.text(max_size=10))
@example("a\n")
@example(f"a@{DIGEST}\n")
@example("\N{ARABIC-INDIC DIGIT ONE}")
def test_what_parses_names_the_same_in_full_and_anything_else_is_refused(text: str) -> None:
    refused = None
    try:
        assert parse_reference(str(parse_reference(text))) == parse_reference(text)
        assert str(parse_reference(text)).endswith(text.removeprefix("index."))
    except UserError as error:
        refused = error
    if refused:
        assert repr(text) in refused.message
        assert refused.hint


@pytest.mark.parametrize(
    ("text", "full"),
    [
        ("python", "docker.io/library/python"),
        ("python:3.12", "docker.io/library/python:3.12"),
        ("python:5000/x", None),  # a host with the port 5000
        ("me/python", "docker.io/me/python"),
        ("docker.io/python", "docker.io/library/python"),
        ("index.docker.io/me/python", "docker.io/me/python"),
        ("registry-1.docker.io/python", "docker.io/library/python"),
        ("localhost/python", "localhost/python"),
        ("localhost:5000/python:1", "localhost:5000/python:1"),
        ("Machine/python", "Machine/python"),
        ("ghcr.io/a/b__c/d-e--f@" + DIGEST, "ghcr.io/a/b__c/d-e--f@" + DIGEST),
        ("ghcr.io/a:1@" + DIGEST, "ghcr.io/a:1@" + DIGEST),
        ("[fe80::1]:5000/a", "[fe80::1]:5000/a"),
    ],
)
def test_names_are_completed_as_docker_does(text: str, full: str | None) -> None:
    assert str(parse_reference(text)) == (full or text)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "'library/' is no repository"),
        ("Python", "the repository 'library/Python' has capital letters"),
        ("ghcr.io/a//b", "'a//b' is no repository"),
        ("ghcr.io/../b", "'../b' is no repository"),
        ("ghcr.io/a/", "'a/' is no repository"),
        ("ghcr.io/a___b", "'a___b' is no repository"),
        ("ghcr.io:70000/a", "'ghcr.io:70000' is no host"),
        ("-x.io/a", "'-x.io' is no host"),
        ("user@ghcr.io/a", "'ghcr.io/a' is no sha256 digest"),
        ("https://ghcr.io/a", "'https:' is no host"),
        ("a:", "'' is no tag"),
        ("a:.b", "'.b' is no tag"),
        ("a:" + "b" * 129, "is no tag"),
        ("a@", "'' is no sha256 digest"),
        ("a@sha512:" + "0" * 128, "is no sha256 digest"),
        ("a@" + DIGEST.upper(), "is no sha256 digest"),
        (HEX, "64 hex digits are an image's ID"),
        ("ghcr.io/" + "a" * 248, "longer than 255 characters"),
    ],
)
def test_what_docker_refuses_is_refused(text: str, told: str) -> None:
    with pytest.raises(UserError) as caught:
        parse_reference(text)
    assert told in caught.value.message
    assert repr(text) in caught.value.message
    assert "public.ecr.aws/lambda/python:3.12" in (caught.value.hint or "")


def test_a_reference_cannot_be_made_of_parts_that_do_not_parse() -> None:
    with pytest.raises(UserError, match="is no repository"):
        Reference("ghcr.io", "a?b")


@pytest.mark.parametrize(("text", "version"), [("a", "latest"), ("a:1", "1"), (f"a:1@{DIGEST}", DIGEST)])
def test_a_digest_prevails_over_a_tag(text: str, version: str) -> None:
    assert parse_reference(text).version == version


def test_docker_hub_is_asked_at_another_host() -> None:
    assert api_host(parse_reference("python").host) == "registry-1.docker.io"
    assert api_host("ghcr.io") == "ghcr.io"


@pytest.mark.parametrize("version", ["", "a/b", "../x", "sha256:0", "a?b", "a b", "sha512:" + "0" * 128])
def test_what_is_neither_tag_nor_digest_is_refused(version: str) -> None:
    with pytest.raises(UserError, match="is neither a tag nor a digest"):
        check_version(version)
