"""The part of `lambdabuild lock --image NAME=REF` that declares external images in WORKSPACE.toml."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lambdabuild.errors import Location, UserError
from lambdabuild.external.declaring import with_images
from lambdabuild.label import image_name_problem
from lambdabuild.oci.registry.reference import parse_reference
from lambdabuild.workspace import FILE_NAME, Workspace


def declare_images(workspace: Workspace, options: Sequence[str]) -> bytes | None:
    """Returns WORKSPACE.toml with the images that `options` ("NAME=REF") add; None if there are none.

    Raises UserError for what names no image, and for a name that means another one already.
    """
    wanted = dict(_parsed(option) for option in options)
    added = {name: ref for name, ref in wanted.items() if not _is_declared(workspace, name, ref)}
    if not added:
        return None
    before = _read(workspace.root / FILE_NAME)
    return with_images(before.decode(), added).encode()


def _parsed(option: str) -> tuple[str, str]:
    name, equals, ref = option.partition("=")
    name = name.removeprefix("@")
    if not equals:
        raise UserError(
            f"--image {option[:120]!r} does not say which image it is",
            hint="write --image python=public.ecr.aws/lambda/python:3.12",
        )
    if problem := image_name_problem(name):
        raise UserError(f"there cannot be an image @{name[:80]}: {problem}", hint="write --image NAME=REF")
    parse_reference(ref)
    return name, ref


def _is_declared(workspace: Workspace, name: str, ref: str) -> bool:
    known = workspace.images.get(name)
    if known is None:
        return False
    if parse_reference(known.ref) != parse_reference(ref):
        raise UserError(
            f"@{name} is {known.ref} already, not {ref}",
            at=known.at,
            hint=f"give the other one another name: --image other-{name}={ref}",
        )
    return True


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot be read: {error.strerror}", at=Location(FILE_NAME)) from None
