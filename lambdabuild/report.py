"""What became of a build, as data: for the terminal, for scripts, and for `run`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lambdabuild.configured import ConfiguredLabel
from lambdabuild.digest import Key
from lambdabuild.errors import ActionFailed, ExternalError, LambdaBuildError, Location, UserError, escaped
from lambdabuild.keys import tag_of

if TYPE_CHECKING:
    from lambdabuild.explain.current import StepReason
    from lambdabuild.oci.digest import OciDigest
    from lambdabuild.outputs import BuiltImage

BUILT, CACHED, FAILED, SKIPPED, STARTED = "built", "cached", "failed", "skipped", "started"


@dataclass(frozen=True, slots=True)
class TargetReport:
    """What became of one requested target.

    status:  "built" when an action of its own ran, "cached" when none had to,
             "failed", "skipped" when the build stopped before it, or "started"
             when it goes on elsewhere and nobody waits for it.
    seconds: what its own actions that ran took, added up.
    output:  workspace-relative directory with what was made, or None for nothing.
    notes:   what a user should know of it although nothing is wrong.
    absent_layers: those that `output` lacks: nobody here needed their bytes yet.
    digest:  that of its image, where the image itself was not looked at.
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
    digest: OciDigest | None = None

    @property
    def image_digest(self) -> OciDigest | None:
        return self.built.image.digest if self.built else self.digest

    def to_json(self) -> dict[str, Any]:
        return {
            "label": str(self.id.label),
            "platform": self.id.platform,
            "kind": self.kind,
            "status": self.status,
            "hash": self.hash,
            "tag": tag_of(self.hash) if self.hash else None,
            "image_digest": self.image_digest,
            "seconds": round(self.seconds, 3),
            "output": self.output,
            "absent_layers": list(self.absent_layers),
            "notes": list(self.notes),
            "error": error_json(self.error) if self.error else None,
        }


@dataclass(frozen=True, slots=True)
class BuildReport:
    """What became of a build.

    failures: errors that belong to no configured target.
    remote:   what was asked of AWS for it, as scripts read it; None if nothing was.
    steps:    why each step that had to run had to, where that was asked.
    """

    targets: tuple[TargetReport, ...]
    failures: tuple[tuple[str, LambdaBuildError], ...]
    remote: Mapping[str, Any] | None = None
    steps: Sequence[StepReason] | None = None

    def counts(self) -> Mapping[str, int]:
        """Returns how many targets ended in which way; failures that have no target count as well."""
        counts = dict.fromkeys((BUILT, CACHED, FAILED, SKIPPED, STARTED), 0)
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
        found: dict[str, Any] = {
            "targets": [report.to_json() for report in self.targets],
            "failures": [{"name": name, "error": error_json(error)} for name, error in self.failures],
            "counts": dict(self.counts()),
        }
        if self.remote:
            found["remote"] = dict(self.remote)
        if self.steps is not None:
            found["steps"] = [step.to_json() for step in self.steps]
        return found


def error_json(error: LambdaBuildError) -> dict[str, Any]:
    """Returns an error as scripts read it."""
    return {
        "message": error.message,
        "at": str(error.at) if error.at else None,
        "hint": error.hint,
        "details": list(error.details),
        "exit_code": error.exit_code,
    }


_KINDS: Mapping[object, type[LambdaBuildError]] = {1: ActionFailed, 2: UserError}


def error_from_json(document: Mapping[str, Any]) -> LambdaBuildError:
    """Returns the error that `error_json` wrote, perhaps elsewhere: control characters are escaped.

    Raises KeyError or TypeError for a document without a message, or of another shape.
    """
    kind = _KINDS.get(document.get("exit_code"), ExternalError)
    at, hint, details = document.get("at"), document.get("hint"), document.get("details", [])
    if not isinstance(details, list):
        raise TypeError("details that are no list")
    return kind(
        escaped(str(document["message"])),
        at=Location(escaped(str(at))) if at else None,
        hint=escaped(str(hint)) if hint else None,
        details=tuple(escaped(str(line)) for line in details),
    )
