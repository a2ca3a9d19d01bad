"""Images into a Docker daemon: as a stream, so that layers need not be on this disk."""

from __future__ import annotations

import json
from collections.abc import Mapping

from lambdabuild.engines.engine import Check, ReadBlob
from lambdabuild.engines.process import ask, feeding
from lambdabuild.oci.docker_archive import stream_docker_archive
from lambdabuild.oci.image import Image


def holds(docker: str, env: Mapping[str, str], image: Image, tag: str) -> bool:
    """Returns whether the daemon has the image's layers under the tag.

    Not by its ID, which is the digest of the config with some image stores of
    Docker's, and of a manifest of the daemon's own with others.
    """
    code, output = ask([docker, "image", "inspect", "--format", "{{json .RootFS.Layers}}", tag], env)
    try:
        return code == 0 and (json.loads(output) or []) == list(image.diff_ids)
    except ValueError:
        return False


def load(docker: str, env: Mapping[str, str], image: Image, tag: str, read: ReadBlob, check: Check) -> None:
    """Loads an image under a tag; raises ExternalError if the daemon does not take it."""
    with feeding([docker, "load", "--quiet"], env, check, f"{docker} load refuses an image") as out:
        stream_docker_archive(image, tag, read, out)
