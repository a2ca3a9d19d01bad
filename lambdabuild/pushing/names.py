"""Where a push goes: "host/prefix", the repository of a label below it, and tags.

Grammar of repositories and tags: `lambdabuild.oci.registry.reference`. What a
label has beyond it is replaced, so that every target has a repository without
being asked for one; two labels may come to share it, which does no harm, since
tags are hashes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from lambdabuild.errors import Location, UserError
from lambdabuild.label import Label
from lambdabuild.oci.registry.reference import Reference

EXTERNAL_PATH: Final = "external"
"""The package of external images, as repositories have it."""

LATEST: Final = "latest"

_FIELD = re.compile(r"\{(\w*)\}")
_STRANGE = re.compile(r"[^a-z0-9._/-]+")
_SEPARATORS = re.compile(r"[._-]+")
_KNOWN_SEPARATOR = re.compile(r"\.|_|__|-+")
RESERVED: Final = {"b3-": "that of a hash", "live-": "that of a deployed function"}
"""What tags begin with that lambdabuild sets itself -> what they are."""


@dataclass(frozen=True, slots=True)
class Destination:
    """A registry, and what all repositories in it begin with.

    prefix: without "/" at its ends; "" for none.
    """

    host: str
    prefix: str

    def __str__(self) -> str:
        return f"{self.host}/{self.prefix}".rstrip("/")

    def reference(self, repository: str, tag: str) -> Reference:
        """Returns the full name of an image here; raises UserError if it is too long."""
        return Reference(self.host, "/".join(filter(None, (self.prefix, repository))), tag)


def parse_destinations(texts: Iterable[str], at: Location | None = None) -> tuple[Destination, ...]:
    """Returns the destinations that "host/prefix" each name, without duplicates; raises UserError."""
    found: dict[Destination, None] = {}
    for text in texts:
        host, _, prefix = text.removesuffix("/").partition("/")
        try:
            Reference(host, prefix or "any")
        except UserError:
            raise UserError(
                f"{text!r} is no registry to push to",
                at=at,
                hint='write it as "host/prefix", e.g. "123456789012.dkr.ecr.eu-west-1.amazonaws.com/shop"',
            ) from None
        found[Destination(host, prefix)] = None
    return tuple(found)


def check_tags(tags: Sequence[str]) -> tuple[str, ...]:
    """Returns the tags, each once; UserError for what is none, or could be taken for one of our own."""
    for tag in tags:
        try:
            Reference("localhost", "any", tag)
        except UserError:
            raise UserError(
                f"{tag!r} is no tag", hint="tags have letters, digits, '_', '.' and '-', at most 128"
            ) from None
        for start, whose in RESERVED.items():
            if tag.startswith(start):
                raise UserError(
                    f"the tag {tag!r} could be taken for {whose}", hint=f"choose one without {start} in front"
                )
    return tuple(dict.fromkeys(tags))


def with_platform(tag: str, platform: str) -> str:
    """Returns the tag for one of several platforms: "v1" -> "v1-arm64"; raises UserError."""
    return check_tags([f"{tag}-{platform.partition('/')[2].replace('/', '-')}"])[0]


def check_template(template: str, at: Location | None = None) -> str:
    """Returns [registry] repository; raises UserError for fields that it cannot have.

    Without a field it is one repository for all images, as `lambdabuild bootstrap` makes it.
    """
    fields, rest = _FIELD.findall(template), _FIELD.sub("", template)
    if set(fields) - {"package", "name"} or set(rest) & set("{}") or not (fields or _is_repository(rest)):
        raise UserError(
            f"registry.repository cannot be {template!r}",
            at=at,
            hint="it is made of {package}, {name} and what stands between them, or one repository for all",
        )
    return template


def _is_repository(text: str) -> bool:
    try:
        return Reference("localhost", text).repository == text
    except UserError:
        return False


def repository_of(label: Label, template: str = "{package}/{name}") -> str:
    """Returns the repository of a target, below the prefix; raises UserError if its name gives none.

    template: as `check_template` returned it.
    """
    values = {"package": EXTERNAL_PATH if label.external else label.package, "name": label.name}
    text = _FIELD.sub(lambda match: values[match[1]], template)
    repository = "/".join(filter(None, map(_component, _STRANGE.sub("-", text.lower()).split("/"))))
    if not repository:
        raise UserError(
            f"{label} has no name that a repository could have", hint='give it one: repository = "team/name"'
        )
    return repository


def checked_repository(repository: str, at: Location) -> str:
    """Returns the attribute `repository` of a target; raises UserError unless it is one."""
    try:
        return Reference("localhost", repository).repository
    except UserError:
        raise UserError(
            f"{repository!r} cannot be a repository",
            at=at,
            hint='it has lower-case letters, digits and single signs between them: "team/receipts"',
        ) from None


def _component(text: str) -> str:
    """Returns one component without signs at its ends, and with none inside but those of the grammar."""
    return _SEPARATORS.sub(_separator, text.strip("._-"))


def _separator(match: re.Match[str]) -> str:
    return match[0] if _KNOWN_SEPARATOR.fullmatch(match[0]) else "-"
