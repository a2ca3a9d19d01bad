"""Built images, held against what Lambda takes (`oci.conformance`)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from lambdabuild.configured import ConfiguredLabel
from lambdabuild.errors import ActionFailed
from lambdabuild.oci.conformance import CHECKS, Finding, check_image
from lambdabuild.oci.manifest import Descriptor
from lambdabuild.outputs import BuiltImage
from lambdabuild.store import ContentStore


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What the checks say of one image: one finding each.

    warnings: what analysis found that is likely to be a mistake; the image may be as it should.
    """

    id: ConfiguredLabel
    findings: tuple[Finding, ...]
    warnings: tuple[str, ...] = ()

    def of(self, state: str) -> tuple[Finding, ...]:
        """Returns the findings in a state: "passed", "failed" or "not checked"."""
        return tuple(finding for finding in self.findings if finding.state == state)

    def to_json(self) -> dict[str, Any]:
        reasons = {check.name: check.reason for check in CHECKS}
        return {
            "label": str(self.id.label),
            "platform": self.id.platform,
            "checks": [
                {
                    "check": finding.check,
                    "state": finding.state,
                    "message": finding.message,
                    "hint": finding.hint,
                    "reason": reasons[finding.check],
                }
                for finding in self.findings
            ],
            "warnings": list(self.warnings),
        }


def check_built(
    id_: ConfiguredLabel, built: BuiltImage, store: ContentStore, handlers: Sequence[str]
) -> CheckReport:
    """Checks an image; layers that the store does not hold are not looked at.

    Raises ExternalError for a layer that is damaged there.
    """

    def held(layer: Descriptor) -> Iterator[bytes] | None:
        blob = built.layers.get(layer.digest)
        return store.pieces(blob) if blob else None

    image = built.image
    findings = check_image(
        image.manifest, image.media_type, image.config, held, platform=id_.platform, handlers=handlers
    )
    return CheckReport(id_, findings)


def refusal(report: CheckReport) -> ActionFailed | None:
    """Returns why an image must not be pushed, with all that failed; None if nothing did."""
    failed = report.of("failed")
    if not failed:
        return None
    return ActionFailed(
        f"{report.id} is no image that Lambda would take, and was not pushed: "
        f"{', '.join(finding.check for finding in failed)}",
        details=tuple(_lines(failed)),
        hint=f"lambdabuild check {report.id.label.short}",
    )


def _lines(failed: Iterable[Finding]) -> Iterator[str]:
    for finding in failed:
        yield f"{finding.check}: {finding.message}"
        yield f"  {finding.hint}"
