"""WORKSPACE.toml with more external images."""

from __future__ import annotations

from collections.abc import Mapping

from lambdabuild.errors import UserError
from lambdabuild.toml_file import TomlFile, toml_string
from lambdabuild.workspace import FILE_NAME


def with_images(text: str, images: Mapping[str, str]) -> str:
    """Returns `text` with a table [images.NAME] for each of `images` (name -> reference) at its end.

    Raises UserError where it has images in another form, to which nothing can be added there.
    """
    tables = [f"[images.{_key(name)}]\nref = {toml_string(ref)}\n" for name, ref in images.items()]
    start = text if not text or text.endswith("\n") else f"{text}\n"
    made = "\n".join([start, *tables]) if start else "\n".join(tables)
    try:
        TomlFile.parse(FILE_NAME, made.encode(), hint=None)
    except UserError:
        raise UserError(
            "[images] is written in a form to which nothing can be added at the end",
            at=TomlFile.parse(FILE_NAME, text.encode(), hint=None).place("images"),
            hint="write it as tables [images.NAME], each with its ref",
        ) from None
    return made


def _key(name: str) -> str:
    return toml_string(name) if "." in name else name
