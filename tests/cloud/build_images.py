"""A build image for Docker: this machine's Python, a shell, and the programs that a buildspec may call."""

from __future__ import annotations

import functools
import shutil
from pathlib import Path

from lambdabuild.oci.digest import OciDigest
from lambdabuild.oci.layer import Entry, File, write_layer
from lambdabuild.python.elf import Libraries
from lambdabuild.running import RunnableImage
from lambdabuild.running.docker_images import put_image
from tests.running.images import Images, pieces

PROGRAMS = ("sh", "env", "cat", "ls", "id", "mkdir", "rm", "sha256sum", "sleep", "sort", "uname", "unzip")


def put_build_image(directory: Path, tag: str) -> None:
    """Gives the Docker daemon the image under `tag`. directory: keeps the layers."""
    images = Images(directory)
    layer = write_layer(_programs(images.base.platform.partition("/")[2]), directory / "programs")
    image = images.base.append([layer], ["programs"]).with_config(user="root", working_dir="/")
    base = images.runnable(images.base)
    put_image(RunnableImage(image, lambda digest: _blob(base, layer.digest, directory, digest)), tag)


def _blob(base: RunnableImage, own: OciDigest, directory: Path, digest: OciDigest) -> Path:
    return directory / "programs" if digest == own else base.blob(digest)


def _programs(machine: str) -> list[Entry]:
    """Returns the programs of this machine with all libraries that they need, flat as in the base."""
    files: dict[str, str] = {}
    libraries = Libraries(machine)
    for name in PROGRAMS:
        if program := shutil.which(name, path="/usr/bin:/bin"):
            real = str(Path(program).resolve())
            files[f"usr/bin/{name}"] = real
            found, _ = libraries.closure(real, {})
            files |= {f"usr/lib/{soname}": path for soname, path in found.items()}
    return [
        File(place, Path(path).stat().st_size, True, functools.partial(pieces, path))
        for place, path in files.items()
    ]
