"""What should be written, loaded and analysed as if it were there.

External images need not be pinned for that, nor requirements locked: pins are
stood in for by images without layers, and third-party packages are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from lambdabuild.errors import UserError
from lambdabuild.evaluation import Question, Say, evaluate, read_pins
from lambdabuild.external.lock_file import FILE_NAME, print_pins
from lambdabuild.external.pins import ImagePins, Pin
from lambdabuild.label import TargetPattern
from lambdabuild.migrating.overlay import Overlay
from lambdabuild.migrating.rendering import Draft
from lambdabuild.sources import View
from lambdabuild.workspace import PLATFORMS, ExternalImage, Workspace

_PYTHON = re.compile(r"(?<![0-9.])3\.[0-9]+(?![0-9])")


def failures(
    workspace: Workspace, view: View, files: Mapping[str, bytes], drafts: Iterable[Draft], say: Say
) -> dict[tuple[str, str], UserError]:
    """Returns (package, name) -> what is wrong with it, of the targets that would not build.

    workspace: with the settings that the written WORKSPACE.toml has.
    """
    patterns = tuple(TargetPattern(draft.package, draft.name) for draft in drafts)
    if not patterns:
        return {}
    pins = print_pins(_pins(workspace, view))
    tree = Overlay(view, {**files, FILE_NAME: pins})
    asked = Question(patterns, keep_going=True, without_lock=True)
    found = evaluate(workspace, asked, say, tree=tree).failures
    wrong = dict(reversed(found))
    return {
        (each.package, each.name): wrong[str(each.label)] for each in patterns if str(each.label) in wrong
    }


def _pins(workspace: Workspace, view: View) -> ImagePins:
    pins = read_pins(view)
    stand_ins = [
        _stand_in(image, platform)
        for image in workspace.images.values()
        for platform in PLATFORMS
        if pins.get(image, platform) is None
    ]
    return ImagePins.of((*pins.by_key.values(), *stand_ins))


def _stand_in(image: ExternalImage, platform: str) -> Pin:
    """Returns a pin as it might be: of an image without layers, with the Python that its tag names."""
    from lambdabuild.oci.image import Image  # only where an image is not pinned yet

    scratch = Image.scratch(platform)
    manifest, config = scratch.manifest.decode(), scratch.config.decode()
    named = _PYTHON.findall(image.ref)
    python = image.python or (named[-1] if named else "3.12")
    return Pin.of(image.name, platform, image.ref, manifest, config, python, image.libc or "glibc 2.34")
