"""Where a build of CodeBuild runs: the kinds of environment that lambdabuild asks for.

What a project says by itself (its buildspec, role and source) is not here, and
no client can change it; docs/aws.md says why.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lambdabuild.tools.dockerfile import DockerfileTool


@dataclass(frozen=True, order=True, slots=True)
class Environment:
    """A kind of environment.

    name:       "plain", "docker-amd64" or "docker-arm64".
    type:       CodeBuild's environment type.
    image:      CodeBuild's curated image.
    privileged: whether the build has a Docker daemon.
    compute:    CodeBuild's compute type, that of the project; no client overrides it.

    Plain work runs in any of them.
    """

    name: str
    type: str
    image: str
    privileged: bool
    compute: str = "BUILD_GENERAL1_SMALL"


_AMD64 = "aws/codebuild/amazonlinux-x86_64-standard:5.0"
_ARM64 = "aws/codebuild/amazonlinux-aarch64-standard:3.0"

PLAIN = Environment("plain", "LINUX_CONTAINER", _AMD64, privileged=False)
DOCKER_AMD64 = Environment("docker-amd64", "LINUX_CONTAINER", _AMD64, privileged=True)
DOCKER_ARM64 = Environment("docker-arm64", "ARM_CONTAINER", _ARM64, privileged=True)

ENVIRONMENTS: Mapping[str, Environment] = {each.name: each for each in (PLAIN, DOCKER_AMD64, DOCKER_ARM64)}


def environment_of(tool: str, platform: str) -> Environment:
    """Returns where an action of `tool` for `platform`, such as "linux/arm64", has to run."""
    if tool != DockerfileTool.name:
        return PLAIN
    # It needs a Docker daemon, and with it a privileged build of the image's architecture.
    return DOCKER_ARM64 if platform.split("/")[1:2] == ["arm64"] else DOCKER_AMD64
