"""Looks at all that is in use, chooses, looks again, and removes what both times nobody needed.

Leases of builds are read first and last: while one is under way, nothing is removed. An image goes before
what is recorded of it, so that one whose removal was cut off is found again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from lambdabuild.deploying import lineage
from lambdabuild.deploying.documents import Documents
from lambdabuild.deploying.plan import at_once
from lambdabuild.deploying.records import images_of_deploys
from lambdabuild.deploying.service import Lambda
from lambdabuild.errors import ExternalError
from lambdabuild.oci.digest import OciDigest
from lambdabuild.remote.lease_table import Table
from lambdabuild.retention.choose import DAY, Choice
from lambdabuild.retention.held import Held
from lambdabuild.retention.shelves import Shelf

LONGEST_BUILD: Final = 2 * DAY
"""Seconds after which a lease is one of a dead build: CodeBuild ends each after 36 hours."""


@dataclass(frozen=True, slots=True)
class Cleaner:
    """Removes what `look` finds twice.

    look:    gives the choice as things are now.
    shelves: by host and repository.
    leases:  gives the table of leases; None without a remote store.
    """

    look: Callable[[], Choice]
    shelves: Mapping[str, Shelf]
    documents: Documents
    leases: Callable[[], Table | None]

    def remove(self, first: Choice) -> tuple[Held, ...]:
        """Removes what `first` chose and a second look chooses again; returns that."""
        again = {(each.place, each.digest): each for each in self.look().gone}
        chosen = {(each.place, each.digest) for each in first.gone}
        gone = tuple(each for key, each in again.items() if key in chosen)
        check_quiet(self.leases())
        for place in sorted({each.place for each in gone}):
            self.shelves[place].remove([each.digest for each in gone if each.place == place])
        self._forget(gone)
        return gone

    def _forget(self, gone: Sequence[Held]) -> None:
        """Removes the lineage of images that are nowhere any more."""
        digests = {each.digest for each in gone}
        left = {entry.digest for shelf in self.shelves.values() for entry in shelf.entries()}
        for digest in sorted(digests - left):
            lineage.forget(self.documents, digest)


def check_quiet(table: Table | None) -> None:
    """Raises ExternalError while builds are under way, whose images nobody can know yet."""
    under_way = [each for each in table.leases if table.now - each.at < LONGEST_BUILD] if table else []
    if under_way:
        clients = ", ".join(sorted({each.client for each in under_way}))
        raise ExternalError(
            f"builds are under way, of {clients}: nothing is removed meanwhile",
            hint="run the same command again when they are over",
        )


def images_in_use(services: Sequence[Lambda], documents: Documents) -> frozenset[OciDigest]:
    """Returns what functions run, in any version, and what their last deploys name.

    Raises UserError where Lambda may not be asked: not to know is not to have none.
    """
    deployed = images_of_deploys(documents)
    return deployed.union(*map(_running, services))


def _running(service: Lambda) -> list[OciDigest]:
    found = at_once(lambda each: service.runs(*each), service.versions())
    return [each.digest for each in found if each]
