"""What became of one image in one registry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lambdabuild.configured import ConfiguredLabel
from lambdabuild.errors import LambdaBuildError
from lambdabuild.oci.digest import OciDigest
from lambdabuild.oci.registry.reference import Reference
from lambdabuild.report import FAILED, SKIPPED, error_json

PUSHED, ADOPTED = "pushed", "adopted"

__all__ = ["ADOPTED", "FAILED", "PUSHED", "SKIPPED", "Delivered", "PushResult"]


@dataclass(frozen=True, slots=True)
class Delivered:
    """How an image came to be in a repository.

    status:  "pushed", or "adopted" if its tag was there before.
    digest:  of the manifest that is there, which for an adopted one may be another builder's.
    sent:    bytes of blobs that went over the wire.
    uploads: how many blobs that were.
    mounted: blobs that the registry took from another of its repositories.
    """

    status: str
    digest: OciDigest
    sent: int = 0
    uploads: int = 0
    mounted: int = 0


@dataclass(frozen=True, slots=True)
class PushResult:
    """One line of a push.

    reference: with the hash's tag; with digest too once it is there.
    status:    that of `Delivered`, "failed", or "skipped" after another failure.
    seconds:   from the first request to the last.
    """

    id: ConfiguredLabel
    reference: Reference
    status: str
    seconds: float = 0.0
    delivered: Delivered | None = None
    tags: tuple[str, ...] = ()
    error: LambdaBuildError | None = None

    def to_json(self) -> dict[str, Any]:
        delivered = self.delivered
        return {
            "label": str(self.id.label),
            "platform": self.id.platform,
            "reference": str(self.reference),
            "tags": list(self.tags),
            "status": self.status,
            "digest": delivered.digest if delivered else None,
            "bytes_sent": delivered.sent if delivered else 0,
            "blobs_sent": delivered.uploads if delivered else 0,
            "blobs_mounted": delivered.mounted if delivered else 0,
            "seconds": round(self.seconds, 3),
            "error": error_json(self.error) if self.error else None,
        }
