"""The registry -> pins, and pins that their registry has moved away from.

What is pinned stays, whatever its tag names by now, until its ref changes or an
upgrade is asked for. Layers are read once, to see which Python and C library are
inside, and not at all where WORKSPACE.toml says both.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from lambdabuild.errors import LambdaBuildError, UserError, did_you_mean
from lambdabuild.external.contents import look_inside
from lambdabuild.external.pins import ImagePins, Pin
from lambdabuild.external.registries import Registries, reference_of
from lambdabuild.oci.image import Image
from lambdabuild.oci.manifest import parse_manifest
from lambdabuild.oci.registry.reference import Reference
from lambdabuild.workspace import ExternalImage

Wanted = Iterable[tuple[ExternalImage, Collection[str]]]
"""Images, each with the platforms that it is wanted for."""


def check_names(names: Iterable[str], images: Mapping[str, ExternalImage]) -> None:
    """Raises UserError for a name, without "@", that no image of the workspace has."""
    for name in names:
        if name not in images:
            there = [f"@{each}" for each in images]
            listed = ", ".join(there) or "none"
            raise UserError(
                f"there is no external image @{name} to upgrade",
                hint=did_you_mean(f"@{name}", there) or f"WORKSPACE.toml declares {listed}",
            )


def update_pins(
    wanted: Wanted,
    known: ImagePins,
    registries: Registries,
    *,
    upgrade: Callable[[str], bool] = lambda name: False,
    say: Callable[[str], None] = lambda text: None,
) -> ImagePins:
    """Returns the pins of what is wanted, and of nothing else.

    upgrade: told an image's name, says whether its tag is to be asked again.
    say:     gets a sentence for each pin that is new.

    Raises UserError and ExternalError as `Repository` does, at the image's place.
    """
    pins = []
    for image, platforms in wanted:
        for platform in sorted(platforms):
            try:
                pins.append(_updated(image, platform, known, registries, upgrade(image.name), say))
            except UserError as error:
                raise error.located(image.at) from None
    return ImagePins.of(pins)


def _updated(
    image: ExternalImage,
    platform: str,
    known: ImagePins,
    registries: Registries,
    upgrade: bool,
    say: Callable[[str], None],
) -> Pin:
    reference = reference_of(image)
    old = known.get(image, platform)
    pin = old if old and not upgrade else _asked(image, reference, platform, registries)
    if old and pin.image.digest == old.image.digest:
        pin = old
    if not (_is_known(image.python, pin.python) and _is_known(image.libc, pin.libc)):
        say(f"@{image.name} ({platform}): its layers are read once, for the Python and C library inside")
        repository = registries.repository(reference)
        inside = look_inside(pin.image, lambda layer: repository.blob(layer.digest, layer.size))
        pin = replace(pin, python=inside.python, libc=inside.libc)
    if pin != old:
        say(f"@{image.name} ({platform}): {pin.image.digest}{_found(image, pin)}")
    return pin


def _is_known(stated: str, found: str | None) -> bool:
    return bool(stated) or found is not None


def _found(image: ExternalImage, pin: Pin) -> str:
    python, libc = image.python or pin.python, image.libc or pin.libc
    if python and libc:
        return f", Python {python}, {libc}"
    missing = [name for name, value in (("python", python), ("libc", libc)) if not value]
    return f"; {' and '.join(missing)} not found: for packages, say so in [images.{image.name}]"


def _asked(image: ExternalImage, reference: Reference, platform: str, registries: Registries) -> Pin:
    """Returns what the registry has for the ref now."""
    repository = registries.repository(reference)
    found = repository.resolve(reference.version, platform)
    named = parse_manifest(found.data).config
    config = repository.document(named.digest, named.size)
    whole = Image.parse(found.data, config)
    if whole.platform != platform:
        raise UserError(
            f"{reference} is for {whole.platform} alone, and the workspace builds for {platform}",
            hint="name an image for several platforms, or drop one in [workspace] platforms",
        )
    return Pin.of(image.name, platform, image.ref, found.data.decode(), config.decode())


@dataclass(frozen=True, slots=True)
class Drift:
    """What is wrong with a pin. `new` is what its tag names now; `old` "" means that it is not pinned."""

    name: str
    platform: str
    ref: str
    old: str
    new: str

    def __str__(self) -> str:
        if not self.old:
            return f"@{self.name} ({self.platform}): {self.ref} is not pinned"
        return f"@{self.name} ({self.platform}): {self.ref} was {self.old} and is {self.new} now"


def find_drift(wanted: Wanted, pins: ImagePins, registries: Registries) -> list[Drift]:
    """Returns the images that are not pinned, or whose tags have moved; raises as `update_pins` does."""
    found = []
    for image, platforms in wanted:
        for platform in sorted(platforms):
            pin = pins.get(image, platform)
            old = pin.image.digest if pin else ""
            new = _digest_now(image, platform, registries) if pin else ""
            if not pin or old != new:
                found.append(Drift(image.name, platform, image.ref, old, new))
    return found


def _digest_now(image: ExternalImage, platform: str, registries: Registries) -> str:
    reference = reference_of(image)
    try:
        return registries.repository(reference).resolve(reference.version, platform).digest
    except LambdaBuildError as error:
        raise error.located(image.at) from None
