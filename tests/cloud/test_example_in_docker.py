"""The example, built in a Docker container that has nothing of the project but the worker from S3."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.external.conftest import StandIn, stand_in
from tests.sweeps import rarely

from .aws import Cloud
from .codebuild import Docker
from .example import EXAMPLE, images, receipts_team
from .locked_index import LockedIndex
from .set_up import bootstrap
from .test_docker_builds import build_image

__all__ = ["build_image", "stand_in"]

OF_THIS_MACHINE = ("PIP_CERT", "PIP_FIND_LINKS", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")


@pytest.mark.parametrize("pattern", ["//infra/list_receipts:image", rarely("//...")])
def test_a_container_makes_the_images_that_this_machine_makes(
    cloud: Cloud, build_image: str, stand_in: StandIn, tmp_path: Path, pattern: str
) -> None:
    cloud.codebuild.runner = Docker(build_image)
    with LockedIndex(EXAMPLE / "python.lock", tmp_path) as index:
        cloud.build_variables |= dict.fromkeys(OF_THIS_MACHINE, "")
        cloud.build_variables["PIP_INDEX_URL"] = f"{index.url}/simple/"
        team = receipts_team(cloud, bootstrap(cloud, unpacked=False), stand_in.host, tmp_path)
        built = team.build(pattern)
    assert built.code == 0, built.err
    assert {each["status"] for each in built.json["targets"]} == {"built"}
    assert {each["status"] for each in built.json["pushes"]} == {"pushed"}
    local = team.build(pattern, "--executor", "local", client="undisturbed")
    assert images(built) == images(local)
