"""Where images go: laws of repositories and tags, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lambdabuild.errors import Location, UserError
from lambdabuild.label import Label, name_problem, package_problem, parse_label
from lambdabuild.oci.registry.reference import Reference
from lambdabuild.pushing.names import (
    Destination,
    check_tags,
    check_template,
    checked_repository,
    parse_destinations,
    repository_of,
    with_platform,
)

AT = Location("BUILD", 1, 1)
parts = st.text("aZ0._-+é /{}", min_size=1, max_size=12)
labels = st.builds(Label, parts | st.just(""), parts).filter(
    lambda label: package_problem(label.package) is None and name_problem(label.name) is None
)


@given(labels, st.sampled_from(["{package}/{name}", "{name}", "fn-{package}.{name}", "{package}"]))
@example(Label("a", "{package}"), "{name}")
@example(Label("", "..-"), "{package}/{name}")
def test_a_label_gives_a_repository_or_is_refused(label: Label, template: str) -> None:
    if any(c.isascii() and c.isalnum() for c in template.format(**label._asdict())):
        repository = repository_of(label, template)
        assert Reference("localhost", repository).repository == repository
        assert repository_of(Label("", repository), "{name}") == repository
    else:
        with pytest.raises(UserError, match="has no name that a repository could have"):
            repository_of(label, template)


@given(st.from_regex(r"[a-z0-9]+((\.|_|__|-{1,3})[a-z0-9]+){0,3}", fullmatch=True), st.just("a/b"))
def test_what_is_a_repository_already_stays_as_it_is(name: str, package: str) -> None:
    assert repository_of(Label(package, name)) == f"a/b/{name}"


@pytest.mark.parametrize(
    ("label", "repository"),
    [
        ("//infra/list_receipts:image", "infra/list_receipts/image"),
        ("//:image", "image"),
        ("//Infra/API:Image", "infra/api/image"),
        ("//a.._b:x+y", "a-b/x-y"),
        ("//a:_b_", "a/b"),
        ("//a:é/b", "a/b"),
        ("@python", "external/python"),
    ],
)
def test_repositories_of_labels(label: str, repository: str) -> None:
    assert repository_of(parse_label(label)) == repository


def test_a_label_without_a_usable_character_needs_a_repository_attribute() -> None:
    with pytest.raises(UserError, match="//:é has no name that a repository could have"):
        repository_of(Label("", "é"))


def test_a_template_without_fields_is_one_repository_for_all_images() -> None:
    assert repository_of(Label("infra/a", "image"), check_template("team/shop", AT)) == "team/shop"


@pytest.mark.parametrize("template", ["", "Fixed", "a//b", "{packages}", "{name", "{}{name}", "{name}}"])
def test_templates_are_made_of_package_and_name(template: str) -> None:
    with pytest.raises(UserError, match=r"registry\.repository cannot be"):
        check_template(template, AT)


@pytest.mark.parametrize("repository", ["A", "a//b", "/a", "a/", "a b", "-a", "a" * 250])
def test_a_repository_attribute_is_one_by_the_grammar(repository: str) -> None:
    with pytest.raises(UserError, match="cannot be a repository") as caught:
        checked_repository(repository, AT)
    assert caught.value.at == AT


def test_destinations_are_hosts_with_a_prefix_or_without() -> None:
    texts = ["localhost:5000", "ghcr.io/me/x", "[::1]:5000/a/", "ghcr.io/me/x/"]
    assert parse_destinations(texts) == (
        Destination("localhost:5000", ""),
        Destination("ghcr.io", "me/x"),
        Destination("[::1]:5000", "a"),
    )
    assert str(Destination("ghcr.io", "me").reference("a/b", "1")) == "ghcr.io/me/a/b:1"
    assert str(Destination("localhost", "").reference("a", "1")) == "localhost/a:1"


@pytest.mark.parametrize("text", ["", "/a", "https://ghcr.io/me", "ghcr.io/Me", "ghcr.io/a:1", "ghcr.io//a"])
def test_what_is_no_destination_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="is no registry to push to"):
        parse_destinations([text])


def test_tags_for_one_of_several_platforms_name_it() -> None:
    assert with_platform("v1", "linux/arm64") == "v1-arm64"
    with pytest.raises(UserError, match="is no tag"):
        with_platform("v" * 128, "linux/arm64")


@pytest.mark.parametrize("tag", ["", "a b", "-a", "sha256:" + "a" * 64, "x" * 129, "a/b"])
def test_what_is_no_tag_is_refused(tag: str) -> None:
    with pytest.raises(UserError, match="is no tag"):
        check_tags(["fine", tag])


def test_tags_are_not_taken_for_hashes() -> None:
    assert check_tags(["v1", "v1", "b3"]) == ("v1", "b3")
    with pytest.raises(UserError, match="could be taken for that of a hash"):
        check_tags(["b3-mine"])
