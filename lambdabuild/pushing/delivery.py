"""One image into one repository: the manifest first, then what is missing, then the manifest.

A manifest is taken only once the registry has all that it names, so a push that
is killed leaves no tag, and the next one is told what is still missing. Further
tags move afterwards, when the image is everywhere (`move_tag`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import Executor, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lambdabuild.errors import ExternalError, UserError
from lambdabuild.oci.digest import OciDigest
from lambdabuild.oci.image import Image
from lambdabuild.oci.registry.ecr import region_of
from lambdabuild.oci.registry.manifests import Head, TagTaken
from lambdabuild.oci.registry.reference import Reference
from lambdabuild.pushing.adoption import adopted_image
from lambdabuild.pushing.result import ADOPTED, PUSHED, Delivered
from lambdabuild.pushing.shelf import Blob, Brought, Shelf

if TYPE_CHECKING:
    from lambdabuild.oci.registry.repository import Repository

Layer = Callable[[OciDigest, int], Iterable[bytes]]
"""Gives a layer's compressed bytes, by digest and size, in pieces."""


@dataclass(frozen=True)
class Delivery:
    """What is to be done.

    reference:    where to, with the tag of the hash.
    reproducible: see `adopted_image`.
    before:       called once it is certain that something is going to be pushed; may raise.
    bases:        makes sure that the images are there that hold some of these layers.
    """

    image: Image
    layer: Layer
    reference: Reference
    reproducible: bool
    before: Callable[[], None]
    bases: Callable[[Collection[OciDigest]], None]


def deliver(work: Delivery, there: Repository, shelf: Shelf, pool: Executor) -> tuple[Delivered, Image]:
    """Makes sure that the image is in the repository under the tag of its hash.

    Returns what that took, and the image that is there: this one, or another builder's.

    pool: where blobs are sent in parallel.

    Raises ActionFailed where the tag of the hash names something else, and what
    `Repository`, `work.before` and `work.bases` raise.
    """
    tag = work.reference.tag or ""
    head = there.head(tag)
    image, brought = work.image, None
    if head is None:
        work.before()
        try:
            brought = _push(work, tag, there, shelf, pool)
        except TagTaken as taken:  # another builder was faster; what exists wins
            head = Head(taken.digest, "")
    if head is not None and head.digest != image.digest:
        image = adopted_image(there, tag, image, reproducible=work.reproducible)
    shelf.note(work.reference.repository, _blobs_of(image))
    if brought is None:
        return Delivered(ADOPTED, image.digest), image
    sizes = [each.sent for each in brought if each.sent]
    mounted = sum(each.mounted for each in brought)
    return Delivered(PUSHED, image.digest, sum(sizes), len(sizes), mounted), image


def move_tag(image: Image, tag: str, there: Repository) -> None:
    """Makes a further tag name an image that is in the repository.

    Raises UserError where the registry lets no tag move, and what `Repository` raises.
    """
    try:
        if missing := there.put_manifest(image.manifest, image.media_type, tag):
            raise _forgetful(there, missing)
    except TagTaken as taken:
        raise UserError(
            f"the tag {tag} of {there.name} names {taken.digest}, and tags cannot be moved there",
            hint=_mutability_hint(there.name, tag),
        ) from None


def _mutability_hint(name: str, tag: str) -> str:
    host, _, repository = name.partition("/")
    region = region_of(host)
    if not region:
        return f"let {tag} be moved there, or choose a new tag each time"
    return (
        f"aws ecr put-image-tag-mutability --region {region} --repository-name {repository} "
        "--image-tag-mutability IMMUTABLE_WITH_EXCLUSION "
        f"--image-tag-mutability-exclusion-filters filterType=WILDCARD,filter={tag}"
    )


def _push(work: Delivery, tag: str, there: Repository, shelf: Shelf, pool: Executor) -> tuple[Brought, ...]:
    """Stores the image, and returns what became of each blob that was missing."""
    brought: dict[OciDigest, Brought] = {}
    image = work.image
    missing = there.put_manifest(image.manifest, image.media_type, tag)
    if not missing and not there.has_blob(image.config_digest):
        missing = _blobs_of(image)  # a registry that does not look what manifests name
    while missing:
        todo = [digest for digest in missing if digest not in brought]
        if not todo:
            raise _forgetful(there, missing)
        brought |= _bring(work, todo, there, shelf, pool)
        missing = there.put_manifest(image.manifest, image.media_type, tag)
    return tuple(brought.values())


def _bring(
    work: Delivery, digests: Collection[OciDigest], there: Repository, shelf: Shelf, pool: Executor
) -> dict[OciDigest, Brought]:
    blobs = {blob.digest: blob for blob in _all_blobs(work)}
    work.bases(digests)
    # A registry that names all blobs may have none of them, or may not say which it lacks.
    # The config is certainly new: to look for it would be a request for nothing.
    vague = len(digests) == len(blobs)
    futures = {
        digest: pool.submit(
            shelf.bring,
            blobs[digest],
            work.reference.repository,
            there,
            look=vague and digest != work.image.config_digest,
        )
        for digest in digests
    }
    try:
        return {digest: future.result() for digest, future in futures.items()}
    finally:
        for future in futures.values():
            future.cancel()
        wait(futures.values())


def _all_blobs(work: Delivery) -> Iterable[Blob]:
    config = work.image.config
    yield Blob(work.image.config_digest, len(config), lambda: [config])
    for each in work.image.layers:
        yield Blob(each.digest, each.size, lambda each=each: work.layer(each.digest, each.size))  # type: ignore[misc]


def _blobs_of(image: Image) -> tuple[OciDigest, ...]:
    return tuple(dict.fromkeys((image.config_digest, *(layer.digest for layer in image.layers))))


def _forgetful(there: Repository, missing: Sequence[OciDigest]) -> ExternalError:
    return ExternalError(
        f"{there.name} says that it lacks the blob {missing[0]}, which it has just been given",
        hint="push again; if that does not help, ask who runs the registry",
    )
