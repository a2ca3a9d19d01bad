"""Manifests there and back, byte for byte.

Source: OCI distribution spec, "Pulling manifests", "Pushing Manifests".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from lambdabuild.errors import UserError
from lambdabuild.oci import documents
from lambdabuild.oci.digest import OciDigest, sha256_of
from lambdabuild.oci.errors import ImageError
from lambdabuild.oci.registry.index import IMAGES, INDEXES
from lambdabuild.oci.registry.refusals import Refusal
from lambdabuild.oci.registry.transport import Answer, Request
from lambdabuild.oci.registry.trouble import Trouble
from lambdabuild.oci.registry.work import Work

MAX_MANIFEST: Final = 4 << 20
"""Bytes. What registries take at most, too (distribution spec, "Pushing Manifests")."""

_ACCEPT: Final = {"Accept": ", ".join((*IMAGES, *INDEXES))}
_UNSPECIFIC: Final = ("", "application/json", "text/plain", "application/octet-stream")
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class RawManifest:
    """A manifest or index as a registry has it.

    media_type: one of `index.IMAGES` or `index.INDEXES`.
    digest:     of `data`, which is exactly what came.
    """

    media_type: str
    digest: OciDigest
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Head:
    """What a registry says of a manifest."""

    digest: OciDigest
    media_type: str


class TagTaken(UserError):
    """A tag that cannot be changed names another manifest. `digest` is that manifest's."""

    def __init__(self, name: str, tag: str, digest: OciDigest, ours: OciDigest) -> None:
        super().__init__(
            f"the tag {tag} of {name} is immutable and names {digest}, not {ours}",
            hint=f"use another tag, or use what is there: {name}@{digest}",
        )
        self.digest = digest


def read(work: Work, version: str) -> RawManifest:
    """Returns the manifest `version`. One attempt; raises Trouble, UserError."""
    with work.ask(Request("GET", work.url(f"manifests/{version}"), _ACCEPT)) as answer:
        work.expect(answer, (200,))
        data = answer.read(MAX_MANIFEST)
    digest = sha256_of(data)
    for expected in (version, _announced(answer)):
        if expected and expected.startswith("sha256:") and expected != digest:
            raise Trouble(answer.host, f"gave other bytes, with the digest {digest} instead of {expected}")
    return RawManifest(_media_type(answer, data, f"{work.name} {version}"), digest, data)


def head(work: Work, version: str) -> Head | None:
    """Returns what `version` is, or None. One attempt; raises Trouble."""
    with work.ask(Request("HEAD", work.url(f"manifests/{version}"), _ACCEPT)) as answer:
        work.expect(answer, (200, 404))
        if answer.status == 404:
            return None
        digest, media_type = _announced(answer), _content_type(answer)
    if digest is None or media_type in _UNSPECIFIC:  # allowed by the spec, and some leave them out
        found = read(work, version)
        return Head(found.digest, found.media_type)
    return Head(digest, media_type)


def write(work: Work, data: bytes, media_type: str, version: str) -> tuple[OciDigest, ...]:
    """Stores a manifest, or returns which blobs it lacks. One attempt; raises Trouble, TagTaken."""
    digest = sha256_of(data)
    url = work.url(f"manifests/{version}")
    request = Request("PUT", url, {"Content-Type": media_type}, len(data), lambda: [data])
    with work.ask(request) as answer:
        if answer.status in (200, 201, 202, 204):
            stored = _announced(answer) or digest
            if stored != digest:
                raise Trouble(answer.host, f"stored other bytes, with the digest {stored}")
            return ()
        refusal = work.session.refusal(answer)
    # ECR calls what is missing an upload.
    if refusal.has("MANIFEST_BLOB_UNKNOWN", "BLOB_UNKNOWN", "BLOB_UPLOAD_UNKNOWN"):
        return _missing(refusal, data)
    if 400 <= refusal.status < 500 and (refusal.has("TAG_INVALID") or refusal.says("immutable")):
        there = head(work, version)
        if there is not None and there.digest == digest:
            return ()  # what is there is what was to be put there
        if there is not None:
            raise TagTaken(work.name, version, there.digest, digest)
    raise work.session.trouble(refusal, work.repository)


def delete(work: Work, digest: OciDigest) -> None:
    """Removes a manifest and its tags; one that is gone is no error. One attempt; raises Trouble."""
    with work.ask(Request("DELETE", work.url(f"manifests/{digest}"))) as answer:
        if answer.status == 405:
            reason = "lets nobody remove images"
            raise Trouble(answer.host, reason, users=True, hint=f"ask who runs {answer.host} to allow it")
        work.expect(answer, (200, 202, 204, 404))


def _missing(refusal: Refusal, data: bytes) -> tuple[OciDigest, ...]:
    """Returns which blobs of the manifest `data` a registry says it lacks; all if it does not say which."""
    named = _digests_in(documents.decode(data, "manifest").document)
    told = "\n".join(f"{each.message} {each.detail}" for each in refusal.complaints)
    return tuple(digest for digest in named if digest in told) or named


def _digests_in(manifest: Mapping[str, object]) -> tuple[OciDigest, ...]:
    """Returns the digests that a manifest's or index's descriptors have, in order, each once."""
    found: dict[OciDigest, None] = {}
    for part in ("config", "layers", "manifests"):
        entries = manifest.get(part)
        for entry in entries if isinstance(entries, list) else [entries]:
            digest = entry.get("digest") if isinstance(entry, dict) else None
            if isinstance(digest, str) and _DIGEST.fullmatch(digest):
                found[OciDigest(digest)] = None
    return tuple(found)


def _announced(answer: Answer) -> OciDigest | None:
    """Returns the Docker-Content-Digest, if there is one of sha256."""
    text = answer.headers.get("Docker-Content-Digest", "")
    return OciDigest(text) if _DIGEST.fullmatch(text) else None


def _content_type(answer: Answer) -> str:
    return answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()


def _media_type(answer: Answer, data: bytes, name: str) -> str:
    """Returns what the manifest is; UserError unless header and document agree on what we can read.

    They have to agree: CVE-2021-41190.
    """
    fields = documents.decode(data, f"manifest {name}")
    served, written = _content_type(answer), fields.text_or_empty("mediaType")
    found = written if served in _UNSPECIFIC else served
    if found not in (*IMAGES, *INDEXES):
        raise UserError(
            f"the manifest {name} has the media type {found!r}, which is no image's",
            hint="push it again with a current docker, skopeo or lambdabuild",
        )
    if (written and written != found) or ("manifests" in fields.document) != (found in INDEXES):
        raise ImageError(f"the manifest {name} is served as {found} and says that it is another kind")
    return found
