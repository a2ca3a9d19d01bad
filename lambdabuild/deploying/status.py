"""What functions run, and whether that is what the working tree says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from lambdabuild.configured import ConfiguredLabel
from lambdabuild.deploying.deployed import PLATFORMS
from lambdabuild.deploying.documents import Documents
from lambdabuild.deploying.lineage import Lineage, find
from lambdabuild.deploying.names import WantedFunction
from lambdabuild.deploying.plan import at_once
from lambdabuild.deploying.service import Seen
from lambdabuild.deploying.steps import Service
from lambdabuild.digest import Key

CURRENT: Final = "current"
DIFFERS: Final = "differs"
UNKNOWN: Final = "unknown"


@dataclass(frozen=True, slots=True)
class Status:
    """One function.

    alias:   the one that was looked through, "" for none: then it is $LATEST.
    seen:    what it runs.
    lineage: what its image was made of; None where nobody has recorded that.
    state:   "current", the working tree gives what it runs; "differs"; "unknown" without lineage; "" where no
             target was asked for.
    """

    name: str
    label: str
    alias: str
    seen: Seen
    lineage: Lineage | None
    state: str = ""

    def to_json(self) -> dict[str, Any]:
        lineage = self.lineage
        return {
            "function": self.name,
            "label": self.label or None,
            "alias": self.alias or None,
            "version": self.seen.version,
            "runs": self.seen.deployed.to_json(),
            "state": self.state or None,
            "updating": self.seen.busy,
            "problem": self.seen.problem or None,
            "lineage": lineage.to_json() if lineage else None,
        }


def statuses(
    functions: Sequence[WantedFunction],
    hashes: Mapping[ConfiguredLabel, Key],
    service: Service,
    documents: Documents,
    alias: str,
) -> list[Status]:
    """Returns what each function runs, held against the working tree; raises the first error.

    hashes: of the targets in the working tree.
    """

    def one(function: WantedFunction) -> Status:
        seen = service.look(function.name, alias or None)
        known = find(documents, seen.deployed.digest)
        image = function.images.get(PLATFORMS[seen.deployed.architecture])
        here = next((each for each in known if image and each.hash == hashes.get(image)), None)
        config = seen.deployed.config
        called = config == config.calling(function.handler, default=function.default)
        state = CURRENT if here and called else DIFFERS if known else UNKNOWN
        lineage = here or next(iter(known), None)
        return Status(function.name, str(function.label), alias, seen, lineage, state)

    return at_once(one, functions)


def status_of(name: str, service: Service, documents: Documents, alias: str) -> Status:
    """Returns what any function runs; raises UserError if there is no such function."""
    seen = service.look(name, alias or None)
    lineage = next(iter(find(documents, seen.deployed.digest)), None)
    return Status(name, lineage.state.label if lineage else "", alias, seen, lineage)
