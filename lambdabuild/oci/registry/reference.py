"""Names of images, as docker reads them.

Grammar: distribution's `reference` package, within the OCI distribution spec
("Pulling manifests": <name> and <reference>). What docker fills in is filled in
here: a name without a host is Docker Hub's, one without a slash is below
"library/" there.

Absent: digests of other kinds than sha256.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from lambdabuild.errors import UserError
from lambdabuild.oci.digest import OciDigest, parse_oci_digest

DOCKER_HUB: Final = "docker.io"
DOCKER_HUB_API: Final = "registry-1.docker.io"

MAX_NAME: Final = 255
"""Characters of host and repository with the slash between them (distribution spec)."""

_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_HOST = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9a-fA-F:]+\])(?::[0-9]{{1,5}})?")
_WORD = r"[a-z0-9]+"
_COMPONENT = rf"{_WORD}(?:(?:\.|_|__|-+){_WORD})*"
_REPOSITORY = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}")
_IDENTIFIER = re.compile(r"[0-9a-f]{64}")
_EXAMPLE = 'write it as "host/repository:tag", e.g. "public.ecr.aws/lambda/python:3.12"'


@dataclass(frozen=True, slots=True)
class Reference:
    """What an image is called, in full. Raises UserError unless it fits the grammar.

    host:       where it is, with a port if it is a special one, e.g. "public.ecr.aws".
    repository: e.g. "lambda/python".
    tag:        or None.
    digest:     of the manifest or index, or None. It prevails over the tag.
    """

    host: str
    repository: str
    tag: str | None = None
    digest: OciDigest | None = None

    def __post_init__(self) -> None:
        problem = _problem(self.host, self.repository, self.tag, self.digest)
        if problem:
            raise _wrong(str(self), problem)

    def __str__(self) -> str:
        tag = "" if self.tag is None else f":{self.tag}"
        digest = "" if self.digest is None else f"@{self.digest}"
        return f"{self.name}{tag}{digest}"

    @property
    def name(self) -> str:
        """Host and repository."""
        return f"{self.host}/{self.repository}"

    @property
    def version(self) -> str:
        """What to ask the repository for: the digest, else the tag, else "latest"."""
        return self.digest or self.tag or "latest"


def parse_reference(text: str) -> Reference:
    """Returns what docker understands by `text`; UserError for what it would refuse.

    The result's `str` is the full name, and parses to an equal Reference.
    """
    name, at, digest = text.partition("@")
    # A colon after the last slash begins a tag; one before it belongs to the host's port.
    colon = name.find(":", name.rfind("/") + 1)
    tag = name[colon + 1 :] if colon >= 0 else None
    host, repository = _split(name[:colon] if colon >= 0 else name)
    problem = _problem(host, repository, tag, digest if at else None)
    if problem:
        raise _wrong(text, problem)
    return Reference(host, repository, tag, OciDigest(digest) if at else None)


def api_host(host: str) -> str:
    """Returns the host that answers requests for images of `host`."""
    return DOCKER_HUB_API if host == DOCKER_HUB else host


def check_version(version: str) -> str:
    """Returns `version` if it is a tag or a digest; UserError otherwise."""
    if not _TAG.fullmatch(version) and not _is_digest(version):
        raise UserError(
            f"{version!r} is neither a tag nor a digest", hint='write it as "3.12" or "sha256:<64 hex>"'
        )
    return version


def _split(name: str) -> tuple[str, str]:
    """Returns host and repository; the first component is a host only if it looks like one."""
    first, slash, rest = name.partition("/")
    if not slash or (first == first.lower() and first != "localhost" and not re.search(r"[.:]", first)):
        first, rest = DOCKER_HUB, name
    if first in ("index.docker.io", DOCKER_HUB_API):
        first = DOCKER_HUB
    if first == DOCKER_HUB and "/" not in rest:
        rest = f"library/{rest}"
    return first, rest


def _problem(host: str, repository: str, tag: str | None, digest: str | None) -> str | None:
    """Returns what is wrong with the parts of a name, or None."""
    if not _HOST.fullmatch(host) or int("0" + host.rpartition("]")[2].partition(":")[2]) > 65535:
        return f"{host!r} is no host"
    if not _REPOSITORY.fullmatch(repository):
        if repository != repository.lower():
            return f"the repository {repository!r} has capital letters"
        return f"{repository!r} is no repository"
    if _IDENTIFIER.fullmatch(repository.removeprefix("library/")) and host == DOCKER_HUB:
        return "64 hex digits are an image's ID, not its name"
    if len(host) + 1 + len(repository) > MAX_NAME:
        return f"its name is longer than {MAX_NAME} characters"
    if tag is not None and not _TAG.fullmatch(tag):
        return f"{tag!r} is no tag"
    if digest is not None and not _is_digest(digest):
        return f"{digest!r} is no sha256 digest"
    return None


def _is_digest(text: str) -> bool:
    try:
        parse_oci_digest(text)
    except ValueError:
        return False
    return True


def _wrong(text: str, problem: str) -> UserError:
    return UserError(f"{text!r} is not the name of an image: {problem}", hint=_EXAMPLE)
