"""A blob on its way into a repository: mounted from another one, or sent.

Source: OCI distribution spec, "Pushing a blob monolithically", "POST then PUT",
and "Mounting a blob from another repository". One streamed PUT, since ECR
answers PATCH in a way of its own; after a failure all begins with a new POST.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from urllib.parse import urlencode, urlsplit

from lambdabuild.errors import ExternalError, LambdaBuildError
from lambdabuild.oci.digest import OciDigest
from lambdabuild.oci.registry.bytes_check import verified
from lambdabuild.oci.registry.transport import Answer, Request, join
from lambdabuild.oci.registry.trouble import Trouble
from lambdabuild.oci.registry.work import Work


@dataclass(frozen=True, slots=True)
class Blob:
    """What is to be sent: `pieces` gives all `size` bytes anew each time it is called."""

    digest: OciDigest
    size: int
    pieces: Callable[[], Iterable[bytes]]


def send(work: Work, blob: Blob, mount_from: str | None) -> bool:
    """Returns True if the registry mounted the blob, False once it is sent. One attempt; raises Trouble."""
    url = _begin(work, blob.digest, mount_from)
    if url is None:
        return True
    query = urlencode({"digest": blob.digest})
    parts = urlsplit(url)
    url = parts._replace(query=f"{parts.query}&{query}" if parts.query else query).geturl()
    request = Request(
        "PUT",
        url,
        {"Content-Type": "application/octet-stream"},
        blob.size,
        lambda: verified(blob.pieces(), blob.digest, blob.size, lambda reason: _changed(blob, reason)),
        work.session.transport.settings.commit,
    )
    with work.ask(request) as answer:
        _check_stored(work, blob.digest, answer)
    return False


def mount(work: Work, digest: OciDigest, source: str) -> bool:
    """Returns whether the registry mounted the blob from `source`. One attempt; raises Trouble."""
    url = _begin(work, digest, source)
    if url is None:
        return True
    with suppress(Trouble, LambdaBuildError), work.ask(Request("DELETE", url)):
        pass  # an upload that is not wanted: if it stays, the registry clears it away some day
    return False


def _begin(work: Work, digest: OciDigest, source: str | None) -> str | None:
    """Returns the URL to send the blob to; None if it was mounted from `source`."""
    query, asking = "", work
    if source is not None:
        query, asking = "?" + urlencode({"mount": digest, "from": source}), replace(work, sources=(source,))
    try:
        with asking.ask(Request("POST", work.url(f"blobs/uploads/{query}"))) as answer:
            asking.expect(answer, (202,) if source is None else (201, 202))
            return None if answer.status == 201 else _location(answer)
    except Trouble as trouble:
        if source is None or trouble.again:
            raise
    # Some registries refuse the mount instead of opening an upload: what we may not read, say.
    return _begin(work, digest, None)


def _location(answer: Answer) -> str:
    location = answer.headers.get("Location", "")
    if not location:
        raise Trouble(answer.host, "opened an upload without saying where")
    return join(answer.url, location)


def _check_stored(work: Work, digest: OciDigest, answer: Answer) -> None:
    if answer.status not in (200, 201, 204):
        refusal = work.session.refusal(answer)
        trouble = work.session.trouble(refusal, work.repository)
        # The upload is gone (the registry began anew, or another of its machines answers).
        trouble.again = trouble.again or refusal.has("BLOB_UPLOAD_UNKNOWN")
        raise trouble
    stored = answer.headers.get("Docker-Content-Digest", digest)
    if stored.startswith("sha256:") and stored != digest:
        raise Trouble(answer.host, f"stored other bytes: {stored}")


def _changed(blob: Blob, reason: str) -> ExternalError:
    return ExternalError(
        f"the blob {blob.digest} is damaged here, and was not sent: there are {reason}",
        hint="what is stored is checked when it is built upon: build again",
    )
