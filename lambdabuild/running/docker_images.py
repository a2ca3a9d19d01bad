"""Images in a Docker daemon: put there, under a tag."""

from __future__ import annotations

import contextlib
import subprocess

from lambdabuild.errors import ExternalError
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
    load = subprocess.Popen(
        ["docker", "load", "--quiet"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    assert load.stdin is not None
    with load:
        try:
            with contextlib.suppress(BrokenPipeError), load.stdin:
                write_docker_archive(image.image, tag, image.blob, load.stdin)
            said = load.stdout.read().decode(errors="replace").strip() if load.stdout else ""
        except BaseException:
            load.kill()
            raise
    if load.returncode != 0:
        raise ExternalError("docker cannot load the image", details=tuple(said.splitlines()))
