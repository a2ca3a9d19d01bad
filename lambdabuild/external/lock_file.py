r"""WORKSPACE.lock: the pins of external images as TOML, and back.

    version = 1

    [images.python."linux/amd64"]
    ref = "public.ecr.aws/lambda/python:3.12"
    digest = "sha256:…"                         # of the manifest
    media_type = "application/vnd.docker.distribution.manifest.v2+json"
    python = "3.12"                             # "" where none is inside; left out where
    libc = "glibc 2.34"                         # nobody looked
    manifest = "{\n   \"schemaVersion\": 2, …"    # exact text
    config = "{\"architecture\":\"amd64\", …"

`print_pins` gives equal bytes for equal pins; `parse_pins` takes any TOML that
says the same, and trusts nothing in it: digest, media type and platform have to
be those of the documents. The file names no host but in refs.

Absent: reading and writing the file.
"""

from __future__ import annotations

from collections.abc import Iterator

from lambdabuild.errors import UserError
from lambdabuild.external.pins import ImagePins, Pin
from lambdabuild.toml_file import TomlFile, dotted, toml_string

FILE_NAME = "WORKSPACE.lock"
VERSION = 1
HINT = "restore it from version control, or write it anew: lambdabuild lock --upgrade-all"
HEADER = "# Made by `lambdabuild lock` from [images] of WORKSPACE.toml; change that, not this file.\n"

_TOP_KEYS = ("version", "images")
_NEEDED = ("ref", "digest", "media_type", "manifest", "config")
_OPTIONAL = ("python", "libc")


def print_pins(pins: ImagePins) -> bytes:
    """Returns the pins as the bytes of a file."""
    parts = [HEADER, f"version = {VERSION}\n"]
    for pin in pins.by_key.values():
        parts.append(f"\n[images.{toml_string(pin.name)}.{toml_string(pin.platform)}]\n")
        parts += [f"{key} = {toml_string(value)}\n" for key, value in _values(pin)]
    return "".join(parts).encode()


def _values(pin: Pin) -> Iterator[tuple[str, str]]:
    image = pin.image
    yield from (("ref", pin.ref), ("digest", image.digest), ("media_type", image.media_type))
    for key, value in (("python", pin.python), ("libc", pin.libc)):
        if value is not None:
            yield key, value
    yield from (("manifest", pin.manifest), ("config", pin.config))


def parse_pins(data: bytes) -> ImagePins:
    """Returns the pins in the bytes of a file.

    Raises UserError, with the line and what to do, for anything that is no such
    file: bytes of any kind are safe to pass.
    """
    file = TomlFile.parse(FILE_NAME, data, hint=HINT)
    _check_version(file)
    _check_keys(file, (), _TOP_KEYS)
    images = file.get(dict, "images") or {}
    return ImagePins.of(
        _pin(file, name, platform) for name in images for platform in (file.get(dict, "images", name) or {})
    )


def _pin(file: TomlFile, name: str, platform: str) -> Pin:
    keys = ("images", name, platform)
    _check_keys(file, keys, (*_NEEDED, *_OPTIONAL))
    values = {key: file.get(str, *keys, key) for key in (*_NEEDED, *_OPTIONAL)}
    for key in _NEEDED:
        if values[key] is None:
            raise file.refusal(f"{dotted(keys)} has no {key}", *keys)
    digest, media_type = values.pop("digest"), values.pop("media_type")
    with file.at(*keys):
        pin = Pin.of(name, platform, **values)  # type: ignore[arg-type]
    if digest != pin.image.digest:
        raise file.refusal(
            f"the manifest has the digest {pin.image.digest}, not {str(digest)[:80]}", *keys, "digest"
        )
    if media_type != pin.image.media_type:
        raise file.refusal(
            f"the manifest has the media type {pin.image.media_type}, not {str(media_type)[:80]!r}",
            *keys,
            "media_type",
        )
    return pin


def _check_version(file: TomlFile) -> None:
    version = file.document.get("version")
    if type(version) is not int or version < 1:
        raise file.refusal(f"there is no `version = {VERSION}`, the version of the format", "version")
    if version > VERSION:
        raise file.refusal(
            f"the format has version {version}, and this lambdabuild knows none above {VERSION}",
            "version",
            hint="upgrade it: pip install --upgrade lambdabuild",
        )


def _check_keys(file: TomlFile, above: tuple[str, ...], known: tuple[str, ...]) -> None:
    table = (file.get(dict, *above) or {}) if above else file.document
    for key in table:
        if key not in known:
            raise UserError(
                f"unknown key {key[:80]!r}; there are {', '.join(known)}",
                at=file.place(*above, key),
                hint=HINT,
            )
