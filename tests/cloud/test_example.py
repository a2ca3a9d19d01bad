"""The example on CodeBuild, from `lambdabuild bootstrap` to functions that answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from lambdabuild.oci.registry.reference import parse_reference
from tests.external.conftest import StandIn, stand_in
from tests.oci.registry.asking import repository

from .aws import Cloud
from .example import Images, images, receipts_team
from .remote import Ran, Team
from .set_up import Bootstrapped, bootstrap

__all__ = ["stand_in"]

FUNCTIONS = {
    "//infra/create_labels:image": "labels for Corner Market",
    "//infra/process_receipt:image": '"adds_up": true',
    "//infra/list_receipts:image": '"table": "receipts"',
}


@dataclass(frozen=True)
class Built:
    """The example after its first build on CodeBuild. local: what a build of this machine makes of it."""

    made: Bootstrapped
    team: Team
    first: Ran
    local: Images


@pytest.fixture(scope="module")
def built(whole_cloud: Cloud, stand_in: StandIn, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    made = bootstrap(whole_cloud)
    directory = tmp_path_factory.mktemp("example")
    team = receipts_team(whole_cloud, made, stand_in.host, directory)
    whole_cloud.restrict(made.place)
    whole_cloud.restrict_worker(made.place)
    first = team.build()
    assert first.code == 0, first.err
    local = team.build("//...", "--executor", "local", client="undisturbed")
    assert local.code == 0, local.err
    yield Built(made, team, first, images(local))
    whole_cloud.reset()


def test_codebuild_makes_the_images_that_this_machine_makes(built: Built) -> None:
    assert len(built.local) == 7
    assert images(built.first) == built.local
    (build,) = built.first.json["remote"]["builds"]
    assert build["status"] == "SUCCEEDED"
    statuses = {each["label"]: each["status"] for each in built.first.json["targets"]}
    assert set(statuses.values()) == {"built"}


def test_the_worker_has_pushed_the_images(built: Built, stand_in: StandIn) -> None:
    pushes = {each["label"]: each for each in built.first.json["pushes"]}
    assert pushes.keys() >= FUNCTIONS.keys()
    assert {each["status"] for each in pushes.values()} == {"pushed"}
    for label in FUNCTIONS:
        place = parse_reference(pushes[label]["reference"])
        assert place.tag
        there = repository(stand_in.host, place.repository).manifest(place.tag)
        assert there.digest == built.local[label, stand_in.image.platform]


def test_a_second_build_starts_nothing_also_from_another_machine(built: Built) -> None:
    with built.team.builds_started() as count:
        for client in ("alice", "bob"):
            again = built.team.build(client=client)
            assert images(again) == built.local
            assert {each["status"] for each in again.json["targets"]} == {"cached"}
    assert count == [0]


@pytest.mark.parametrize("label", FUNCTIONS)
def test_an_image_that_codebuild_made_answers(built: Built, label: str) -> None:
    ran = built.team.run("run", label, "--event", '{"receipt_id": 7}')
    assert ran.code == 0, ran.err
    assert FUNCTIONS[label] in ran.out


def test_an_edit_is_built_with_one_build_and_little_sent(built: Built) -> None:
    handler = built.team.root / "infra/list_receipts/handler.py"
    handler.write_text(handler.read_text() + "# edited\n")
    with built.team.builds_started() as count:
        ran = built.team.build()
    assert count == [1]
    statuses = [each["status"] for each in ran.json["targets"]]
    assert statuses.count("built") == 1
    assert ran.json["remote"]["uploaded_bytes"] < 4096


def test_doctor_finds_nothing_wrong(built: Built, tmp_path: Path) -> None:
    """With the registry that bootstrap made, and as a client that may do what its policy says."""
    team = Team(built.team.cloud, built.made.place, tmp_path / "w", tmp_path / "caches", {})
    team.write({"WORKSPACE.toml": f'{built.made.toml()}\n[executor]\ndefault = "codebuild"\n'})
    ran = team.run("doctor", "--json")
    wrong = [each for each in json.loads(ran.out)["checks"] if not each["ok"]]
    assert (ran.code, wrong) == (0, [])
