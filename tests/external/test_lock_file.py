"""WORKSPACE.lock comes back as it was written, and is trusted in nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
import tomli
from hypothesis import given
from hypothesis import strategies as st

from lambdabuild.errors import UserError
from lambdabuild.external.lock_file import parse_pins, print_pins
from lambdabuild.external.pins import ImagePins, Pin
from lambdabuild.oci import documents
from lambdabuild.oci.digest import sha256_of
from lambdabuild.oci.image import Image
from lambdabuild.oci.manifest import Descriptor, Manifest
from lambdabuild.oci.media_types import FAMILIES
from lambdabuild.workspace import PLATFORMS

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@st.composite
def pins(draw: st.DrawFn) -> Pin:
    """A pin of an image whose documents are laid out as somebody else's tools may do."""
    platform = draw(st.sampled_from(PLATFORMS))
    family = FAMILIES[draw(st.sampled_from(["oci", "docker"]))]
    os_, architecture = platform.split("/")
    config = documents.encode(
        {
            "os": os_,
            "architecture": architecture,
            "author": draw(texts),
            "rootfs": {"type": "layers", "diff_ids": []},
        }
    )
    spaces = draw(st.text(" \n\r\t", max_size=5))
    descriptor = Descriptor(family.config, sha256_of(config + spaces.encode()), len(config) + len(spaces))
    manifest = Manifest(family, descriptor, ()).encode().decode()
    return Pin.of(
        draw(
            st.from_regex(r"[a-z][a-z0-9._-]{0,8}", fullmatch=True).filter(lambda n: n not in ("all", "auto"))
        ),
        platform,
        draw(st.sampled_from(["a/b:c", "public.ecr.aws/lambda/python:3.12"])),
        draw(st.text(" \n\r\t", max_size=5)) + manifest,
        config.decode() + spaces,
        draw(st.sampled_from([None, "", "3.12"])),
        draw(st.sampled_from([None, "", "glibc 2.34", "musl 1.2"])),
    )


locks = st.lists(pins(), max_size=4).map(ImagePins.of)


@given(locks)
def test_reading_is_the_left_inverse_of_writing(lock: ImagePins) -> None:
    assert parse_pins(print_pins(lock)) == lock
    assert [*parse_pins(print_pins(lock)).by_key] == [*lock.by_key]


@given(st.lists(pins(), max_size=4, unique_by=lambda pin: (pin.name, pin.platform)), st.randoms())
def test_the_bytes_do_not_depend_on_the_order(some: list[Pin], random: object) -> None:
    other = list(some)
    random.shuffle(other)  # type: ignore[attr-defined]
    assert print_pins(ImagePins.of(some)) == print_pins(ImagePins.of(other))


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace")))
def test_bytes_of_any_kind_are_pins_or_an_error_of_the_users(data: bytes) -> None:
    error = refusal(data)
    assert error is None or (error.hint and error.at)


def refusal(data: bytes) -> UserError | None:
    try:
        parse_pins(data)
    except UserError as error:
        return error
    return None


values = st.none() | st.booleans() | st.integers() | texts | st.lists(texts, max_size=2)


@given(locks.filter(lambda lock: lock.by_key), st.data())
def test_a_changed_value_is_refused_or_means_the_same_or_is_another_pin(
    lock: ImagePins, data: st.DataObject
) -> None:
    document = tomli.loads(print_pins(lock).decode())
    (name, platform), pin = next(iter(lock.by_key.items()))
    table = document["images"][name][platform]
    key = data.draw(st.sampled_from(sorted(table)))
    table[key] = data.draw(values)
    error = refusal(_toml(document))
    if error:
        assert error.at
        assert error.at.path == "WORKSPACE.lock"
        return
    same = parse_pins(_toml(document)).by_key[name, platform]
    if key in ("ref", "python", "libc"):
        assert same.image.digest == pin.image.digest
    else:
        assert same == pin


def _toml(document: dict[str, object]) -> bytes:
    """Returns the document as TOML; a None is left out."""
    lines = [f"version = {document['version']}"]
    images = document["images"]
    assert isinstance(images, dict)
    for name, platforms in images.items():
        for platform, table in platforms.items():
            lines.append(f'[images."{name}"."{platform}"]')
            lines += [f"{key} = {_value(value)}" for key, value in table.items() if value is not None]
    return "\n".join(lines).encode()


def _value(value: object) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, bool):
        return str(value).lower()
    return documents.encode([value]).decode()[1:-1].replace("\x7f", "\\u007f")


def example(tmp_path: Path) -> str:
    from tests.external.stand_ins import base, pin
    from tests.oci.blobs import Blobs

    image = base(Blobs(tmp_path / "blobs"))
    return print_pins(ImagePins.of([pin(image, python="3.12", libc="glibc 2.34")])).decode()


@pytest.mark.parametrize(
    ("old", "new", "message", "line"),
    [
        ("version = 1", "version = 2", "knows none above 1", 2),
        ("version = 1", "version = true", "there is no `version = 1`", 2),
        ("version = 1", "version = 1\nhost = 3", "unknown key 'host'", 3),
        ("version = 1", "version = 1\nimages = 3\n[x", "not TOML", 4),
        ("ref = ", "reff = ", "unknown key 'reff'", 5),
        ('digest = "sha256:', 'digest = "sha257:', "the manifest has the digest", 6),
        ('media_type = "', 'media_type = "x', "the manifest has the media type", 7),
        ('python = "3.12"', 'python = "2.7"', "'2.7' is not a version of Python 3", 4),
        ('python = "3.12"', "python = 3", "must be a string", 8),
        ('libc = "glibc 2.34"', 'libc = "uclibc 1"', "'uclibc 1' is not a C library", 4),
        ("linux/amd64", "linux/arm64", "the image is for linux/amd64, not for linux/arm64", 4),
        ("linux/amd64", "windows/amd64", "is not a platform that Lambda runs", 4),
        ("[images.", "[images.-", "there cannot be an image @-python", 4),
        ('manifest = "{', 'manifest = "[', "the manifest is not valid JSON", 4),
        ('config = "{', 'config = "{ ', "the manifest names the config", 4),
    ],
)
def test_what_is_wrong_has_its_line(tmp_path: Path, old: str, new: str, message: str, line: int) -> None:
    text = example(tmp_path).replace('images."python"', "images.python")
    assert old in text
    with pytest.raises(UserError, match=message.replace("`", ".")) as caught:
        parse_pins(text.replace(old, new, 1).encode())
    assert caught.value.at
    assert (caught.value.at.path, caught.value.at.line) == ("WORKSPACE.lock", line)
    assert caught.value.hint


def test_a_pin_is_for_its_ref_alone(tmp_path: Path) -> None:
    from lambdabuild.errors import Location
    from lambdabuild.workspace import ExternalImage

    lock = parse_pins(example(tmp_path).encode())
    image = ExternalImage("python", "public.ecr.aws/lambda/python:3.12", Location("WORKSPACE.toml"))
    assert lock.platforms(image) == ("linux/amd64",)
    other = ExternalImage("python", "public.ecr.aws/lambda/python:3.13", image.at)
    assert lock.platforms(other) == ()
    assert lock.get(other, "linux/amd64") is None
    assert isinstance(lock.by_key["python", "linux/amd64"].image, Image)
