"""What is pinned stays until somebody asks for more, and drift is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lambdabuild.errors import ExternalError, Location, UserError
from lambdabuild.external.pinning import check_names, find_drift, update_pins
from lambdabuild.external.pins import ImagePins
from lambdabuild.external.registries import Registries
from lambdabuild.oci.image import Image
from lambdabuild.oci.media_types import OCI_INDEX, FamilyName
from lambdabuild.oci.registry.client import Client
from lambdabuild.oci.registry.index import DOCKER_LIST
from lambdabuild.oci.registry.repository import Repository
from lambdabuild.workspace import ExternalImage
from tests.external.stand_ins import base, on_scratch
from tests.oci.blobs import Blobs
from tests.oci.registry.asking import Pauses, index_of, new_name, push_image, repository, settings_of
from tests.oci.registry.proxy import Proxy, change, reply
from tests.oci.registry.real import RealRegistry
from tests.oci.registry.server import Reply

AT = Location("WORKSPACE.toml", 4, 2)
BOTH = ("linux/amd64", "linux/arm64")


class There:
    """One repository of the real registry behind a proxy, and an external image that is in it."""

    def __init__(self, proxy: Proxy, blobs: Blobs) -> None:
        self.name = new_name("external")
        self.proxy, self.blobs = proxy, blobs
        self.image = ExternalImage("python", f"public.ecr.aws/{self.name}:3.12", AT)
        client = Client(settings_of(), Pauses())
        self.registries = Registries(lambda: client, [f"public.ecr.aws={proxy.host}"])
        self.said: list[str] = []

    @property
    def repository(self) -> Repository:
        return repository(self.proxy.upstream, self.name)

    def push(self, image: Image, tag: str = "3.12") -> None:
        push_image(self.repository, image, self.blobs, tag)

    def push_all(self, *images: Image, media_type: str = DOCKER_LIST, tag: str = "3.12") -> None:
        for image in images:
            self.push(image, image.digest)
        assert self.repository.put_manifest(index_of(*images, media_type=media_type), media_type, tag) == ()

    def update(
        self,
        known: ImagePins | None = None,
        *platforms: str,
        image: ExternalImage | None = None,
        upgrade: Callable[[str], bool] = lambda name: False,
    ) -> ImagePins:
        wanted = [(image or self.image, platforms or ("linux/amd64",))]
        known = known or ImagePins.of(())
        return update_pins(wanted, known, self.registries, upgrade=upgrade, say=self.said.append)

    def drift(self, pins: ImagePins, *platforms: str) -> list[tuple[str, str, str]]:
        found = find_drift([(self.image, platforms or ("linux/amd64",))], pins, self.registries)
        return [(each.platform, each.old, each.new) for each in found]


@pytest.fixture
def there(registry: RealRegistry, tmp_path: Path) -> Iterator[There]:
    with Proxy(registry.host) as proxy:
        yield There(proxy, Blobs(tmp_path / "blobs"))


@pytest.mark.parametrize("media_type", [DOCKER_LIST, OCI_INDEX])
def test_each_platform_of_an_index_is_pinned_by_its_own_manifest(there: There, media_type: str) -> None:
    family: FamilyName = "docker" if media_type == DOCKER_LIST else "oci"
    images = {each: base(there.blobs, each, family=family) for each in BOTH}
    there.push_all(*images.values(), media_type=media_type)
    pins = there.update(None, *BOTH)
    assert [*pins.by_key] == [("python", each) for each in BOTH]
    for platform, image in images.items():
        pin = pins.by_key["python", platform]
        assert (pin.manifest.encode(), pin.config.encode()) == (image.manifest, image.config)
        assert (pin.python, pin.libc) == ("3.12", "glibc 2.34")


def test_what_is_pinned_stays_and_asks_nothing(there: There) -> None:
    there.push(base(there.blobs))
    pins = there.update()
    there.push(base(there.blobs, mark="new"))
    there.proxy.requests.clear()
    there.said.clear()
    assert there.update(pins) == pins
    assert (there.proxy.requests, there.said) == ([], [])


def test_an_upgrade_asks_again_and_reads_layers_only_of_what_is_new(there: There) -> None:
    old, new = base(there.blobs), base(there.blobs, mark="new")
    there.push(old)
    pins = there.update()
    there.proxy.requests.clear()
    assert there.update(pins, upgrade=lambda name: name == "python") == pins
    layers = {f"/blobs/{layer.digest}" for layer in (*old.layers, *new.layers)}
    assert not [each for each in there.proxy.requests if each.path.endswith(tuple(layers))]
    there.push(new)
    assert there.update(pins, upgrade=lambda name: name == "other") == pins
    upgraded = there.update(pins, upgrade=lambda name: name == "python")
    assert upgraded.by_key["python", "linux/amd64"].image.digest == new.digest
    assert new.digest in there.said[-1]


def test_another_ref_is_another_pin(there: There) -> None:
    there.push(base(there.blobs))
    other = base(there.blobs, mark="other")
    there.push(other, "3.13")
    pins = there.update()
    image = replace(there.image, ref=there.image.ref.replace("3.12", "3.13"))
    assert there.update(pins, image=image).by_key["python", "linux/amd64"].image.digest == other.digest


def test_pins_of_what_is_not_wanted_any_more_go(there: There) -> None:
    there.push_all(*(base(there.blobs, each) for each in BOTH))
    pins = there.update(None, *BOTH)
    assert [*there.update(pins, "linux/arm64").by_key] == [("python", "linux/arm64")]


def test_no_layer_is_read_where_the_workspace_says_what_is_inside(there: There) -> None:
    image = base(there.blobs)
    there.push(image)
    stated = replace(there.image, python="3.11", libc="glibc 2.30")
    there.proxy.requests.clear()
    pin = there.update(image=stated).by_key["python", "linux/amd64"]
    assert (pin.python, pin.libc) == (None, None)
    assert [each.path for each in there.proxy.asked("GET", "/blobs/")] == [
        f"/v2/{there.name}/blobs/{image.config_digest}"
    ]
    assert "Python 3.11, glibc 2.30" in there.said[-1]
    # Once it is not said any more, the layers are read, of the image that is pinned.
    there.push(base(there.blobs, mark="new"))
    found = there.update(ImagePins.of([pin])).by_key["python", "linux/amd64"]
    assert (found.image.digest, found.python, found.libc) == (image.digest, "3.12", "glibc 2.34")


def test_an_image_without_python_is_pinned_and_said_to_have_none(there: There) -> None:
    there.push(on_scratch("linux/amd64", [there.blobs.layer({"x": b"1"})]))
    pins = there.update()
    pin = pins.by_key["python", "linux/amd64"]
    assert (pin.python, pin.libc) == ("", "")
    assert there.said[-1].endswith("; python and libc not found: for packages, say so in [images.python]")
    there.proxy.requests.clear()
    assert there.update(pins) == pins
    assert there.proxy.requests == []


def test_drift_has_the_old_digest_and_the_new_one(there: There) -> None:
    images = {each: base(there.blobs, each) for each in BOTH}
    there.push_all(*images.values())
    pins = there.update(None, *BOTH)
    assert there.drift(pins, *BOTH) == []
    moved = base(there.blobs, "linux/arm64", mark="moved")
    there.push_all(images["linux/amd64"], moved)
    assert there.drift(pins, *BOTH) == [("linux/arm64", images["linux/arm64"].digest, moved.digest)]
    (found,) = find_drift([(there.image, BOTH)], pins, there.registries)
    assert str(found) == (
        f"@python (linux/arm64): {there.image.ref} was {images['linux/arm64'].digest} and is {moved.digest} now"
    )


def test_an_image_that_is_not_pinned_is_drift_without_digests(there: There) -> None:
    (found,) = find_drift([(there.image, ("linux/amd64",))], ImagePins.of(()), there.registries)
    assert str(found) == f"@python (linux/amd64): {there.image.ref} is not pinned"
    assert (found.old, found.new) == ("", "")


def test_a_digest_as_ref_never_drifts(there: There) -> None:
    image = base(there.blobs)
    there.push(image)
    there.image = replace(there.image, ref=f"{there.image.ref}@{image.digest}")
    pins = there.update()
    there.push(base(there.blobs, mark="new"))
    assert there.drift(pins) == []


def test_a_name_that_no_image_has_suggests_the_nearest(there: There) -> None:
    check_names(["python"], {"python": there.image})
    with pytest.raises(UserError, match="no external image @pyhton") as caught:
        check_names(["pyhton"], {"python": there.image})
    assert caught.value.hint == "did you mean '@python'?"


# --- what registries do wrong ----------------------------------------------------


def refusal(there: There, *platforms: str, kind: type[Exception] = UserError) -> tuple[str, str]:
    """Returns message and hint of the error, whose place is the image's."""
    with pytest.raises(kind) as caught:
        there.update(None, *platforms)
    assert isinstance(caught.value, UserError | ExternalError)
    if kind is UserError:
        assert caught.value.at == AT
    return caught.value.message, caught.value.hint or ""


def test_a_base_that_is_not_there_is_named(there: There) -> None:
    message, _ = refusal(there)
    assert there.name in message
    assert "3.12" in message


def test_a_ref_that_is_none_has_its_place(there: There) -> None:
    there.image = replace(there.image, ref="Not An Image")
    assert "is not the name of an image" in refusal(there)[0]


def test_an_index_without_the_platform_lists_what_there_is(there: There) -> None:
    there.push_all(base(there.blobs, "linux/amd64"))
    message, hint = refusal(there, "linux/arm64")
    assert "linux/arm64" in message
    assert "linux/amd64" in hint


def test_a_single_image_for_another_platform_is_refused(there: There) -> None:
    there.push(base(there.blobs, "linux/arm64"))
    message, hint = refusal(there)
    assert "is for linux/arm64 alone, and the workspace builds for linux/amd64" in message
    assert hint


def wrong(answer: Reply) -> Reply:
    return replace(answer, body=bytes(len(answer.body)))


@pytest.mark.parametrize("part", ["manifests", "blobs"])
def test_bytes_that_do_not_fit_their_digest_are_never_pinned(there: There, part: str) -> None:
    there.push(base(there.blobs))
    there.proxy.plan("GET", f"/{part}/", change(wrong), times=100)
    refusal(there, kind=ExternalError)


def test_a_layer_that_is_cut_is_read_on_and_a_registry_that_is_down_is_told(there: There) -> None:
    image = base(there.blobs)
    there.push(image)
    layer = image.layers[0]
    there.proxy.plan("GET", layer.digest, change(lambda answer: replace(answer, cut=30)))
    assert there.update().by_key["python", "linux/amd64"].libc == "glibc 2.34"
    there.proxy.plan("GET", layer.digest, reply(Reply(503)), times=100)
    refusal(there, kind=ExternalError)
