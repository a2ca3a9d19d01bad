"""The part of `lambdabuild lock` that pins external images in WORKSPACE.lock."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from lambdabuild.errors import UserError
from lambdabuild.external.lock_file import FILE_NAME as IMAGES_FILE
from lambdabuild.external.lock_file import parse_pins, print_pins
from lambdabuild.external.pinning import Drift, Wanted, check_names, find_drift, update_pins
from lambdabuild.external.pins import ImagePins
from lambdabuild.session import Session
from lambdabuild.store.local import write_atomically
from lambdabuild.ui import Ui


def pin_images(session: Session, ui: Ui, names: Collection[str], *, everything: bool) -> ImagePins:
    """Pins the external images of the workspace, and writes WORKSPACE.lock if it changes.

    names:      images, without "@", whose tags are asked again.
    everything: asks for all of them, and does not mind a file that cannot be read.
    """
    images = session.workspace.images
    check_names(names, images)
    path = session.workspace.root / IMAGES_FILE
    if not images and not path.is_file():
        return ImagePins.of(())
    known = _read(path, anew=everything)
    pins = update_pins(
        _wanted(session),
        known,
        session.registries,
        upgrade=lambda name: everything or name in names,
        say=ui.note,
    )
    data = print_pins(pins)
    if not path.is_file() or path.read_bytes() != data:
        write_atomically(path, data, path.parent)
    return pins


def pins_json(pins: ImagePins) -> list[dict[str, str | None]]:
    """Returns the pins as scripts read them."""
    return [
        {
            "image": f"@{pin.name}",
            "platform": pin.platform,
            "ref": pin.ref,
            "digest": pin.image.digest,
            "python": pin.python,
            "libc": pin.libc,
        }
        for pin in pins.by_key.values()
    ]


def drifted_images(session: Session) -> list[Drift]:
    """Returns the images that are not pinned, or whose tags have moved."""
    if not session.workspace.images:
        return []
    return find_drift(
        _wanted(session), _read(session.workspace.root / IMAGES_FILE, anew=False), session.registries
    )


def _wanted(session: Session) -> Wanted:
    images = session.workspace.images
    platforms = session.platforms_of_images() if images else {}
    return [(image, platforms[name]) for name, image in images.items()]


def _read(path: Path, *, anew: bool) -> ImagePins:
    """Returns the pins that are there; none of a file that cannot be read, if it is made `anew`."""
    if not path.is_file():
        return ImagePins.of(())
    try:
        return parse_pins(path.read_bytes())
    except UserError:
        if anew:
            return ImagePins.of(())
        raise
