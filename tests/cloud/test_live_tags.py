"""Images that functions run have tags that say so, whoever deployed them and back."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lambdabuild.deploying.live_tags import MAX_TAG, live_tag
from lambdabuild.oci.registry.reference import Reference
from tests.cloud.deploys import FUNCTIONS, Shop, all_answer
from tests.cloud.faults import FOR_EVER, Rule
from tests.cloud.shelves import tagged
from tests.oci.registry.proxy import reply
from tests.oci.registry.server import Reply

_NAMES = st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True)
_ALIASES = st.from_regex(r"[A-Za-z0-9_-]{1,128}", fullmatch=True)


def running(shop: Shop) -> dict[str, str]:
    """Returns the digest of what each function runs, by the tag that it should have."""
    return {
        f"live-{shop.function_name(what)}-latest": str(shop.function(what).latest.digest)
        for what in FUNCTIONS
    }


def live(shop: Shop) -> dict[str, str]:
    return {tag: digest for tag, digest in tagged(shop).items() if tag.startswith("live-")}


@pytest.fixture
def answering() -> bool:
    return False


def test_a_tag_follows_its_function_to_another_image_and_back(shop: Shop) -> None:
    assert shop.deploy().code == 0
    first = live(shop)
    assert first == running(shop)
    shop.write(2)
    assert shop.deploy().code == 0
    assert live(shop) == running(shop)
    assert live(shop) != first
    shop.write(1)
    assert shop.deploy().code == 0
    assert live(shop) == first


def test_a_rollback_takes_the_tags_back(shop: Shop) -> None:
    assert shop.deploy().code == 0
    first = live(shop)
    shop.write(2)
    assert shop.deploy().code == 0
    assert shop.run("deploy", "--rollback").code == 0
    assert live(shop) == first == running(shop)


def test_versions_and_aliases_have_tags_of_their_own(shop: Shop) -> None:
    assert shop.deploy("//:post", "--publish").code == 0
    assert shop.deploy("//:post", "--alias", "prod").code == 0
    name = shop.function_name("send")
    assert set(live(shop)) == {f"live-{name}-1", f"live-{name}-prod"}


@pytest.mark.parametrize("answering", [True])
def test_a_tag_that_is_refused_is_a_note_and_the_next_deploy_makes_up_for_it(shop: Shop) -> None:
    refusal = reply(Reply(403, b'{"errors": [{"code": "DENIED", "message": "no right to tag"}]}'))
    shop.registry.add(Rule(refusal, method="PUT", path="/manifests/live-", times=FOR_EVER))
    ran = shop.deploy()
    assert ran.code == 0, ran.err
    assert shop.answers() == all_answer(1)
    assert f"has no tag live-{shop.function_name('buy')}-latest" in ran.err
    assert "hint: allow ecr:PutImage on " in ran.err
    assert live(shop) == {}
    shop.registry.reset()
    assert shop.deploy().code == 0
    assert live(shop) == running(shop)


@given(_NAMES, _ALIASES)
@example("f" * 64, "a" * 128)
def test_whatever_a_function_and_its_alias_are_called_their_tag_is_one(name: str, alias: str) -> None:
    tag = live_tag(name, alias)
    assert Reference("localhost", "any", tag).tag == tag
    assert len(tag) <= MAX_TAG
    assert tag != live_tag(name, alias + "x")
