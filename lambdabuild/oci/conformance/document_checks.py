"""Checks of the manifest and the config, which need no layer."""

from __future__ import annotations

from typing import Final

from lambdabuild.oci.conformance.evidence import Evidence
from lambdabuild.oci.conformance.finding import Verdict
from lambdabuild.oci.digest import sha256_of
from lambdabuild.oci.errors import ImageError
from lambdabuild.oci.media_types import FAMILIES

MAX_MANIFEST: Final = 25_400
"""Bytes that a manifest has to stay below."""

MAX_LAYERS: Final = 127

_ATTESTATION: Final = "application/vnd.in-toto+json"
_PREFIXES: Final = {"oci": "application/vnd.oci.", "docker": "application/vnd.docker."}


def single_image(evidence: Evidence) -> Verdict:
    """Passes for one Docker v2s2 or OCI manifest of one image.

    Lambda Developer Guide, "Create a Lambda function using a container image",
    requirements: images are for one architecture; Docker image manifest V2,
    schema 2, or OCI. An index, also one that BuildKit makes to hold an
    attestation, is answered by "The image manifest, config or layer media type
    for the source image … is not supported" (aws-lambda-roadmap #82), hence
    `--provenance=false` in the guide. What an attestation is: BuildKit,
    docs/attestations/attestation-storage.md; artifacts: image-spec, manifest.md,
    "Guidelines for Artifact Usage". That both media types agree: same file, `mediaType`.
    """
    verdict, found = Verdict(), evidence.documents
    if found.problem:
        verdict.fail(found.problem)
        return verdict
    told = evidence.question.media_type
    if found.family is None:
        verdict.fail(f"the manifest has the media type {found.media_type!r}, which is not an image's")
    elif told and told != found.media_type:
        verdict.fail(f"the manifest says that it is {found.media_type!r}, and is kept as {told!r}")
    artifact = found.fields.document.get("artifactType")
    if artifact:
        verdict.fail(f"the manifest is that of an artifact: {artifact!r}")
    for scan in evidence.scans:
        if scan.descriptor.media_type == _ATTESTATION:
            verdict.fail(f"{scan.label} is an attestation, not files")
    return verdict


def manifest_size(evidence: Evidence) -> Verdict:
    """Passes for a manifest of less than 25,400 bytes.

    The Lambda Developer Guide advises it for container images. A manifest has
    some 110 bytes a layer; long annotations are what makes it large.
    """
    verdict, size = Verdict(), len(evidence.question.manifest)
    if size >= MAX_MANIFEST:
        verdict.fail(f"the manifest has {size} bytes, and must have less than {MAX_MANIFEST}")
    return verdict


def one_family(evidence: Evidence) -> Verdict:
    """Passes if config and layers have the media types of the manifest's family.

    image-spec, manifest.md, and distribution, "Image Manifest Version 2, Schema
    2", each name their own. Tools refuse a mixture (`media_types`).
    """
    verdict, family = Verdict(), evidence.documents.family
    if family is None or evidence.documents.config is None:
        verdict.unknown("the manifest is of no family")
        return verdict
    blobs = [("the config", evidence.documents.config.media_type)]
    blobs += [(scan.label, scan.descriptor.media_type) for scan in evidence.scans]
    for name, media_type in blobs:
        if _family_of(media_type) not in (family.name, None):
            verdict.fail(
                f"{name} has the media type {media_type!r}, but the manifest is of the {family.name} family"
            )
    return verdict


def config(evidence: Evidence) -> Verdict:
    """Passes if the config is the one the manifest names, and that of an image.

    image-spec, config.md, and manifest.md, `config`. An empty config
    (application/vnd.oci.empty.v1+json) is how artifacts are marked. Lambda names
    the config's media type among those it may not support (aws-lambda-roadmap #82).
    """
    verdict, data, named = Verdict(), evidence.question.config, evidence.documents.config
    if named is None:
        return verdict
    if named.media_type not in [family.config for family in FAMILIES.values()]:
        verdict.fail(f"the config has the media type {named.media_type!r}")
    if (named.digest, named.size) != (sha256_of(data), len(data)):
        verdict.fail(
            f"the manifest names {named.digest} of {named.size} bytes, and this is {sha256_of(data)}"
        )
    if isinstance(evidence.config, ImageError):
        verdict.fail(evidence.config.message)
    return verdict


def layer_count(evidence: Evidence) -> Verdict:
    """Passes for 127 layers at most.

    As many as Docker's storage drivers stack (moby, overlay2.go: `maxDepth`), so that
    an image can be tried before it is deployed. AWS documents no number.
    """
    verdict, count = Verdict(), len(evidence.scans)
    if count > MAX_LAYERS:
        verdict.fail(f"the image has {count} layers, and may have {MAX_LAYERS}")
    return verdict


def platform(evidence: Evidence) -> Verdict:
    """Passes if the config is for the platform that was asked for.

    Lambda Developer Guide, "Create a Lambda function using a container image":
    images are for Linux, and for one of x86_64 (amd64) and arm64; a function of
    the other architecture fails when it starts ("exec format error"). BuildKit
    gives attestations the platform "unknown/unknown".
    """
    verdict, found = Verdict(), evidence.config
    asked = "/".join(evidence.question.platform.split("/")[:2])
    if isinstance(found, ImageError):
        verdict.unknown("the config cannot be read")
    elif found.platform != asked:
        verdict.fail(f"the image is for {found.platform}, and {asked} is asked for")
    elif not asked.startswith("linux/"):
        verdict.fail(f"the image is for {asked}, and Lambda runs Linux")
    return verdict


def _family_of(media_type: str) -> str | None:
    return next((name for name, prefix in _PREFIXES.items() if media_type.startswith(prefix)), None)
