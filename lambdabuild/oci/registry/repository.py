"""One repository of a registry: its manifests, blobs and tags.

Source: OCI distribution spec 1.1, "Endpoints".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Final

from lambdabuild.errors import ExternalError, UserError
from lambdabuild.oci.digest import OciDigest
from lambdabuild.oci.registry import manifests, uploads
from lambdabuild.oci.registry.bytes_check import verified
from lambdabuild.oci.registry.downloads import download
from lambdabuild.oci.registry.index import INDEXES, choose
from lambdabuild.oci.registry.manifests import Head, RawManifest, TagTaken
from lambdabuild.oci.registry.reference import Reference, check_version
from lambdabuild.oci.registry.tags import read_tags
from lambdabuild.oci.registry.transport import Request
from lambdabuild.oci.registry.trouble import Trouble
from lambdabuild.oci.registry.work import Work

__all__ = ["Head", "RawManifest", "Repository", "TagTaken"]

MAX_DOCUMENT: Final = 8 << 20
"""Bytes of a blob that is read whole: a config. The longest public ones have a hundredth."""


class Repository:
    """One repository, for any thread. `Client.repository` makes them.

    Every method tries again what may pass (a lost connection, 429, 5xx), and
    raises UserError where the user has to act (a login, a name that is wrong),
    ExternalError where the network or the registry is to blame. Neither holds
    anything secret.
    """

    def __init__(self, reading: Work, writing: Work) -> None:
        self._reading, self._writing = reading, writing

    @property
    def name(self) -> str:
        """Host and repository."""
        return self._reading.name

    def manifest(self, version: str) -> RawManifest:
        """Returns the manifest or index with a tag or digest, its bytes verified.

        Memory: all of it, at most `manifests.MAX_MANIFEST` bytes. UserError for
        one of an unknown media type.
        """
        check_version(version)
        return self._reading.persist(
            f"read the manifest {version} of {self.name}", lambda: manifests.read(self._reading, version)
        )

    def head(self, version: str) -> Head | None:
        """Returns what the manifest with a tag or digest is, unverified; None if there is none.

        None too if the repository does not exist.
        """
        check_version(version)
        return self._reading.persist(
            f"look for the manifest {version} of {self.name}", lambda: manifests.head(self._reading, version)
        )

    def resolve(self, version: str, platform: str) -> RawManifest:
        """Returns the image's manifest for `platform`, through an index if there is one.

        platform: "os/architecture[/variant]". The manifest of a single image is
                  returned as it is: only its config says what it is for.

        UserError, which lists what there is, for an index without the platform.
        """
        found = self.manifest(version)
        if found.media_type not in INDEXES:
            return found
        separator = "@" if ":" in version else ":"
        entry = choose(found.data, platform, f"{self.name}{separator}{version}")
        image = self.manifest(entry.digest)
        if len(image.data) != entry.size or image.media_type != entry.media_type:
            raise ExternalError(
                f"{self.name}@{entry.digest} is not what the index {found.digest} says: "
                f"{len(image.data)} bytes of {image.media_type}",
                hint=f"ask who pushed {self.name}{separator}{version}",
            )
        return image

    def put_manifest(self, data: bytes, media_type: str, version: str) -> tuple[OciDigest, ...]:
        """Stores a manifest, byte for byte, under a tag or its digest; returns what it lacks.

        (): it is stored. Else it is not: the registry does not have these of the
        blobs, or of an index's manifests. It may not have named all of them.

        Raises TagTaken for a tag that cannot be changed and names another manifest.
        """
        check_version(version)
        return self._writing.persist(
            f"store the manifest {version} in {self.name}",
            lambda: manifests.write(self._writing, data, media_type, version),
        )

    def has_blob(self, digest: OciDigest) -> bool:
        """Returns whether the repository has a blob."""
        url = self._reading.url(f"blobs/{digest}")

        def attempt() -> bool:
            with self._reading.ask(Request("HEAD", url)) as answer:
                # Where it led us away, the address may be good for GET alone.
                if answer.status in (400, 403, 405) and answer.url != url:
                    return True
                self._reading.expect(answer, (200, 404))
                return answer.status == 200

        return self._reading.persist(f"look for the blob {digest} in {self.name}", attempt)

    def blob(self, digest: OciDigest, size: int) -> Iterator[bytes]:
        """Yields a blob of `size` bytes in pieces of up to 64 KiB. Memory: two pieces.

        What came is kept when a connection is lost, and only the rest asked for
        again. The last piece comes once size and digest are known to fit;
        otherwise ExternalError is raised in its place. So bytes are good when
        the iterator has ended, and not before.
        """
        attempted = f"read the blob {digest} of {self.name}"

        def wrong(reason: str) -> ExternalError:
            return ExternalError(f"cannot {attempted}: {self._reading.session.host} gave {reason}")

        try:
            yield from verified(
                download(self._reading, self._reading.url(f"blobs/{digest}"), size), digest, size, wrong
            )
        except Trouble as trouble:
            raise trouble.error(attempted) from None

    def document(self, digest: OciDigest, size: int) -> bytes:
        """Returns a blob whole, for configs; UserError if it has more than MAX_DOCUMENT bytes."""
        if size > MAX_DOCUMENT:
            raise UserError(
                f"the blob {digest} of {self.name} has {size} bytes, which is no config",
                hint="is it an image?",
            )
        return b"".join(self.blob(digest, size))

    def upload(
        self,
        digest: OciDigest,
        size: int,
        pieces: Callable[[], Iterable[bytes]],
        *,
        mount_from: str | None = None,
    ) -> bool:
        """Puts a blob into the repository; returns whether the registry mounted it, and nothing was sent.

        pieces:     gives all `size` bytes anew each time it is called: once an
                    attempt. Not called where the blob is mounted. What it raises
                    passes through.
        mount_from: another repository of the same registry that may have the blob.

        Bytes of another size or digest are ExternalError, and never become a
        blob: the last piece is held back. `other.blob` copies from a registry.
        """
        blob = uploads.Blob(digest, size, pieces)
        self._check_source(mount_from)
        return self._writing.persist(
            f"send the blob {digest} to {self.name}", lambda: uploads.send(self._writing, blob, mount_from)
        )

    def mount(self, digest: OciDigest, source: str) -> bool:
        """Returns whether the registry took the blob over from its repository `source`.

        An upload that it opened instead is cancelled; `upload` would use it.
        """
        self._check_source(source)
        return self._writing.persist(
            f"mount the blob {digest} of {source} in {self.name}",
            lambda: uploads.mount(self._writing, digest, source),
        )

    def tags(self, *, there: bool = True) -> tuple[str, ...]:
        """Returns all tags, in the registry's order.

        there: whether the repository has to be there; one that is not has no tags.
        """
        return read_tags(self._reading, there=there)

    def delete(self, digest: OciDigest) -> None:
        """Removes a manifest with all its tags; its blobs are the registry's to collect.

        Not for ECR, which has a call of its own for that.
        """
        work = replace(self._writing, actions="pull,delete")
        work.persist(f"remove {self.name}@{digest}", lambda: manifests.delete(work, digest))

    def _check_source(self, source: str | None) -> None:
        if source is not None:
            Reference(self._reading.session.host, source)
