"""One repository, listed and removed from: ECR by its own calls, others by the OCI spec.

ECR takes no DELETE of the spec, and tells what the spec does not: images without a tag, and when each was
pushed (Amazon ECR API reference, DescribeImages, BatchDeleteImage).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from lambdabuild.aws.errors import aws_errors, code_of
from lambdabuild.deploying.plan import at_once
from lambdabuild.errors import ExternalError
from lambdabuild.oci.digest import OciDigest, parse_oci_digest

if TYPE_CHECKING:
    from lambdabuild.oci.registry.repository import Repository

MOST_AT_ONCE: Final = 100
"""Images that one BatchDeleteImage takes."""

RIGHTS: Final = "allow it to the role or user that runs this; docs/manual.md, What removing needs, lists it"


@dataclass(frozen=True, slots=True)
class Entry:
    """A manifest of a repository. pushed: Unix time, None where the registry does not say."""

    digest: OciDigest
    tags: tuple[str, ...]
    pushed: float | None = None


class Shelf(Protocol):
    """A repository. One that does not exist is empty."""

    def entries(self) -> list[Entry]: ...

    def remove(self, digests: Sequence[OciDigest]) -> None: ...


class SpecShelf:
    """In a registry that knows the OCI spec alone. What has no tag there cannot be found."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository

    def entries(self) -> list[Entry]:
        tags = self._repository.tags(there=False)
        found: dict[OciDigest, list[str]] = defaultdict(list)
        for tag, head in zip(tags, at_once(self._repository.head, tags), strict=True):
            if head is not None:
                found[head.digest].append(tag)
        return [Entry(digest, tuple(sorted(tags))) for digest, tags in found.items()]

    def remove(self, digests: Sequence[OciDigest]) -> None:
        for digest in digests:
            self._repository.delete(digest)


class EcrShelf:
    """In ECR. client: gives the boto3 client of its region. owner: the account."""

    def __init__(self, client: Callable[[], Any], owner: str, repository: str) -> None:
        self._client = client
        self._where = {"registryId": owner, "repositoryName": repository}

    def entries(self) -> list[Entry]:
        name = self._where["repositoryName"]
        with aws_errors(f"cannot list the images of {name}", service="ecr", resource=name, rights=RIGHTS):
            return [_entry(each) for each in self._described()]

    def remove(self, digests: Sequence[OciDigest]) -> None:
        name = self._where["repositoryName"]
        for start in range(0, len(digests), MOST_AT_ONCE):
            ids = [{"imageDigest": each} for each in digests[start : start + MOST_AT_ONCE]]
            with aws_errors(f"cannot remove images of {name}", service="ecr", resource=name, rights=RIGHTS):
                answer = self._client().batch_delete_image(**self._where, imageIds=ids)
            _check(answer.get("failures") or (), name)

    def _described(self) -> Iterator[Any]:
        from botocore.exceptions import ClientError

        try:
            for page in self._client().get_paginator("describe_images").paginate(**self._where):
                yield from page["imageDetails"]
        except ClientError as error:
            if code_of(error) != "RepositoryNotFoundException":
                raise


def _entry(detail: Any) -> Entry:
    pushed = detail.get("imagePushedAt")
    digest = parse_oci_digest(str(detail["imageDigest"]))
    return Entry(digest, tuple(sorted(detail.get("imageTags") or ())), pushed.timestamp() if pushed else None)


def _check(failures: Sequence[Any], name: str) -> None:
    """Raises ExternalError for an image that stayed; what was gone already is as it should be."""
    for each in failures:
        if each.get("failureCode") != "ImageNotFound":
            digest = each.get("imageId", {}).get("imageDigest", "an image")
            raise ExternalError(
                f"ECR does not remove {name}@{digest}: {each.get('failureCode')}",
                hint="run the same command again: it goes on with what is left",
            )
