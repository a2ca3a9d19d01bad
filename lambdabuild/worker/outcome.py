"""What is left to say of an order when its build ends: failures, pushes, bytes that were not there.

Results are not in it: they lie in the action cache. As JSON, errors as in `report`:

    {"version": 1, "order": hex, "build": "project:uuid", "refused": error or null,
     "failures": [{"key": hex, "label": "", "platform": "", "error": {}, "log": [line]}],
     "lost": ["hash/size"], "unknown": [hex], "pushes": [{}], "ran": [hex]}
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from lambdabuild.action import ActionId
from lambdabuild.digest import Digest, Key
from lambdabuild.errors import LambdaBuildError
from lambdabuild.pushing.result import PushResult
from lambdabuild.report import error_json

VERSION = 1

INTERRUPTED, REFUSED, FAILED, OUTSIDE = 130, 2, 1, 3


@dataclass(slots=True)
class WorkOutcome:
    """What became of an order. Filled while it is worked on, so that it can be told at any moment.

    failures: by deep key; what stands on a failed action is in none of these.
    lost:     blobs that were promised, and are missing or damaged.
    unknown:  known keys whose result is not in the action cache.
    refused:  why nothing was done at all.
    ran:      deep keys of what really ran.
    trouble:  what kept results from being published.
    """

    failures: dict[Key, tuple[ActionId, LambdaBuildError]] = field(default_factory=dict)
    lost: set[Digest] = field(default_factory=set)
    unknown: set[Key] = field(default_factory=set)
    refused: LambdaBuildError | None = None
    pushes: tuple[PushResult, ...] = ()
    ran: set[Key] = field(default_factory=set)
    trouble: LambdaBuildError | None = None
    interrupted: bool = False

    def errors(self) -> list[LambdaBuildError]:
        """Returns all errors, those of actions first."""
        found = [error for _, error in self.failures.values()]
        found += [each.error for each in self.pushes if each.error]
        return [*found, *filter(None, (self.refused, self.trouble))]

    def exit_code(self) -> int:
        """Returns 0 if all is well, 1 if an action failed, 2 for a refused order, 3 for the outside world."""
        if self.refused:
            return self.refused.exit_code
        errors = self.errors()
        if any(error.exit_code != OUTSIDE for error in errors):
            return FAILED
        if errors or self.lost or self.unknown:
            return OUTSIDE
        return INTERRUPTED if self.interrupted else 0

    def to_json(self, order: str, build: str) -> bytes:
        """Returns the document.

        order: 64 hex digits.
        build: "project:uuid".
        """
        document = {
            "version": VERSION,
            "order": order,
            "build": build,
            "failures": [_failure(key, *self.failures[key]) for key in sorted(self.failures)],
            "lost": sorted(map(str, self.lost)),
            "unknown": sorted(self.unknown),
            "refused": error_json(self.refused) if self.refused else None,
            "pushes": [each.to_json() for each in self.pushes],
            "ran": sorted(self.ran),
        }
        return json.dumps(document, separators=(",", ":")).encode()


def _failure(key: Key, id_: ActionId, error: LambdaBuildError) -> Mapping[str, object]:
    return {
        "key": key,
        "label": str(id_.label),
        "platform": id_.platform,
        "error": error_json(error),
        "log": list(error.details),
    }
