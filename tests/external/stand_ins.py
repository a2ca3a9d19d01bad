"""Images that look, to those who only stream their layers, like what registries have."""

from __future__ import annotations

from lambdabuild.external.pins import Pin
from lambdabuild.oci.image import Image
from lambdabuild.oci.layer import Layer
from lambdabuild.oci.media_types import FamilyName
from tests.oci.blobs import Blobs

GLIBC = b"\x7fELF...GNU C Library (GNU libc) stable release version 2.34.\nCopyright..."
PYTHON = {"var/lang/bin/python3.12": b"\x7fELF", "var/task/.keep": b""}
LIBC = {"lib64/libc.so.6": GLIBC}
REF = "public.ecr.aws/lambda/python:3.12"


def base(
    blobs: Blobs, platform: str = "linux/amd64", *, mark: str = "", family: FamilyName = "docker"
) -> Image:
    """Returns a base of two layers that holds Python 3.12 and glibc 2.34, as far as names can tell.

    mark: makes it another image.
    """
    layers = [blobs.layer(LIBC), blobs.layer({**PYTHON, "etc/mark": f"{platform} {mark}".encode()})]
    return on_scratch(platform, layers, family).with_config(
        env={"LAMBDA_RUNTIME_DIR": "/var/runtime"}, entrypoint=["/lambda-entrypoint.sh"]
    )


def on_scratch(platform: str, layers: list[Layer], family: FamilyName = "oci") -> Image:
    return Image.scratch(platform, family=family).append(layers, ["a layer"] * len(layers))


def pin(image: Image, name: str = "python", ref: str = REF, **inside: str) -> Pin:
    return Pin.of(name, image.platform, ref, image.manifest.decode(), image.config.decode(), **inside)
