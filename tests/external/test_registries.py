"""Mirrors stand in for hosts, and layers are asked for where their image is."""

from __future__ import annotations

from pathlib import Path

import pytest

from lambdabuild.errors import UserError
from lambdabuild.external.pins import ImagePins
from lambdabuild.external.registries import Mirror, PinnedLayers, Registries, parse_mirrors
from lambdabuild.oci.registry.client import Client
from lambdabuild.oci.registry.reference import parse_reference
from tests.external.stand_ins import base, pin
from tests.oci.blobs import Blobs


def never() -> Client:
    raise AssertionError("nothing is asked")


@pytest.mark.parametrize(
    ("text", "mirror"),
    [
        ("public.ecr.aws=127.0.0.1:5000", Mirror("public.ecr.aws", "127.0.0.1:5000", "")),
        ("docker.io=mirror.local/hub/x", Mirror("docker.io", "mirror.local", "hub/x/")),
        ("localhost:1=[::1]:2", Mirror("localhost:1", "[::1]:2", "")),
    ],
)
def test_a_mirror_is_a_host_and_another(text: str, mirror: Mirror) -> None:
    assert parse_mirrors([text]) == (mirror,)


@pytest.mark.parametrize(
    "text", ["", "a.b", "=a.b", "a.b=", "a.b=c.d/", "a.b=https://c.d", "a.b=c.d/UP", "a/b=c.d"]
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="is not a host and the one that has its images") as caught:
        parse_mirrors([text])
    assert str(caught.value.at) == "WORKSPACE.toml"


def test_a_host_has_one_mirror() -> None:
    with pytest.raises(UserError, match=r"has two for a\.b"):
        parse_mirrors(["a.b=c.d", "a.b=e.f"])


def test_references_move_to_the_mirror_of_their_host_alone() -> None:
    registries = Registries(never, ["docker.io=mirror.local/hub", "a.b=c.d:5"])
    assert str(registries.mirrored(parse_reference("python:3.12"))) == "mirror.local/hub/library/python:3.12"
    digest = "sha256:" + "a" * 64
    assert str(registries.mirrored(parse_reference(f"a.b/x@{digest}"))) == f"c.d:5/x@{digest}"
    assert str(registries.mirrored(parse_reference("x.a.b/x"))) == "x.a.b/x"


def test_a_layer_of_no_pin_is_nowhere(tmp_path: Path) -> None:
    pins = ImagePins.of([pin(base(Blobs(tmp_path / "blobs")))])
    with pytest.raises(UserError, match=r"no image in WORKSPACE\.lock has the layer"):
        PinnedLayers(lambda: pins, Registries(never, ())).read("sha256:" + "0" * 64, 10)
