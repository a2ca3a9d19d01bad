"""All that is known of an image: its documents as they are, its layers as far as they are held.

Unlike `Image`, this takes documents that break rules: each broken rule is a
finding of its own, so that one look tells all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from lambdabuild.oci import documents
from lambdabuild.oci.config import Config, parse_config
from lambdabuild.oci.conformance.finding import Verdict
from lambdabuild.oci.conformance.scan import Held, LayerScan, scan_layers
from lambdabuild.oci.conformance.tree import Node, Tree
from lambdabuild.oci.documents import Fields
from lambdabuild.oci.errors import ImageError
from lambdabuild.oci.manifest import Descriptor
from lambdabuild.oci.media_types import FAMILIES, OCI, Family

MAX_SHOWN = 3
"""Layers that a message names one by one."""


@dataclass(frozen=True)
class Question:
    """What is asked: the manifest and the config byte for byte, and what the image should be.

    media_type: the manifest's, as the registry or layout has it; "" if nothing but the manifest says.
    platform:   "os/architecture", e.g. "linux/arm64"; a variant is ignored.
    handlers:   of Python functions, e.g. "app.main".
    """

    manifest: bytes
    media_type: str
    config: bytes
    platform: str
    handlers: Sequence[str] = ()


@dataclass(frozen=True)
class Documents:
    """The manifest as far as it is one: fields, the config's descriptor and the layers'.

    problem: why it is not a manifest; then nothing else is known.
    """

    fields: Fields
    config: Descriptor | None = None
    layers: tuple[Descriptor, ...] = ()
    problem: str = ""

    @property
    def media_type(self) -> str:
        """What the manifest says it is. OCI manifests may leave it out, Docker's never do."""
        return self.fields.text_or_empty("mediaType") or OCI.manifest

    @property
    def family(self) -> Family | None:
        """Whose media type the manifest has; None if it is not an image's."""
        return next((family for family in FAMILIES.values() if family.manifest == self.media_type), None)


@dataclass(frozen=True)
class Evidence:
    """What checks look at.

    config: what the config says, or the complaint about it.
    scans:  one for each layer, lowest first.
    tree:   of the layers that were read.
    """

    question: Question
    documents: Documents
    config: Config | ImageError
    scans: tuple[LayerScan, ...]
    tree: Tree

    @cached_property
    def unseen(self) -> str:
        """Which layers were not read to the end, in words; "" if all were."""
        return _words([scan for scan in self.scans if not scan.seen])

    def settled(self, *nodes: Node) -> bool:
        """Returns whether no layer that was not read can have changed what these are."""
        return all(node.layer > self._last_unseen for node in nodes)

    @cached_property
    def _last_unseen(self) -> int:
        return max((index for index, scan in enumerate(self.scans) if not scan.seen), default=-2)

    def verdict(self, known: Callable[[LayerScan], bool] = lambda scan: scan.seen) -> Verdict:
        """Returns the verdict to begin with, where something has to be known of every layer."""
        verdict, unknown = Verdict(), [scan for scan in self.scans if not known(scan)]
        if unknown:
            verdict.unknown(_words(unknown))
        return verdict


def gather(question: Question, held: Held, limit: int) -> Evidence:
    """Reads the documents, and once each layer that is held; `limit` as for `scan_layers`."""
    found, tree = _read_manifest(question.manifest), Tree()
    config: Config | ImageError
    try:
        config = parse_config(question.config)
    except ImageError as error:
        config = error
    return Evidence(question, found, config, scan_layers(found.layers, held, tree, limit), tree)


def _read_manifest(data: bytes) -> Documents:
    fields = Fields({}, "the manifest")
    try:
        fields = documents.decode(data, "manifest")
        if "manifests" in fields.document:
            count = len(fields.objects_or_empty("manifests"))
            return Documents(fields, problem=f"it is an index of {count} manifests")
        if fields.document.get("schemaVersion") != 2:
            return Documents(
                fields, problem=f"its schema version is {fields.document.get('schemaVersion')!r}"
            )
        fields.text_or_empty("mediaType")
        config = _descriptor(fields.object("config"))
        layers = tuple(map(_descriptor, fields.objects_or_empty("layers")))
    except ImageError as error:
        return Documents(fields, problem=error.message)
    return Documents(fields, config, layers)


def _descriptor(fields: Fields) -> Descriptor:
    return Descriptor(fields.text("mediaType"), fields.digest("digest"), fields.count("size"))


def _words(scans: Sequence[LayerScan]) -> str:
    absent = [scan.label for scan in scans if not scan.held]
    words = [f"{_listed(absent)} {'is' if len(absent) == 1 else 'are'} not held here"] if absent else []
    return "; ".join(words + [f"{scan.label}: {scan.broken}" for scan in scans if scan.held])


def _listed(labels: Sequence[str]) -> str:
    shown = ", ".join(labels[:MAX_SHOWN])
    return shown if len(labels) <= MAX_SHOWN else f"{shown} and {len(labels) - MAX_SHOWN} more"
