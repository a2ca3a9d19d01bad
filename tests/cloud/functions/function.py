"""One function: $LATEST, its published versions and aliases, each with a revision.

As AWS documents them: an update is refused while another is under way, and by a RevisionId that is not
the latest; a version is published only if something has changed since the last one.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from lambdabuild.oci.digest import OciDigest

from .refusals import conflict, not_found, outdated

LATEST = "$LATEST"


def new_revision() -> str:
    return str(uuid.uuid4())


@dataclass(frozen=True)
class Version:
    """What one version of a function is.

    uri:          the image as it was named; "" for a function of package type Zip.
    image_config: Command, EntryPoint, WorkingDirectory, as far as they are set.
    """

    uri: str
    digest: OciDigest | None
    image_config: Mapping[str, Any] = field(default_factory=dict)
    architectures: tuple[str, ...] = ("x86_64",)
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def code_sha256(self) -> str:
        return self.digest.removeprefix("sha256:") if self.digest else "zip"


@dataclass
class Alias:
    version: str
    routing: Mapping[str, Any] = field(default_factory=dict)
    revision: str = field(default_factory=new_revision)


@dataclass
class Function:
    """Not for several threads: the service takes turns.

    pending: how many more times it is asked after before an update that is under way is over; -1: it never is.
    failure: why the update that is under way is going to fail, as (code, reason).
    """

    arn: str
    latest: Version
    pending: int = 0
    failure: tuple[str, str] | None = None
    status: str = "Successful"
    revision: str = field(default_factory=new_revision)
    versions: dict[str, Version] = field(default_factory=dict)
    aliases: dict[str, Alias] = field(default_factory=dict)
    _before: Version | None = None

    @property
    def name(self) -> str:
        return self.arn.rpartition(":")[2]

    def look(self) -> None:
        """Lets the update that is under way come nearer to its end; it changes the revision once more."""
        if self.status != "InProgress":
            return
        if self.pending:
            self.pending -= self.pending > 0
            return
        self.status, self.revision = "Successful", new_revision()
        if self.failure and self._before:
            self.status, self.latest = "Failed", self._before

    def check(self, revision: str | None) -> None:
        """Refuses a change while another is under way, or by somebody who has not seen the last one."""
        if self.status == "InProgress":
            raise conflict(
                "The operation cannot be performed at this time. "
                f"An update is in progress for resource: {self.arn}"
            )
        if revision is not None and revision != self.revision:
            raise outdated("GetFunction")

    def change(self, pending: int, failure: tuple[str, str] | None, **changes: Any) -> None:
        """Begins an update."""
        self._before, self.failure = self.latest, failure
        self.latest = replace(self.latest, **changes)
        self.status, self.pending, self.revision = "InProgress", pending, new_revision()

    def publish(self) -> str:
        """Returns the number of the version that is what $LATEST is."""
        last = str(len(self.versions))
        if self.versions.get(last) == self.latest:
            return last
        number = str(len(self.versions) + 1)
        self.versions[number] = self.latest
        self.revision = new_revision()
        return number

    def resolve(self, qualifier: str | None) -> tuple[str, Version]:
        """Returns the number of a version and what it is, by number, alias or nothing."""
        alias = self.aliases.get(qualifier or "")
        number = alias.version if alias else qualifier or LATEST
        found = self.latest if number == LATEST else self.versions.get(number)
        if found is None:
            raise not_found(f"Function not found: {self.arn}:{qualifier}")
        return number, found

    def put_alias(self, name: str, wanted: Mapping[str, Any], *, new: bool) -> Alias:
        """Makes an alias, or points it elsewhere."""
        if new and name in self.aliases:
            raise conflict(f"Alias already exists: {self.arn}:{name}")
        if not new:
            known = self.alias(name)
            if wanted.get("RevisionId") not in (None, known.revision):
                raise outdated("GetAlias")
        version = str(wanted.get("FunctionVersion") or self.aliases[name].version)
        self.resolve(version)
        self.aliases[name] = Alias(version, wanted.get("RoutingConfig") or {})
        return self.aliases[name]

    def alias(self, name: str) -> Alias:
        if name not in self.aliases:
            raise not_found(f"Cannot find alias arn: {self.arn}:{name}")
        return self.aliases[name]
