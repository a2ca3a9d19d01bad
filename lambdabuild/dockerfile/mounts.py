"""RUN --mount: what a step sees while it runs, and what of that is an input."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass

from lambdabuild.dockerfile.model import Instruction
from lambdabuild.errors import UserError, did_you_mean

_TYPES = ("bind", "cache", "tmpfs", "secret", "ssh")


@dataclass(frozen=True, slots=True)
class Mount:
    """One --mount.

    source_image: the stage or image that it shows, "" for the context or none.
    source:       what of the context is shown, as written; None for nothing.
    secret:       id of a secret, as written, or "".
    """

    source_image: str = ""
    source: str | None = None
    secret: str = ""


def mounts_of(instruction: Instruction) -> Iterator[Mount]:
    """Yields the mounts of a RUN; raises UserError, without a place."""
    for text in instruction.flags.get("mount", ()) if instruction.name == "RUN" else ():
        yield _mount(_fields(text))


def _fields(text: str) -> dict[str, str]:
    fields = {}
    for field in text.replace('"', "").split(","):
        key, _, value = field.partition("=")
        fields[{"src": "source", "dst": "target", "destination": "target"}.get(key.lower(), key.lower())] = (
            value
        )
    return fields


def _mount(fields: dict[str, str]) -> Mount:
    kind, image = fields.get("type", "bind"), fields.get("from", "")
    if kind not in _TYPES:
        raise UserError(
            f"there is no mount of type {kind[:40]!r}",
            hint=did_you_mean(kind, _TYPES) or f"there are {', '.join(_TYPES)}",
        )
    if kind == "ssh":
        raise UserError(
            "keys of an SSH agent are not handed to builds",
            hint='take a secret: RUN --mount=type=secret,id=…, and secrets = ["…"] on the target',
        )
    if kind == "secret":
        id_ = fields.get("id") or posixpath.basename(fields.get("target", ""))
        if not id_:
            raise UserError("a secret is mounted without its id", hint="write --mount=type=secret,id=NAME")
        return Mount(secret=id_)
    if kind == "bind" and not image:
        return Mount(source=fields.get("source", "/"))
    return Mount(source_image=image if kind in ("bind", "cache") else "")
