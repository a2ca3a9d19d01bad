"""Images that nobody needs go, and nobody notices: functions answer, builds build, rollbacks roll back."""

from __future__ import annotations

import re
from dataclasses import replace as changed
from datetime import datetime, timedelta

import pytest

from lambdabuild.remote.environments import ENVIRONMENTS
from tests.cloud import moto_server
from tests.cloud.aws import access_key
from tests.cloud.deploys import POST, SHOP, Shop, all_answer
from tests.cloud.faults import FOR_EVER, Rule, around
from tests.cloud.shelves import tagged
from tests.oci.registry.proxy import Fault, Forward, change
from tests.oci.registry.server import Reply, Request

_MODIFIED = re.compile(rb"<LastModified>([^<]+)</LastModified>")


def aged(days: int) -> Fault:
    """Lets S3 list everything as if it had been written so many days earlier."""

    def earlier(found: re.Match[bytes]) -> bytes:
        moment = datetime.fromisoformat(found[1].decode()) - timedelta(days=days)
        return f"<LastModified>{moment:%Y-%m-%dT%H:%M:%S.000Z}</LastModified>".encode()

    return change(lambda answer: changed(answer, body=_MODIFIED.sub(earlier, answer.body)))


def age(shop: Shop, days: int = 40) -> None:
    """Makes all images that have been pushed so far old, as far as anybody has recorded."""
    shop.cloud.s3.add(Rule(aged(days), method="GET", path=r"prefix=[^&]*lineage", times=FOR_EVER))


def keep(shop: Shop, last: int) -> None:
    text = (shop.team.root / "WORKSPACE.toml").read_text()
    shop.team.write({"WORKSPACE.toml": text.replace("[registry]", f"[registry]\nkeep_last = {last}")})


def write(shop: Shop, number: int) -> None:
    """Writes sources that no other test has: the same bytes would be in use by its functions, too."""
    own = f"# {shop.name}\n"
    shop.write(number, shop=SHOP + own, post=POST + own)


def deploy_all(shop: Shop, count: int) -> None:
    for number in range(1, count + 1):
        write(shop, number)
        ran = shop.deploy()
        assert ran.code == 0, ran.err


@pytest.fixture
def answering() -> bool:
    return False


@pytest.fixture
def versions() -> int:
    return 3


@pytest.fixture
def old(shop: Shop, versions: int) -> Shop:
    """Versions deployed one after the other, all old: nobody needs any but the last two."""
    keep(shop, 1)
    deploy_all(shop, versions)
    age(shop)
    return shop


def removals(shop: Shop) -> int:
    return len([each for each in shop.registry.requests if each.method == "DELETE"])


@pytest.mark.parametrize(("versions", "answering"), [(4, True)])
def test_after_cleaning_functions_answer_rollbacks_work_and_what_went_is_built_again(old: Shop) -> None:
    before = tagged(old)
    listed = old.run("clean", "--remote", "--json")
    assert listed.code == 0, listed.err
    assert listed.json["removed"] is False
    assert removals(old) == 0
    assert tagged(old) == before
    ran = old.run("clean", "--remote", "--yes", "--json")
    assert ran.code == 0, ran.err
    assert ran.json == {**listed.json, "removed": True}
    gone = {tag for image in ran.json["images"] for tag in image["tags"]}
    assert len(gone) == 4, ran.err
    assert tagged(old) == {tag: digest for tag, digest in before.items() if tag not in gone}
    assert old.answers() == all_answer(4)
    assert old.deploy().code == 0
    assert old.answers() == all_answer(4)
    assert old.run("deploy", "--rollback").code == 0
    assert old.answers() == all_answer(3)
    write(old, 1)
    again = old.deploy()
    assert again.code == 0, again.err
    assert old.answers() == all_answer(1)
    assert {tag: before[tag] for tag in gone}.items() & tagged(old).items()


def test_text_says_what_would_go_what_it_frees_and_why_the_rest_stays(old: Shop) -> None:
    ran = old.run("clean", "--remote")
    assert ran.code == 0, ran.err
    assert len(ran.out.splitlines()) == 2
    assert f"{old.registry.host}/{old.name}/shop  b3-" in ran.out
    assert "would remove 2 images, " in ran.err
    assert "a month; --yes does it" in ran.err
    assert "a function runs it, or a rollback may" in ran.err


def test_without_the_right_to_list_functions_or_to_look_at_them_nothing_is_removed(old: Shop) -> None:
    before = tagged(old)
    for action in ("ListFunctions", "GetFunction"):
        old.cloud.functions.denied.add((access_key("alice"), f"lambda:{action}"))
        ran = old.run("clean", "--remote", "--yes")
        assert ran.code == 3, ran.err
        assert f"lambda:{action}" in ran.err
        assert "hint: allow it to the role" in ran.err
        old.cloud.functions.reset()
    assert removals(old) == 0
    assert tagged(old) == before


@pytest.mark.parametrize("versions", [4])
def test_an_image_that_some_version_of_some_function_runs_stays(old: Shop) -> None:
    listed = old.run("clean", "--remote", "--json").json["images"]
    assert len(listed) == 4
    by_hand = old.cloud.functions.create(f"{old.name}-by-hand", listed[0]["image"])
    api = old.cloud.client("lambda", "admin")
    api.publish_version(FunctionName=by_hand.name)
    api.update_function_code(FunctionName=by_hand.name, ImageUri=listed[1]["image"])
    ran = old.run("clean", "--remote", "--yes", "--json")
    assert ran.code == 0, ran.err
    assert [each["image"] for each in ran.json["images"]] == [each["image"] for each in listed[2:]]


def test_a_function_that_moves_to_an_image_between_two_looks_keeps_it(old: Shop) -> None:
    listed = old.run("clean", "--remote", "--json").json["images"]
    name = f"{old.name}-late"
    made: list[object] = []

    def move(request: Request, forward: Forward) -> Reply:
        answer = forward(request)
        made.append(old.cloud.functions.create(name, listed[0]["image"]))
        return answer

    # When the first look has listed all functions.
    old.cloud.lambda_gate.add(Rule(move, method="GET", path=r"/functions/[^/]+\?Qualifier", times=1))
    ran = old.run("clean", "--remote", "--yes", "--json")
    assert ran.code == 0, ran.err
    assert len(made) == 1
    assert listed[0]["image"] not in [each["image"] for each in ran.json["images"]]
    assert len(ran.json["images"]) == 1


def test_while_a_build_is_under_way_nothing_is_removed(old: Shop) -> None:
    bucket, place = moto_server.client("s3"), old.team.place
    lease = (
        '{"version": 1, "leases": [{"order": "%s", "token": "t", "build": null, "project": "project", '
        '"environment": "%s", "client": "bob", "followers": [], "at": %d}]}'
    )
    name = next(iter(ENVIRONMENTS))
    now = bucket.list_buckets()["ResponseMetadata"]["HTTPHeaders"]["date"]
    seconds = datetime.strptime(now, "%a, %d %b %Y %H:%M:%S %Z").timestamp()
    key = f"{place.prefix}/leases.json"

    def begin() -> None:
        bucket.put_object(Bucket=place.bucket, Key=key, Body=(lease % ("0" * 64, name, seconds)).encode())

    begin()
    ran = old.run("clean", "--remote", "--yes")
    assert ran.code == 3, ran.err
    assert "builds are under way, of bob: nothing is removed meanwhile" in ran.err
    bucket.delete_object(Bucket=place.bucket, Key=key)
    # One that begins while the second look is under way.
    old.registry.add(Rule(around(after=begin), method="GET", path="/tags/list", first=4))
    assert old.run("clean", "--remote", "--yes").code == 3
    assert removals(old) == 0


@pytest.mark.parametrize("answering", [True])
def test_cut_off_in_the_middle_it_is_gone_on_with(old: Shop) -> None:
    listed = old.run("clean", "--remote", "--json").json["images"]
    refusal = Reply(403, b'{"errors": [{"code": "DENIED", "message": "no right to remove"}]}')
    old.registry.add(Rule(lambda request, forward: refusal, method="DELETE", first=2, times=FOR_EVER))
    ran = old.run("clean", "--remote", "--yes")
    assert ran.code == 2, ran.err
    old.registry.reset()
    again = old.run("clean", "--remote", "--yes", "--json")
    assert again.code == 0, again.err
    assert [each["image"] for each in again.json["images"]] == [each["image"] for each in listed[1:]]
    assert old.answers() == all_answer(3)
    assert old.run("clean", "--remote", "--json").json["images"] == []


def test_young_images_and_those_of_the_working_tree_stay(shop: Shop) -> None:
    keep(shop, 1)
    deploy_all(shop, 3)
    assert shop.run("clean", "--remote", "--json").json["images"] == []
    age(shop)
    assert len(shop.run("clean", "--remote", "--json").json["images"]) == 2
    write(shop, 1)
    assert shop.run("clean", "--remote", "--json").json["images"] == []


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("--yes",), "--since, --yes and --dry-run go with --remote"),
        (("--remote", "--cache"), "--remote is about registries and stores, and --cache about this machine"),
        (("--remote", "--yes", "--dry-run"), "--yes removes, and --dry-run does not"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    shop: Shop, arguments: tuple[str, ...], error: str
) -> None:
    ran = shop.run("clean", *arguments)
    assert ran.code == 2
    assert error in ran.err
