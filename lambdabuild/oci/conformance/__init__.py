"""Whether Lambda will take an image: each rule a check with a name, a reason and a source.

    finding          Finding, and how a check comes to one
    members          the headers of a layer's tar, with bounds
    tree             what the layers make, in memory
    entries          rules for one entry of a layer
    scan, evidence   what is known of an image, layers read once
    document_checks, layer_checks, tree_checks    the checks; each says its source

Docker takes much that Lambda refuses, and Lambda names one fault a deployment;
here all are found before anything is pushed. What needs layers that are not held
is "not checked", never passed.

Absent: the function's settings (ImageConfig, memory), and whether the image runs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from lambdabuild.oci.conformance import document_checks, layer_checks, tree_checks
from lambdabuild.oci.conformance.evidence import Evidence, Question, gather
from lambdabuild.oci.conformance.finding import Finding, State, Verdict
from lambdabuild.oci.conformance.layer_checks import MAX_SIZE
from lambdabuild.oci.conformance.scan import Held

__all__ = ["CHECKS", "MAX_SIZE", "Check", "Finding", "Held", "State", "check_image"]


@dataclass(frozen=True)
class Check:
    """A rule.

    reason:      why it is one, a sentence.
    judge:       looks at the evidence; its docstring says what passes and where that is written.
    hint:        what to do when it fails.
    any_document: whether it can judge what is not the manifest of an image.
    """

    name: str
    reason: str
    judge: Callable[[Evidence], Verdict]
    hint: str
    any_document: bool = False


_REBUILD: Final = "build the layer again with a tool that writes plain tars, or in a lambda_image"
_GZIP: Final = "push it again with gzip layers: skopeo copy --dest-compress-format gzip"

CHECKS: Final = (
    Check(
        "single-image",
        "Lambda takes the manifest of one image, and no index or attestation",
        document_checks.single_image,
        "build with --provenance=false --sbom=false, and name the manifest of one platform by its digest",
        any_document=True,
    ),
    Check(
        "manifest-size",
        "Lambda advises manifests of less than 25,400 bytes",
        document_checks.manifest_size,
        "put files into fewer layers, and drop annotations",
        any_document=True,
    ),
    Check(
        "one-family",
        "the media types of Docker and OCI cannot be mixed in one image",
        document_checks.one_family,
        "copy the image with skopeo copy --format oci or v2s2",
    ),
    Check(
        "config",
        "Lambda reads how to start a function from the image's config",
        document_checks.config,
        "push the image again with its own config",
    ),
    Check(
        "layer-count",
        "no more than 127 layers can be stacked",
        document_checks.layer_count,
        "put files into fewer layers",
    ),
    Check(
        "platform",
        "an image runs on the one architecture it was built for",
        document_checks.platform,
        "build for the function's architecture, or change that of the function",
    ),
    Check("gzip-layers", "Lambda unpacks gzip layers only", layer_checks.gzip_layers, _GZIP),
    Check(
        "layer-bytes",
        "a layer is a tar with the digest that the manifest says",
        layer_checks.layer_bytes,
        "fetch or build the layer again",
    ),
    Check(
        "diff-ids",
        "the config names each layer by the sha256 of its tar",
        layer_checks.diff_ids,
        "build the image again: config and layers are not of one build",
    ),
    Check(
        "unpacked-size",
        "Lambda takes images of 10 GB at most, uncompressed",
        layer_checks.unpacked_size,
        "leave out what the function does not need, or read it from S3 or EFS",
    ),
    Check(
        "parents",
        "Lambda does not make the directories that a layer leaves out",
        layer_checks.parents,
        "give each directory an entry of its own, before what is in it",
    ),
    Check(
        "hardlinks",
        "a hardlink can only be made to a file of its own layer",
        layer_checks.hardlinks,
        "store the file twice: tar --hard-dereference",
    ),
    Check("links", "a link must not lead out of the image", layer_checks.links, _REBUILD),
    Check("names", "a name in a layer is relative to the image's root", layer_checks.names, _REBUILD),
    Check(
        "devices", "an image is unpacked without the right to make devices", layer_checks.devices, _REBUILD
    ),
    Check(
        "readable",
        "a function runs as a user that owns nothing in the image",
        tree_checks.readable,
        "chmod -R a+rX",
    ),
    Check(
        "entrypoint",
        "Lambda starts the entrypoint as a user that owns nothing in the image",
        tree_checks.entrypoint,
        "correct the entrypoint, or chmod a+x it",
    ),
    Check(
        "handler",
        "the handler's module is imported when the function starts",
        tree_checks.handlers,
        "add the module to the image, or correct the handler",
    ),
)
"""All checks, in the order of their findings."""


def check_image(
    manifest: bytes,
    media_type: str,
    config: bytes,
    layer: Held,
    *,
    platform: str,
    handlers: Sequence[str] = (),
    max_size: int = MAX_SIZE,
) -> tuple[Finding, ...]:
    """Returns one finding for each of CHECKS.

    media_type: of the manifest, as the registry has it; "" if only the manifest itself can say.
    layer:      gives the compressed bytes of a layer; None where they are not held here. It is
                asked once for each layer, lowest first, and the bytes are streamed.
    platform:   that of the function, e.g. "linux/arm64".
    handlers:   Python handlers, e.g. "app.main", that the image should serve.
    max_size:   bytes that the tars may have together; beyond them nothing is read.

    Raises what `layer` raises; an image that is wrong in any way raises nothing.
    """
    question = Question(manifest, media_type, config, platform, handlers)
    evidence = gather(question, layer, max_size)
    return tuple(_finding(check, evidence) for check in CHECKS)


def _finding(check: Check, evidence: Evidence) -> Finding:
    if evidence.documents.problem and not check.any_document:
        return Finding(check.name, "not checked", "the manifest is not that of one image")
    return check.judge(evidence).finding(check.name, check.hint)
