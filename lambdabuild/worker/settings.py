"""The environment of a build -> which order, in which store."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from lambdabuild.errors import UserError

STORE, OWNER, ORDER, BUILD = (
    "LAMBDABUILD_STORE",
    "LAMBDABUILD_OWNER",
    "LAMBDABUILD_ORDER",
    "CODEBUILD_BUILD_ID",
)

_HINT = "builds are started by: lambdabuild build --executor codebuild"
_SHAPES = {
    STORE: (re.compile(r"s3://[a-z0-9.-]{3,63}(?:/[^\x00-\x20\x7f]*)?"), "s3://bucket/prefix"),
    OWNER: (re.compile(r"[0-9]{12}"), "the twelve digits of an AWS account"),
    ORDER: (re.compile(r"[0-9a-f]{64}"), "the 64 hex digits of an order"),
}
_BUILD = re.compile(r"[A-Za-z0-9_-]{1,255}:[A-Za-z0-9-]{1,64}")


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """What a build has to do, and where.

    store: "s3://bucket/prefix".
    owner: the AWS account that has to own the bucket.
    order: 64 hex digits.
    build: "project:uuid", as CodeBuild names builds.
    """

    store: str
    owner: str
    order: str
    build: str

    @property
    def build_uuid(self) -> str:
        """The part of the build's name that no other build has."""
        return self.build.rpartition(":")[2]


def read_settings(environ: Mapping[str, str]) -> WorkerSettings:
    """Returns what the variables say; raises UserError for the first that is missing or malformed."""
    store, owner, order = (_value(environ, name) for name in (STORE, OWNER, ORDER))
    build = environ.get(BUILD) or f"local:{uuid.uuid4()}"
    if not _BUILD.fullmatch(build):
        raise UserError(f"{BUILD} is not the name of a build: {ascii(build)[:80]}", hint=_HINT)
    return WorkerSettings(store, owner, order, build)


def _value(environ: Mapping[str, str], name: str) -> str:
    shape, meaning = _SHAPES[name]
    value = environ.get(name, "")
    if not value:
        raise UserError(f"the variable {name} is not set: it has to be {meaning}", hint=_HINT)
    if not shape.fullmatch(value):
        raise UserError(f"the variable {name} is not {meaning}: {ascii(value)[:80]}", hint=_HINT)
    return value
