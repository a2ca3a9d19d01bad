"""What single values of an order may be. Each function returns the value, or raises ValueError.

Paths, names and hosts come from whoever could write to the bucket, and end in file
names, requests and log lines here.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final
from urllib.parse import urlsplit

from lambdabuild.action import ANY_PLATFORM
from lambdabuild.digest import Key
from lambdabuild.errors import UserError
from lambdabuild.label import Label, is_relative_path, is_text, parse_label
from lambdabuild.oci.registry.reference import Reference, parse_reference
from lambdabuild.workspace import PLATFORMS

MAX_TEXT: Final = 4096
"""Characters of anything but parameters."""

_KEY = re.compile(r"[0-9a-f]{64}")
_TAG = re.compile(r"b3-[0-9a-f]{32}")
_TOOL = re.compile(r"[a-z][a-z0-9_]{0,63}")


def members(value: object, names: Collection[str], what: str) -> dict[str, object]:
    """Returns `value` if it is an object with these members and no other."""
    if not isinstance(value, dict) or value.keys() != {*names}:
        raise ValueError(f"{what} is no object with {', '.join(names)}")
    return value


def items(value: object, what: str, most: int = 100_000) -> list[object]:
    """Returns `value` if it is a list, of `most` items at most."""
    if not isinstance(value, list) or len(value) > most:
        raise ValueError(f"{what} is no list of at most {most}")
    return value


def exactly(value: object, count: int, what: str) -> list[object]:
    """Returns `value` if it is a list of `count` items."""
    found = items(value, what)
    if len(found) != count:
        raise ValueError(f"{what} has {len(found)} parts, not {count}")
    return found


def text(value: object, what: str) -> str:
    """Returns `value` if it is printable text of a line."""
    if not isinstance(value, str) or len(value) > MAX_TEXT or not is_text(value):
        raise ValueError(f"{what} is no text of at most {MAX_TEXT} characters")
    return value


def flag(value: object, what: str) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{what} is neither true nor false")
    return value


def number(value: object, below: int, what: str) -> int:
    """Returns `value` if it is an integer from 0 on and less than `below`."""
    if type(value) is not int or not 0 <= value < below:
        raise ValueError(f"{what} is no number below {below}")
    return value


def key(value: object) -> Key:
    if not isinstance(value, str) or not _KEY.fullmatch(value):
        raise ValueError("a key is not 64 hex digits")
    return Key(value)


def tool(value: object) -> str:
    """Returns a tool's name; whether there is one of that name is the worker's matter."""
    if not isinstance(value, str) or not _TOOL.fullmatch(value):
        raise ValueError(f"{shown(value)} is no tool's name")
    return value


def platform(value: object) -> str:
    if value != ANY_PLATFORM and value not in PLATFORMS:
        raise ValueError(f"{shown(value)} is no platform")
    return str(value)


def label(value: object) -> Label:
    try:
        return parse_label(text(value, "a label"))
    except UserError as error:
        raise ValueError(error.message) from None


def path(value: object, what: str) -> str:
    """Returns a relative path that stays below its start."""
    if not isinstance(value, str) or len(value) > MAX_TEXT or not is_relative_path(value):
        raise ValueError(f"{what} {shown(value)} is no relative path")
    return value


def paths(value: object, what: str) -> tuple[str, ...]:
    """Returns paths of which no two are equal."""
    found = tuple(path(each, what) for each in items(value, f"the list of each {what}"))
    if len({*found}) != len(found):
        raise ValueError(f"one {what} is there twice")
    return found


def version_tag(value: object) -> str:
    """Returns the tag of a hash: "b3-" and 32 hex digits."""
    if not isinstance(value, str) or not _TAG.fullmatch(value):
        raise ValueError(f"{shown(value)} is no tag of a hash")
    return value


def further_tag(value: object) -> str:
    """Returns a tag that nobody could take for that of a hash, or of a deployed function."""
    found = text(value, "a tag")
    if found.startswith(("b3-", "live-")):
        raise ValueError(f"the tag {shown(found)} could be taken for one that lambdabuild sets itself")
    _named("localhost", "any", found)
    return found


def repository(value: object) -> str:
    found = text(value, "a repository")
    _named("localhost", found)
    return found


def host(value: object) -> str:
    found = text(value, "a host")
    _named(found, "any")
    return found


def destination(value: object) -> str:
    """Returns "host/prefix", or "host"."""
    found = text(value, "a destination")
    where, slash, prefix = found.partition("/")
    if slash and not prefix:
        raise ValueError(f"{shown(found)} is no destination")
    _named(where, prefix or "any")
    return found


def reference(value: object) -> str:
    """Returns the full name of an image."""
    found = text(value, "a reference")
    try:
        full = str(parse_reference(found))
    except UserError as error:
        raise ValueError(error.message) from None
    if full != found:
        raise ValueError(f"{shown(found)} is not in full: {full}")
    return found


def pinned(value: object) -> str:
    """Returns the full name of an image with its digest."""
    found = reference(value)
    if parse_reference(found).digest is None:
        raise ValueError(f"{shown(found)} has no digest")
    return found


def index(value: object) -> str:
    """Returns the URL of a package index, without credentials."""
    found = text(value, "the package index")
    parts = urlsplit(found)
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc or " " in found:
        raise ValueError(f"{shown(parts.hostname)} is not in a URL of a package index without credentials")
    return found


def depth(value: object, most: int, what: str) -> None:
    """Raises ValueError where lists and objects are nested deeper than `most`."""
    if isinstance(value, dict | list):
        if not most:
            raise ValueError(f"{what} is nested too deeply")
        for each in value.values() if isinstance(value, dict) else value:
            depth(each, most - 1, what)


def shown(value: object) -> str:
    """Returns `value` for a message: short, printable."""
    return ascii(value)[:80]


def _named(where: str, name: str, tag: str | None = None) -> None:
    try:
        Reference(where, name, tag)
    except UserError as error:
        raise ValueError(error.message) from None
