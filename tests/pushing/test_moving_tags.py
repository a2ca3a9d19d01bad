"""Tags that move: only to an image that is everywhere, and never one of lambdabuild's own."""

from __future__ import annotations

import pytest

from lambdabuild.commands.deliveries import origins_of
from lambdabuild.errors import UserError
from lambdabuild.oci.registry.client import Client
from lambdabuild.oci.registry.reference import parse_reference
from lambdabuild.pushing.delivery import _mutability_hint
from lambdabuild.pushing.names import check_tags
from lambdabuild.pushing.plan import plan_push, read_wishes
from lambdabuild.pushing.presence import absent_images
from tests.oci.registry.asking import Pauses, settings_of
from tests.oci.registry.proxy import reply
from tests.oci.registry.real import RealRegistry
from tests.oci.registry.server import Reply, error
from tests.project import Project

from .conftest import HANDLER
from .pushes import Place, push


def digest_of(place: Place, name: str, tag: str) -> str:
    head = place.repository(name).head(tag)
    assert head
    return head.digest


def changed(project: Project) -> None:
    project.write({"one.py": HANDLER.replace("1", "2")})


def test_a_tag_follows_what_is_pushed(project: Project, place: Place) -> None:
    push(project, place, "//:one", tags=["stable"])
    first = digest_of(place, "one", "stable")
    changed(project)
    result = push(project, place, "//:one", tags=["stable"])["//:one"]
    assert result.delivered
    assert digest_of(place, "one", "stable") == result.delivered.digest != first


def test_a_tag_comes_back_to_an_image_that_is_there(project: Project, place: Place) -> None:
    push(project, place, "//:one", tags=["stable"])
    first = digest_of(place, "one", "stable")
    changed(project)
    push(project, place, "//:one", tags=["stable"])
    project.write({"one.py": HANDLER})
    assert push(project, place, "//:one", tags=["stable"])["//:one"].status == "adopted"
    assert digest_of(place, "one", "stable") == first


def test_a_push_that_fails_leaves_the_tag_where_it_was(project: Project, place: Place) -> None:
    push(project, place, "//:one", tags=["stable"])
    before = digest_of(place, "one", "stable")
    changed(project)
    for method in ("POST", "PUT"):
        place.gate.plan(method, "/one/blobs/", reply(Reply(cut=-1)), times=1000)
    assert push(project, place, "//:one", tags=["stable"])["//:one"].status == "failed"
    assert digest_of(place, "one", "stable") == before


def test_a_tag_moves_nowhere_while_one_of_the_registries_lacks_the_image(
    project: Project, place: Place, other_registry: RealRegistry
) -> None:
    other = Place(place.gate, other_registry.host)
    places = [other.to, place.to]
    push(project, places, "//:one", tags=["stable"])
    before = digest_of(place, "one", "stable")
    changed(project)
    for method in ("POST", "PUT"):
        place.gate.plan(method, f"{place.prefix}/one/blobs/", reply(Reply(cut=-1)), times=1000)
    push(project, places, "//:one", tags=["stable"], keep_going=True)
    client = Client(settings_of(), Pauses())
    there = client.repository(parse_reference(f"{other.to}/one:stable"))
    assert len([tag for tag in there.tags() if tag.startswith("b3-")]) == 2  # pushed there
    head = there.head("stable")
    assert head
    assert head.digest == digest_of(place, "one", "stable") == before


def test_a_tag_that_cannot_move_is_a_failure_that_says_why(project: Project, place: Place) -> None:
    push(project, place, "//:one", tags=["stable"])
    before = digest_of(place, "one", "stable")
    changed(project)
    place.gate.plan("PUT", "/one/manifests/stable", reply(error(400, "TAG_INVALID", "the tag is immutable")))
    result = push(project, place, "//:one", tags=["stable"])["//:one"]
    assert result.status == "failed"
    assert result.error
    assert f"the tag stable of {place.to}/one names {before}" in result.error.message
    assert "cannot be moved there" in result.error.message
    assert digest_of(place, "one", "stable") == before
    assert sum(tag.startswith("b3-") for tag in place.tags("one")) == 2  # the image itself is there


def test_ecr_is_told_which_tags_may_move() -> None:
    hint = _mutability_hint("123456789012.dkr.ecr.eu-west-1.amazonaws.com/shop/one", "stable")
    assert hint == (
        "aws ecr put-image-tag-mutability --region eu-west-1 --repository-name shop/one "
        "--image-tag-mutability IMMUTABLE_WITH_EXCLUSION "
        "--image-tag-mutability-exclusion-filters filterType=WILDCARD,filter=stable"
    )


@pytest.mark.parametrize("tag", ["b3-mine", "live-shop-prod"])
def test_tags_that_lambdabuild_sets_are_refused(project: Project, tag: str) -> None:
    with pytest.raises(UserError, match="could be taken for"):
        check_tags([tag])
    ran = project.run("push", "--to", "localhost:1/x", "--tag", tag, "//:one")
    assert ran.code == 2
    project.write({"WORKSPACE.toml": f'[workspace]\n[registry]\ntags = ["{tag}"]\n'})
    assert project.run("push", "--to", "localhost:1/x", "//:one").code == 2
    assert not project.stored()


def test_tags_of_the_workspace_move_with_a_push_and_give_way_to_those_of_a_flag(
    project: Project, place: Place
) -> None:
    project.write({"WORKSPACE.toml": '[workspace]\n[registry]\ntags = ["stable"]\n'})
    assert project.run("push", "--to", place.to, "//:one").code == 0
    assert "stable" in place.tags("one")
    assert project.run("push", "--to", place.to, "--tag", "v1", "//:two").code == 0
    assert {tag for tag in place.tags("two") if not tag.startswith("b3-")} == {"v1"}


def test_an_image_is_absent_until_all_its_tags_name_it(project: Project, place: Place) -> None:
    def absent() -> set[str]:
        session = project.session()
        evaluation = session.evaluate(project.question("//:one"))
        wishes = read_wishes(session.workspace, [place.to], ["stable"])
        plan = plan_push(evaluation, wishes, origins_of(session))
        client = Client(settings_of(), Pauses())
        found = absent_images(plan, session.keys(evaluation).hashes, client, 2)
        return {id_.label.short for id_ in found}

    assert absent() == {"//:one"}
    push(project, place, "//:one")
    assert absent() == {"//:one"}
    push(project, place, "//:one", tags=["stable"])
    assert absent() == set()
    changed(project)
    push(project, place, "//:one")
    assert absent() == {"//:one"}  # stable names the one before
