"""Images in a Docker daemon: put there, under a tag."""

from __future__ import annotations

import os
import subprocess

from lambdabuild.engines.process import feeding
from lambdabuild.oci.docker_archive import write_docker_archive
from lambdabuild.running.runner import RunnableImage


def put_image(image: RunnableImage, tag: str) -> None:
    """Gives the image a tag in the daemon, and the image to the daemon if it lacks it.

    Raises ExternalError if it is not taken.

    tag: "repository:tag".
    """
    if docker("image", "tag", image.image.config_digest, tag).returncode != 0:
        _load(image, tag)


def docker(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs docker's client to its end."""
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)


def _load(image: RunnableImage, tag: str) -> None:
    load = ["docker", "load", "--quiet"]
    with feeding(load, os.environ, lambda: None, "docker cannot load the image") as out:
        write_docker_archive(image.image, tag, image.blob, out)
