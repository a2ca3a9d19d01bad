"""Checks of layers, one by one: their bytes and their entries."""

from __future__ import annotations

from typing import Final

from lambdabuild.oci.conformance.evidence import Evidence
from lambdabuild.oci.conformance.finding import Verdict
from lambdabuild.oci.conformance.scan import LayerScan
from lambdabuild.oci.errors import ImageError
from lambdabuild.oci.media_types import FAMILIES

MAX_SIZE: Final = 10 << 30
"""Bytes of all layers, uncompressed. The same page counts /tmp in such GB: 10,240 MB."""

_GZIP: Final = [family.gzip_layer for family in FAMILIES.values()]


def gzip_layers(evidence: Evidence) -> Verdict:
    """Passes if all layers are gzip, by media type and by their first bytes.

    An uncompressed layer of a Docker manifest, which Docker's specification does
    not have, gave UnsupportedImageLayerDetected (aspect-build/rules_aws #145,
    rules_oci #777). zstd is read by neither Lambda nor Docker 20.10. An
    uncompressed OCI layer may be read (same source), but AWS promises it
    nowhere. Foreign layers are not in the registry (image-spec, layer.md,
    "Non-Distributable Layers"), and Lambda reads nothing else.
    """
    verdict = evidence.verdict(lambda scan: scan.compression is not None)
    for scan in evidence.scans:
        media_type = scan.descriptor.media_type
        if media_type not in _GZIP:
            verdict.fail(f"{scan.label} has the media type {media_type!r}")
        elif scan.compression not in (None, "gzip"):
            verdict.fail(f"{scan.label} says that it is gzip, but its bytes are not: {_compression(scan)}")
    return verdict


def layer_bytes(evidence: Evidence) -> Verdict:
    """Passes if each layer has the digest and size that the manifest says, and is a whole tar.

    image-spec, descriptor.md, "Properties", and layer.md, "Distributable Format".
    """
    verdict = evidence.verdict()
    for scan in evidence.scans:
        named = scan.descriptor
        if scan.digest is not None and (scan.digest, scan.size) != (named.digest, named.size):
            verdict.fail(f"{scan.label} has {scan.size} bytes with the digest {scan.digest}")
        elif scan.broken and not scan.too_large and scan.compression in ("gzip", "none"):
            verdict.fail(f"{scan.label}: {scan.broken}")
    return verdict


def diff_ids(evidence: Evidence) -> Verdict:
    """Passes if the config has one diff_id for each layer: the sha256 of its tar.

    image-spec, config.md, "Layer DiffID".
    """
    verdict = evidence.verdict(lambda scan: scan.diff_id is not None)
    if isinstance(evidence.config, ImageError):
        verdict.unknown("the config cannot be read")
        return verdict
    named = evidence.config.diff_ids
    if len(named) != len(evidence.scans):
        verdict.fail(f"the manifest has {len(evidence.scans)} layers, and the config {len(named)} diff_ids")
        return verdict
    for scan, diff_id in zip(evidence.scans, named, strict=True):
        if scan.diff_id not in (None, diff_id):
            verdict.fail(f"{scan.label} unpacks to {scan.diff_id}, and the config says {diff_id}")
    return verdict


def unpacked_size(evidence: Evidence) -> Verdict:
    """Passes if the layers' tars have 10 GB together at most.

    Lambda Developer Guide, "Lambda quotas": container image code package size,
    uncompressed, all layers. A tar has some 1 KB a file besides its bytes.
    """
    verdict = evidence.verdict()
    for scan in evidence.scans:
        if scan.too_large:
            verdict.fail(f"the layers up to {scan.label} unpack to more than Lambda takes")
    return verdict


def parents(evidence: Evidence) -> Verdict:
    """Passes if each entry's directories are there before it.

    Docker makes those that are missing; Lambda answers "MissingParentDirectory:
    Parent directory does not exist for file" or UnsupportedImageLayerDetected
    (aws-lambda-web-adapter #236, aspect-build/rules_aws #96 and #145), also when they
    come later in the same layer (nix2container #54). A directory of a lower layer
    will do, as in the example of image-spec, layer.md, "Representing Changes"; where
    that layer is not held, this is not checked. Whiteouts need no parents.
    """
    return _of_entries(evidence, "parents")


def hardlinks(evidence: Evidence) -> Verdict:
    """Passes if a hardlink's target is a file that its own layer has before it.

    image-spec, layer.md, "Hardlinks": "Extracting a layer with hardlink references
    to files outside of the layer may fail". One report says that Lambda refuses any
    hardlink (aspect-build/rules_aws #145, UnsupportedImageLayerDetected). Against it
    stand Debian's base images, which have some (/usr/bin/perl), and on which AWS's
    own guide builds ("Deploy Python Lambda functions with container images": FROM
    python:3.12). So those within a layer pass; lambdabuild itself writes none.
    """
    return _of_entries(evidence, "hardlinks")


def links(evidence: Evidence) -> Verdict:
    """Passes if no link has more ".." than directories above it; an absolute symlink begins at the root.

    Docker refuses such a layer: moby, pkg/archive, createTarFile ("invalid symlink",
    "invalid hardlink"). No AWS page speaks of it.
    """
    return _of_entries(evidence, "links")


def names(evidence: Evidence) -> Verdict:
    """Passes if all names are relative, stay within the root, and have 4,096 bytes at most.

    image-spec, layer.md, "Populate Initial Filesystem": names are relative to the
    root. Docker refuses those that go up (moby, pkg/archive, UnpackLayer).
    """
    return _of_entries(evidence, "names")


def devices(evidence: Evidence) -> Verdict:
    """Passes if there are no block or character devices but below /dev.

    They can be made by root alone, and nothing says that Lambda makes them. Those in
    /dev, which older base images have, are hidden by the container's own (runtime-spec,
    config-linux.md, "Default Devices").
    """
    return _of_entries(evidence, "devices")


def _of_entries(evidence: Evidence, check: str) -> Verdict:
    verdict = evidence.verdict()
    for scan in evidence.scans:
        verdict.merge(scan.entries[check], scan.label)
    return verdict


def _compression(scan: LayerScan) -> str:
    return "they are zstd" if scan.compression == "zstd" else "they are not compressed"
