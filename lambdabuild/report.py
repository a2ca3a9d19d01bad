"""What became of a build, as data: for the terminal, for scripts, and for `run`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lambdabuild.configured import ConfiguredLabel
from lambdabuild.digest import Key
from lambdabuild.errors import LambdaBuildError
from lambdabuild.keys import tag_of
from lambdabuild.oci.digest import OciDigest
from lambdabuild.outputs import BuiltImage

BUILT, CACHED, FAILED, SKIPPED = "built", "cached", "failed", "skipped"


@dataclass(frozen=True, slots=True)
class TargetReport:
    """What became of one requested target.

    status:  "built" when an action of its own ran, "cached" when none had to,
             "failed", or "skipped" when the build stopped before it.
    seconds: what its own actions that ran took, added up.
    output:  workspace-relative directory with what was made, or None for nothing.
    notes:   what a user should know of it although nothing is wrong.
    absent_layers: of its external base, those that `output` lacks: nobody needed their bytes yet.
    """

    id: ConfiguredLabel
    kind: str
    status: str
    hash: Key | None = None
    seconds: float = 0.0
    output: str | None = None
    built: BuiltImage | None = None
    error: LambdaBuildError | None = None
    notes: tuple[str, ...] = ()
    absent_layers: tuple[OciDigest, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "label": str(self.id.label),
            "platform": self.id.platform,
            "kind": self.kind,
            "status": self.status,
            "hash": self.hash,
            "tag": tag_of(self.hash) if self.hash else None,
            "image_digest": self.built.image.digest if self.built else None,
            "seconds": round(self.seconds, 3),
            "output": self.output,
            "absent_layers": list(self.absent_layers),
            "notes": list(self.notes),
            "error": error_json(self.error) if self.error else None,
        }


@dataclass(frozen=True, slots=True)
class BuildReport:
    """What became of a build. `failures` are errors that belong to no configured target."""

    targets: tuple[TargetReport, ...]
    failures: tuple[tuple[str, LambdaBuildError], ...]

    def counts(self) -> Mapping[str, int]:
        """Returns how many targets ended in which way; failures that have no target count as well."""
        counts = dict.fromkeys((BUILT, CACHED, FAILED, SKIPPED), 0)
        for report in self.targets:
            counts[report.status] += 1
        counts[FAILED] += len(self.failures)
        return counts

    @property
    def errors(self) -> tuple[LambdaBuildError, ...]:
        """All errors, each once, in the order of the targets."""
        found = [error for _, error in self.failures]
        found += [report.error for report in self.targets if report.error]
        return tuple({(error.message, error.at): error for error in found}.values())

    def to_json(self) -> dict[str, Any]:
        return {
            "targets": [report.to_json() for report in self.targets],
            "failures": [{"name": name, "error": error_json(error)} for name, error in self.failures],
            "counts": dict(self.counts()),
        }


def error_json(error: LambdaBuildError) -> dict[str, Any]:
    """Returns an error as scripts read it."""
    return {
        "message": error.message,
        "at": str(error.at) if error.at else None,
        "hint": error.hint,
        "details": list(error.details),
        "exit_code": error.exit_code,
    }
