"""The text of a WORKSPACE.toml: a new one, or one with more external images."""

from __future__ import annotations

import json
from collections.abc import Mapping


def workspace_text(name: str) -> str:
    """Returns a WORKSPACE.toml for a workspace of that name."""
    return f"[workspace]\nname = {_string(name)}\n"


def with_images(text: str, images: Mapping[str, str]) -> str:
    """Returns `text` with a table [images.NAME] for each of `images` (reference -> name) at its end."""
    tables = [
        f"[images.{_key(name)}]\nref = {_string(reference)}\n"
        for name, reference in sorted((name, reference) for reference, name in images.items())
    ]
    start = text if not text or text.endswith("\n") else f"{text}\n"
    return "\n".join([start, *tables]) if start else "\n".join(tables)


def _key(name: str) -> str:
    return _string(name) if "." in name else name


def _string(text: str) -> str:
    """A JSON string is a TOML string, but that TOML wants DEL escaped as well."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
