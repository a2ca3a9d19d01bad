"""Images that workers push: where the registry fails, an image has no result, and the next build pushes it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.cloud import clients
from tests.cloud.aws import Cloud
from tests.cloud.faults import FOR_EVER, Rule, cut_off, lost_answer
from tests.cloud.proxy import Proxy
from tests.cloud.remote import Team
from tests.cloud.spoiling import kill_worker
from tests.cloud.surviving import builds_of, check, new_team
from tests.oci.registry.asking import repository
from tests.oci.registry.proxy import reply
from tests.oci.registry.server import error


@pytest.fixture(scope="module")
def registry(whole_cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Proxy:
    return whole_cloud.registry(tmp_path_factory.mktemp("registry"))


def team_of(cloud: Cloud, registry: Proxy, tmp_path: Path) -> Team:
    team = new_team(cloud, tmp_path / "team")
    to = f'[registry]\npush = ["{registry.host}/{tmp_path.name}"]\n'
    return replace(team, settings=to)


def there(registry: Proxy, name: str) -> set[str]:
    """Returns the digests of the images that the registry has, by whatever tag."""
    found = repository(registry.host, name)
    return {found.manifest(tag).digest for tag in found.tags()}


def test_what_cannot_be_pushed_has_no_result_and_is_pushed_by_the_next_build(
    cloud: Cloud, registry: Proxy, tmp_path: Path
) -> None:
    team = team_of(cloud, registry, tmp_path)
    expected = team.local_digests()
    refusal = reply(error(500, "UNKNOWN", "no space left on device"))
    registry.add(Rule(refusal, method="PUT", path="/manifests/", times=FOR_EVER))
    ran = clients.build(team)
    assert ran.code == 3, ran.err
    assert "error: cannot store the manifest" in ran.err, ran.err
    registry.reset()
    check(team, clients.build(team), expected)
    assert len(builds_of(team)) == 2
    again = clients.build(team, "bob")
    check(team, again, expected)
    assert {each["status"] for each in again.json["targets"]} == {"cached"}
    assert len(builds_of(team)) == 2
    for name in ("one", "two"):
        assert expected[f"//:{name}"] in there(registry, f"{tmp_path.name}/{name}")


def test_a_worker_killed_between_push_and_results_pushes_again(
    cloud: Cloud, registry: Proxy, tmp_path: Path
) -> None:
    team = team_of(cloud, registry, tmp_path)
    expected = team.local_digests()
    kill_worker(team, "PUT", "results/", after=False)
    assert clients.build(team).code == 3
    assert expected["//:one"] in there(registry, f"{tmp_path.name}/one")
    check(team, clients.build(team), expected)
    assert len(builds_of(team)) == 2


def test_a_registry_that_stumbles_is_no_obstacle(cloud: Cloud, registry: Proxy, tmp_path: Path) -> None:
    team = team_of(cloud, registry, tmp_path)
    expected = team.local_digests()
    faults = [
        reply(error(503, "UNAVAILABLE")),
        reply(error(429, "TOOMANYREQUESTS")),
        cut_off(),
        lost_answer(),
    ]
    for nth, fault in enumerate(faults * 2, 1):
        registry.add(Rule(fault, first=4 * nth))
    check(team, clients.build(team), expected)
    for name in ("one", "two"):
        assert expected[f"//:{name}"] in there(registry, f"{tmp_path.name}/{name}")
