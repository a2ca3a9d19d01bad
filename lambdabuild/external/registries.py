"""Where external images are: refs, [registry] mirrors, and the layers of pins.

A mirror stands in for a host: it is asked in its place and never beside it. Since
all that is read is verified against what is pinned, a mirror needs no trust.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lambdabuild.errors import Location, UserError
from lambdabuild.external.pins import ImagePins
from lambdabuild.oci.digest import OciDigest, parse_oci_digest
from lambdabuild.oci.registry.reference import Reference, parse_reference
from lambdabuild.workspace import FILE_NAME, ExternalImage

if TYPE_CHECKING:
    from lambdabuild.oci.registry.client import Client
    from lambdabuild.oci.registry.repository import Repository

_MIRROR_HINT = 'write it as "public.ecr.aws=registry.local:5000", or "docker.io=registry.local/prefix"'


@dataclass(frozen=True, slots=True)
class Mirror:
    """host:   whose images it has.
    other:  the host that is asked instead.
    prefix: of repositories there, with a final "/", or "".
    """

    host: str
    other: str
    prefix: str


def parse_mirrors(texts: Iterable[str]) -> tuple[Mirror, ...]:
    """Returns what [registry] mirrors says; raises UserError."""
    found: dict[str, Mirror] = {}
    for text in texts:
        host, equals, target = text.partition("=")
        other, slash, prefix = target.partition("/")
        try:
            if not equals or (slash and not prefix):
                raise UserError("")
            Reference(host, "any")
            Reference(other, prefix or "any")
        except UserError:
            raise UserError(
                f"{text!r} in [registry] mirrors is not a host and the one that has its images",
                at=Location(FILE_NAME),
                hint=_MIRROR_HINT,
            ) from None
        if host in found:
            raise UserError(
                f"[registry] mirrors has two for {host}", at=Location(FILE_NAME), hint="drop one of them"
            )
        found[host] = Mirror(host, other, f"{prefix}/" if prefix else "")
    return tuple(found.values())


def reference_of(image: ExternalImage) -> Reference:
    """Returns what the ref of `image` names; raises UserError with its place."""
    try:
        return parse_reference(image.ref)
    except UserError as error:
        raise error.located(image.at) from None


class Registries:
    """The repositories of external images, each where its mirror is.

    client: gives the registry client; asked only when something is read.
    """

    def __init__(self, client: Callable[[], Client], mirrors: Iterable[str]) -> None:
        self._client = client
        self._mirrors = parse_mirrors(mirrors)

    def repository(self, reference: Reference) -> Repository:
        """Returns the repository to ask for `reference`. Asks nothing yet."""
        return self._client().repository(self.mirrored(reference))

    def mirrored(self, reference: Reference) -> Reference:
        """Returns where `reference` is read."""
        for mirror in self._mirrors:
            if mirror.host == reference.host:
                name = mirror.prefix + reference.repository
                return Reference(mirror.other, name, reference.tag, reference.digest)
        return reference


class PinnedLayers:
    """The layers of what is pinned, from their registries.

    pins: gives the pins; asked when the first layer is.
    """

    def __init__(self, pins: Callable[[], ImagePins], registries: Registries) -> None:
        self._pins = pins
        self._registries = registries

    def read(self, digest: str, size: int) -> Iterator[bytes]:
        """Yields a layer's compressed bytes, which are good when the iterator has ended.

        Raises what `Repository.blob` does, and UserError for a layer of no pin.
        """
        wanted = parse_oci_digest(digest)
        return self._registries.repository(self._reference(wanted)).blob(wanted, size)

    def _reference(self, digest: OciDigest) -> Reference:
        for pin in self._pins().by_key.values():
            if any(layer.digest == digest for layer in pin.image.layers):
                return parse_reference(pin.ref)
        raise UserError(
            f"no image in WORKSPACE.lock has the layer {digest}", hint="pin them again: lambdabuild lock"
        )
