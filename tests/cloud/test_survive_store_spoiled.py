"""Objects in S3 are damaged or gone, before a build is planned or when its worker comes to read them."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.cloud import clients
from tests.cloud.aws import Cloud
from tests.cloud.remote import IMAGES, Team
from tests.cloud.spoiling import BLOBS, DAMAGED, DELETED, PACKS, Spoiled, at_worker, before, copy_store
from tests.cloud.surviving import check, leases, new_team
from tests.sweeps import rarely

# What is compressed is still a large blob.
_BIG = random.Random(1).randbytes(1_200_000).hex()
FILES = {
    **IMAGES,
    "BUILD": IMAGES["BUILD"].replace('["one.py"]', '["one.py", "big.txt"]'),
    "big.txt": _BIG,
}

OBJECTS = [
    Spoiled("cas/", DAMAGED, PACKS),
    rarely(Spoiled("cas/", DELETED, PACKS)),
    rarely(Spoiled("cas/", DAMAGED, BLOBS)),
    Spoiled("cas/", DELETED, BLOBS),
    Spoiled("index/", DAMAGED),
    rarely(Spoiled("index/", DELETED)),
    rarely(Spoiled("results/", DAMAGED)),
    Spoiled("results/", DELETED),
    rarely(Spoiled("keys/", DELETED)),
]


@pytest.fixture(scope="module")
def whole(whole_cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> tuple[Team, dict[str, str]]:
    """Returns a team that has built everything, and what it built."""
    team = new_team(whole_cloud, tmp_path_factory.mktemp("whole") / "whole")
    team.write(FILES)
    expected = team.local_digests()
    check(team, clients.build(team), expected)
    return team, expected


def team_like(other: Team, directory: Path) -> Team:
    """Returns a team with the same sources, of which everybody has the rights that their policies give."""
    team = new_team(other.cloud, directory, other.place)
    team.write(FILES)
    for client in ("alice", "bob"):
        team.cloud.restrict(team.place, client)
    team.cloud.restrict_worker(team.place)
    return team


@pytest.mark.parametrize("spoiled", OBJECTS, ids=str)
def test_what_is_spoiled_before_a_build_is_made_again(
    whole: tuple[Team, dict[str, str]], cloud: Cloud, tmp_path: Path, spoiled: Spoiled
) -> None:
    origin, expected = whole
    team = team_like(origin, tmp_path / tmp_path.name)
    copy_store(origin, team)
    assert spoiled.inflict(team)
    check(team, clients.start(team, "--download", "all", client="bob").ended(), expected)
    check(team, clients.build(team, "alice"), expected)


EDITED = {"one.py": "def main(event, context):\n    return 11\n"}

MEANWHILE = [
    rarely(Spoiled("cas/", DAMAGED, PACKS), 0),
    (Spoiled("cas/", DELETED, PACKS), 0),
    (Spoiled("cas/", DAMAGED, BLOBS), 0),
    rarely(Spoiled("index/", DELETED), 0),
    (Spoiled("results/", DAMAGED), 0),
    rarely(Spoiled("results/", DELETED), 0),
    (Spoiled("leases.json", DELETED), 0),
    (Spoiled("orders/", DAMAGED), 2),
    rarely(Spoiled("orders/", DELETED), 2),
]


@pytest.fixture(scope="module")
def edited(whole: tuple[Team, dict[str, str]]) -> dict[str, str]:
    """Returns what an undisturbed build makes of the edited sources."""
    team, _ = whole
    team.write(EDITED)
    return team.local_digests()


@pytest.mark.parametrize(("spoiled", "code"), MEANWHILE, ids=str)
def test_what_is_spoiled_before_the_worker_reads_it_is_made_again(
    whole: tuple[Team, dict[str, str]],
    edited: dict[str, str],
    cloud: Cloud,
    tmp_path: Path,
    spoiled: Spoiled,
    code: int,
) -> None:
    team = team_like(whole[0], tmp_path / tmp_path.name)
    copy_store(whole[0], team)
    team.write(EDITED)
    befell: list[int] = []
    at_worker(team, "GET", "orders/", before(lambda: befell.append(spoiled.inflict(team))))
    ran = clients.build(team, "alice")
    assert befell[0]
    assert ran.code == code, ran.err
    check(team, clients.build(team, "bob"), edited)
    assert leases(team).leases == ()


def test_a_table_of_leases_that_is_none_is_told_with_the_way_to_be_rid_of_it(
    whole: tuple[Team, dict[str, str]], edited: dict[str, str], cloud: Cloud, tmp_path: Path
) -> None:
    team = team_like(whole[0], tmp_path / tmp_path.name)
    copy_store(whole[0], team)
    team.write(EDITED)
    assert Spoiled("leases.json", DAMAGED).inflict(team)
    ran = clients.build(team)
    assert ran.code == 2
    assert f"aws s3 rm {team.place.store}/leases.json" in ran.err
    assert Spoiled("leases.json", DELETED).inflict(team)
    check(team, clients.build(team), edited)
