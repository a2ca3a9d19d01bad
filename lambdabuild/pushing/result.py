"""What became of one image in one registry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lambdabuild.configured import ConfiguredLabel
from lambdabuild.errors import LambdaBuildError
from lambdabuild.label import parse_label
from lambdabuild.oci.digest import OciDigest, parse_oci_digest
from lambdabuild.oci.registry.reference import Reference, parse_reference
from lambdabuild.report import FAILED, SKIPPED, error_from_json, error_json

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

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> PushResult:
        """Returns the result that `to_json` wrote.

        Raises UserError, ValueError, KeyError or TypeError for anything else.
        """
        delivered = None
        if document["digest"] is not None:
            delivered = Delivered(
                str(document["status"]),
                parse_oci_digest(str(document["digest"])),
                int(document["bytes_sent"]),
                int(document["blobs_sent"]),
                int(document["blobs_mounted"]),
            )
        return cls(
            ConfiguredLabel(parse_label(str(document["label"])), str(document["platform"])),
            parse_reference(str(document["reference"])),
            str(document["status"]),
            float(document["seconds"]),
            delivered,
            tuple(map(str, document["tags"])),
            error_from_json(document["error"]) if document["error"] else None,
        )

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
