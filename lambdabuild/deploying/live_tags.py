"""Tags for images that functions run, `live-<function>-<alias or version>`: rules of registries spare them.

Without an alias or a version it is `live-<function>-latest`, for $LATEST. A tag moves when its function
moves on. Where an image was in another repository before, the tag there stays, and keeps that image.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from lambdabuild.deploying.plan import at_once
from lambdabuild.deploying.sets import DEPLOYED, UNCHANGED, Outcome
from lambdabuild.errors import ExternalError, LambdaBuildError
from lambdabuild.oci.registry.reference import parse_reference

if TYPE_CHECKING:
    from lambdabuild.oci.registry.client import Client

PREFIX: Final = "live-"
MAX_TAG: Final = 128
"""Characters of a tag (OCI distribution spec, "Pulling manifests")."""

_LATEST = "latest"


def live_tag(function: str, what: str = "") -> str:
    """Returns the tag of what a function runs. what: its alias or version; "" for $LATEST.

    Names of functions and aliases are made of what tags are made of; a tag that would be too long ends with
    a part of its SHA-256.
    """
    tag = f"{PREFIX}{function}-{what or _LATEST}"
    if len(tag) <= MAX_TAG:
        return tag
    end = hashlib.sha256(tag.encode()).hexdigest()[:16]
    return f"{tag[: MAX_TAG - len(end) - 1]}-{end}"


def tag_live(outcomes: Sequence[Outcome], client: Callable[[], Client]) -> tuple[LambdaBuildError, ...]:
    """Tags what functions run now; returns what went wrong, which no deploy fails for."""

    def one(outcome: Outcome) -> LambdaBuildError | None:
        try:
            _tag(outcome, client())
        except LambdaBuildError as error:
            return _untagged(outcome, error)
        return None

    running = [each for each in outcomes if each.status in (DEPLOYED, UNCHANGED) and each.change.wanted]
    return tuple(filter(None, at_once(one, running)))


def _tag(outcome: Outcome, client: Client) -> None:
    change = outcome.change
    assert change.wanted is not None
    digest, tag = change.wanted.digest, _tag_of(outcome)
    repository = client.repository(parse_reference(change.wanted.uri), push=True)
    there = repository.head(tag)
    if there is not None and there.digest == digest:
        return
    manifest = repository.manifest(digest)
    repository.put_manifest(manifest.data, manifest.media_type, tag)


def _tag_of(outcome: Outcome) -> str:
    change = outcome.change
    alias = change.move.alias if change.move else ""
    return live_tag(change.name, alias or outcome.version)


def _untagged(outcome: Outcome, error: LambdaBuildError) -> LambdaBuildError:
    assert outcome.change.wanted is not None
    repository = outcome.change.wanted.name.partition("/")[2]
    return ExternalError(
        f"{outcome.change.name} is deployed, and its image has no tag {_tag_of(outcome)}: {error.message}",
        hint=f"allow ecr:PutImage on {repository}, and let live-* tags move; deploying again tags it",
        details=error.details,
    )
