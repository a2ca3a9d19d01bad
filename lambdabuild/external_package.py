"""The external images of WORKSPACE.toml as targets: a package that has no BUILD file.

Each is a target of the bundled rule external_image, with what is pinned of it as
attributes. One that is not pinned is a target as well: analysis refuses it, for
the platform that is asked, so that only who builds on it is told.
"""

from __future__ import annotations

from collections.abc import Mapping

from lambdabuild.external.pins import ImagePins
from lambdabuild.label import EXTERNAL, Label
from lambdabuild.rule import Rule
from lambdabuild.target import PUBLIC, Package, Target
from lambdabuild.workspace import FILE_NAME, ExternalImage

RULE_FILE, RULE = "external.bzl", "external_image"


def external_package(images: Mapping[str, ExternalImage], pins: ImagePins, rule: Rule) -> Package:
    """Returns the package of `images`, by name.

    rule: RULE in RULE_FILE.
    """
    targets = {name: _target(image, pins, rule) for name, image in images.items()}
    return Package(EXTERNAL, FILE_NAME, targets)


def _target(image: ExternalImage, pins: ImagePins, rule: Rule) -> Target:
    found = [pin for platform in pins.platforms(image) if (pin := pins.get(image, platform))]
    given = {
        "name": image.name,
        "ref": image.ref,
        "manifests": {pin.platform: pin.manifest for pin in found},
        "configs": {pin.platform: pin.config for pin in found},
        "python": _known({pin.platform: image.python or pin.python for pin in found}),
        "libc": _known({pin.platform: image.libc or pin.libc for pin in found}),
    }
    label = Label(EXTERNAL, image.name)
    return Target(label, rule.id, rule.name, rule.check(given, EXTERNAL), (PUBLIC,), image.at)


def _known(values: Mapping[str, str | None]) -> dict[str, str]:
    return {platform: value for platform, value in values.items() if value}
