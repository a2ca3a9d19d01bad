"""Which Python and which C library an image holds, found in its layers.

Python by the names of interpreters and libraries, those of Lambda's own place
first; glibc by what its library says of itself ("GNU C Library (GNU libc) stable
release version 2.34."), musl by the version string in its loader. What cannot be
told for certain is "": WORKSPACE.toml can say it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from lambdabuild.oci.image import Descriptor, Image
from lambdabuild.oci.layer_files import read_files

_PLACES = ("var/lang/", "usr/local/", "usr/")
"""Where a Python is installed; the first that has one counts. An image's PYTHON_VERSION comes second."""

_PYTHON = re.compile(
    rf"({'|'.join(_PLACES)})(?:bin/python|lib(?:64)?/(?:[a-z0-9_]+-linux-[a-z]+/)?libpython)"
    r"(3\.[0-9]{1,3})(?:\.so(?:\.[0-9.]+)?)?"
)
_GLIBC = re.compile(r"(?:usr/)?lib(?:64)?/(?:[a-z0-9_]+-linux-gnu[a-z0-9]*/)?libc(?:\.so\.6|-2\.[0-9]+\.so)")
_MUSL = re.compile(r"(?:usr/)?lib/(?:ld-musl-[a-z0-9_]+\.so\.1|libc\.musl-[a-z0-9_]+\.so\.1)")
_GLIBC_SAYS = re.compile(rb"GNU C Library [^\n\0]{0,100}?release version (2\.[0-9]{1,3})")
_MUSL_SAYS = re.compile(rb"\0(1\.[0-9]{1,3})\.[0-9]{1,3}(?:-git[^\0]{0,40})?\0")
_VERSION = re.compile(r"(3\.[0-9]{1,3})(?:\.|$)")


class Inside(NamedTuple):
    """What was found: "3.12", "glibc 2.34"; "" for what was not."""

    python: str
    libc: str


def look_inside(image: Image, blob: Callable[[Descriptor], Iterable[bytes]]) -> Inside:
    """Returns what is in the layers of `image`, each streamed once and verified.

    blob: gives a layer's compressed bytes, in pieces.

    Raises what `read_files` does.
    """
    layers = ((diff_id, blob(layer)) for diff_id, layer in zip(image.diff_ids, image.layers, strict=True))
    files = read_files(layers, lambda path: any(known.fullmatch(path) for known in (_PYTHON, _GLIBC, _MUSL)))
    return Inside(_python(files, image.env), _libc(files))


def _python(files: Iterable[str], env: Mapping[str, str]) -> str:
    found: dict[str, set[str]] = {}
    for path in files:
        if match := _PYTHON.fullmatch(path):
            found.setdefault(match[1], set()).add(match[2])
    stated = _VERSION.match(env.get("PYTHON_VERSION", ""))
    if stated:
        found.setdefault(_PLACES[1], {stated[1]})
    versions = next((found[place] for place in _PLACES if place in found), set())
    return _only(versions)


def _libc(files: Mapping[str, bytes]) -> str:
    found = set()
    for path, content in files.items():
        for names, says, kind in ((_GLIBC, _GLIBC_SAYS, "glibc"), (_MUSL, _MUSL_SAYS, "musl")):
            if names.fullmatch(path) and (match := says.search(content)):
                found.add(f"{kind} {match[1].decode()}")
    return _only(found)


def _only(versions: set[str]) -> str:
    """Returns the one that there is, or ""."""
    return versions.pop() if len(versions) == 1 else ""
