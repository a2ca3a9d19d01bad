"""What nobody needs of the remote store goes, and no build notices: what lives runs nothing, the rest again."""

from __future__ import annotations

import json
import random
import subprocess
import threading
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from tests.cloud import moto_server
from tests.cloud.asked import Asked
from tests.cloud.aws import Cloud, access_key
from tests.cloud.clients import Client, begin, build, start
from tests.cloud.faults import Rule, around
from tests.cloud.guards import Denial
from tests.cloud.proxy import Proxy
from tests.cloud.remote import Ran, Team, bucket_of
from tests.cloud.spoiling import at_worker, before, copy_store, in_place
from tests.cloud.surviving import Kill, check, eventually, leases, new_team
from tests.docs.markdown import ROOT, fences
from tests.setup.rendered import Asked as Wanted
from tests.setup.rendered import Rendering, allows

MANUAL = ROOT / "docs" / "manual.md"
BUCKET = "arn:aws:s3:::lambdabuild-123456789012-eu-central-1"
CLEANER = "cleaner"
# More than half of what one build stores of them.
_MUCH = random.Random(1).randbytes(50_000).hex()
OLD = {"one.py": f"def main(event, context):\n    return '{_MUCH}'\n"}
NEW = {"one.py": "def main(event, context):\n    return 'new'\n"}
KINDS = ("cas/", "results/", "keys/")


def age(team: Team, days: int = 10) -> None:
    """Makes all that a store holds so much older."""
    stored = moto_server.stored_keys(team.place.bucket)
    for name in list(stored):
        if name.startswith(f"{team.place.prefix}/"):
            stored[name].last_modified -= timedelta(days=days)


def clean(team: Team, *arguments: str) -> Ran:
    return cleaning(team, *arguments).ended()


def cleaning(team: Team, *arguments: str) -> Client:
    return begin(team, "clean", "--remote", "--json", *arguments, client=CLEANER)


def held(team: Team) -> dict[str, set[str]]:
    """Returns the names of what the store holds."""
    bucket = bucket_of(team.place)
    return {kind: set(bucket.list(kind).objects) for kind in KINDS}


def statuses(ran: Ran) -> set[str]:
    return {target["status"] for target in ran.json["targets"]}


@pytest.fixture(scope="module")
def origin(whole_cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> tuple[Team, dict[str, str]]:
    """Returns a team whose old sources and whose present ones were built, and what the old ones gave."""
    team = new_team(whole_cloud, tmp_path_factory.mktemp("origin") / "origin")
    team.write(OLD)
    expected = team.local_digests()
    check(team, build(team), expected)
    team.write(NEW)
    assert build(team).code == 0
    return team, expected


@pytest.fixture(scope="module")
def registry(whole_cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Proxy:
    return whole_cloud.registry(tmp_path_factory.mktemp("registry"))


@pytest.fixture
def team(origin: tuple[Team, dict[str, str]], cloud: Cloud, tmp_path: Path) -> Team:
    """A team with a store like that, all of it ten days old."""
    return team_like(origin[0], tmp_path / tmp_path.name)


def team_like(other: Team, directory: Path) -> Team:
    made = new_team(other.cloud, directory, other.place)
    made.write(NEW)
    copy_store(other, made)
    age(made)
    return made


def test_what_lives_needs_no_rerun_and_what_went_simply_runs_again(
    team: Team, origin: tuple[Team, dict[str, str]]
) -> None:
    listed = clean(team)
    assert listed.code == 0, listed.err
    before_it = held(team)
    ran = clean(team, "--yes")
    assert ran.code == 0, ran.err
    assert ran.json == {**listed.json, "removed": True}
    gone = ran.json["store"]
    assert gone["results"] == 4  # the layer and the image of //:one, under two keys each
    assert gone["blobs"] > 0
    assert 0 < gone["bytes"] == ran.json["bytes"]
    assert held(team) != before_it
    with team.builds_started() as count:
        live = start(team, "--download", "all", client="bob").ended()
    assert (count, statuses(live)) == ([0], {"cached"}), live.err
    team.write(OLD)
    with team.builds_started() as count:
        check(team, build(team, "carol"), origin[1])
    assert count == [1]
    team.write(NEW)
    assert clean(team, "--yes").json["store"]["results"] == 0  # they are young


def test_a_dry_run_says_bytes_and_cost_and_removes_nothing(team: Team) -> None:
    before_it = held(team)
    ran = begin(team, "clean", "--remote", client=CLEANER).ended()
    assert ran.code == 0, ran.err
    assert f"{team.place.store}: 4 results and " in ran.err
    assert "would remove 0 images, 4 results and " in ran.err
    assert "a month; --yes does it" in ran.err
    assert held(team) == before_it
    assert team.cloud.s3.asked("DELETE", client=access_key(CLEANER)) == []


def test_what_is_younger_than_keep_days_stays(team: Team) -> None:
    team.write({"WORKSPACE.toml": team.workspace() + "[store]\nkeep_days = 11\n"})
    ran = clean(team, "--yes")
    assert ran.code == 0, ran.err
    gone = ran.json["store"]
    assert {name: gone[name] for name in ("results", "objects", "documents", "bytes")} == {
        "results": 0, "objects": 0, "documents": 0, "bytes": 0
    }  # fmt: skip


def test_why_still_explains_an_edit_of_what_lives(team: Team) -> None:
    assert clean(team, "--yes").code == 0
    team.write({"two.py": "def main(event, context):\n    return 'edited'\n"})
    told = begin(team, "why", "//:two", "--json", client="bob").ended()
    assert told.code == 0, told.err
    (target,) = told.json["targets"]
    assert [(each["kind"], each["place"]) for each in target["changes"]] == [("edited", "two.py")]


def test_a_revision_that_is_named_keeps_what_it_is_made_of(
    team: Team, origin: tuple[Team, dict[str, str]]
) -> None:
    def git(*arguments: str) -> None:
        who = ("-c", "user.name=a", "-c", "user.email=a@b")
        subprocess.run(["git", *who, *arguments], cwd=team.root, check=True, capture_output=True)

    team.write({**OLD, ".gitignore": "lambdabuild-out\n"})
    git("init", "--initial-branch=main")
    git("add", "-A")
    git("commit", "-m", "old")
    team.write(NEW)
    git("commit", "-am", "new")
    kept = clean(team, "--since", "main~1", "--yes")
    assert kept.code == 0, kept.err
    assert kept.json["store"]["results"] == 0
    team.write(OLD)
    with team.builds_started() as count:
        check(team, build(team, "bob"), origin[1])
    assert count == [0]
    team.write(NEW)
    assert clean(team, "--since", "main", "--yes").json["store"]["results"] == 4
    team.write(OLD)
    with team.builds_started() as count:
        check(team, build(team, "carol"), origin[1])
    assert count == [1]


def test_what_an_image_was_made_by_stays_as_long_as_the_image(team: Team, registry: Proxy) -> None:
    to = f'[registry]\npush = ["{registry.host}/{team.root.parent.name}"]\nkeep_last = 1\n'
    team.write({"WORKSPACE.toml": team.workspace() + to, **OLD})
    assert begin(team, "push", "//:one").ended().code == 0
    age(team)
    team.write(NEW)
    assert begin(team, "push", "//:one").ended().code == 0
    young = clean(team, "--yes")
    assert young.code == 0, young.err
    assert (young.json["images"], young.json["store"]["results"]) == ([], 0)
    age(team, 30)
    old = clean(team, "--yes")
    assert old.code == 0, old.err
    assert len(old.json["images"]) == 1
    assert old.json["store"]["results"] == 4
    assert clean(team).json["images"] == []


def test_while_a_build_runs_it_refuses_and_the_build_ends_well(team: Team) -> None:
    team.write({"two.py": "def main(event, context):\n    return 'edited'\n"})
    expected = team.local_digests()
    go_on = threading.Event()
    at_worker(team, "PUT", "cas/", before(lambda: go_on.wait(60)))  # it has done what it was to do
    running = start(team)
    eventually(lambda: any(each.build for each in leases(team).leases), "a build is started")
    before_it = held(team)
    ran = clean(team, "--yes")
    after = held(team)
    go_on.set()
    check(team, running.ended(), expected)
    assert ran.code == 3
    assert "builds are under way, of " in ran.out
    assert after == before_it
    assert leases(team).leases == ()


@pytest.mark.parametrize(("method", "name"), [("PUT", "results/"), ("DELETE", "cas/")])
def test_a_build_of_what_goes_that_begins_while_it_goes_ends_well(team: Team, method: str, name: str) -> None:
    edited = {**OLD, "two.py": "def main(event, context):\n    return 'edited'\n"}
    other = new_team(team.cloud, team.root.parent.parent / "other", team.place)
    other.place = team.place
    other.write({"WORKSPACE.toml": other.workspace(), **edited})
    expected = other.local_digests()
    begun: list[Client] = []

    def build_it() -> None:
        # It takes for known what is there by now, and has its lease before that goes.
        if not begun:
            begun.append(start(other, client="bob"))
            eventually(lambda: leases(team).leases, "a lease")

    fault = around(before=build_it)
    team.cloud.s3.add(Rule(fault, method=method, path=in_place(team, name), client=access_key(CLEANER)))
    cleaned = clean(team, "--yes")
    (client,) = begun
    check(other, client.ended(), expected)
    assert cleaned.code in (0, 3), cleaned.err


@pytest.mark.parametrize(("methods", "right"), [(("PUT",), "s3:PutObject"), (("DELETE",), "s3:DeleteObject")])
def test_a_right_that_lacks_is_named_with_what_it_is_for(
    team: Team, methods: tuple[str, ...], right: str
) -> None:
    before_it = held(team)
    denied = Denial(access_key(CLEANER), f"{team.place.prefix}/results/", methods)
    team.cloud.guards.denials.append(denied)
    ran = begin(team, "clean", "--remote", "--yes", client=CLEANER).ended()
    assert ran.code == 3, ran.err
    assert f"{right} is not allowed on {team.place.store}/results/" in ran.err
    assert "hint: allow it to the role or user that runs this; docs/manual.md, What removing needs" in ran.err
    after = held(team)
    assert all(before_it[kind] <= after[kind] for kind in KINDS)


def test_it_asks_for_nothing_but_what_the_client_policy_and_the_manual_allow(team: Team) -> None:
    section = MANUAL.read_text().partition("### What removing needs")[2]
    policy = next(each.text for each in fences(section) if each.language == "json")
    cleaner = {"Statement": json.loads(policy.replace("arn:aws:s3:::BUCKET", BUCKET))}
    client = Rendering().of("Resources", "ClientPolicy", "Properties", "PolicyDocument")
    assert clean(team, "--yes").code == 0
    asked = team.cloud.s3.asked(client=access_key(CLEANER))
    assert {each.method for each in asked} == {"GET", "PUT", "DELETE"}
    wanted = [right_of(team, each) for each in asked]
    both = {"Statement": [*client["Statement"], *cleaner["Statement"]]}
    assert [each for each in wanted if not allows(both, each)] == []
    assert {each.action for each in wanted if not allows(client, each)} == {"s3:PutObject", "s3:DeleteObject"}


def right_of(team: Team, asked: Asked) -> Wanted:
    """Returns the right that a request to S3 takes, in the bucket that manual and template speak of."""
    if not asked.key.removeprefix(team.place.prefix):
        prefix = parse_qs(asked.query)["prefix"][0].replace(team.place.prefix, "lambdabuild")
        return Wanted("s3:ListBucket", BUCKET, {"s3:prefix": prefix})
    verb = {"GET": "Get", "PUT": "Put", "DELETE": "Delete"}[asked.method]
    key = asked.key.removeprefix(team.place.prefix)
    return Wanted(f"s3:{verb}Object", f"{BUCKET}/lambdabuild{key}")


def killed_at(origin: tuple[Team, dict[str, str]], directory: Path, nth: int, *, after: bool) -> None:
    """Kills a cleaning at its nth request; what lives is whole, and the next cleaning finishes."""
    team = team_like(origin[0], directory)
    kill = Kill(nth, after=after)
    victim = f"cleaner{directory.name}"
    kill.watch(team.cloud, victim)
    client = begin(team, "clean", "--remote", "--yes", client=victim)
    kill.arm(client)
    assert (client.ended().code, kill.struck) == (-9, True)
    with team.builds_started() as count:
        live = start(team, "--download", "all", client=f"bob{directory.name}").ended()
    assert (count, statuses(live)) == ([0], {"cached"}), live.err
    ended = clean(team, "--yes")
    assert ended.code == 0, ended.err
    assert clean(team).json["store"]["results"] == 0


def requests_of(origin: tuple[Team, dict[str, str]], directory: Path) -> list[str]:
    team = team_like(origin[0], directory)
    count = Kill(0, after=False)
    count.watch(team.cloud, CLEANER)
    assert clean(team, "--yes").code == 0
    team.cloud.s3.reset()
    return count.seen


def test_killed_in_the_middle_it_leaves_a_store_that_builds_well(
    origin: tuple[Team, dict[str, str]], cloud: Cloud, tmp_path: Path
) -> None:
    seen = requests_of(origin, tmp_path / "whole")
    removals = [nth for nth, name in enumerate(seen, 1) if name.startswith("DELETE")]
    assert len(removals) > 3
    killed_at(origin, tmp_path / "at", removals[len(removals) // 2], after=True)


@pytest.mark.slow
def test_killed_at_any_request_it_leaves_a_store_that_builds_well(
    origin: tuple[Team, dict[str, str]], cloud: Cloud, tmp_path: Path
) -> None:
    # A request that is made again on a busy machine is one more: the shorter of two is what each makes.
    seen = min((requests_of(origin, tmp_path / name) for name in ("one", "other")), key=len)
    for nth, name in enumerate(seen, 1):
        for after in (False, True) if name.startswith(("PUT", "DELETE")) else (nth % 2 == 0,):
            killed_at(origin, tmp_path / f"at{nth}{'after' * after}", nth, after=after)
