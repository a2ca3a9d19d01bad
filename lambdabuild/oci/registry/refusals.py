"""What a status that nobody wanted means, and what to do about it.

Error documents: OCI distribution spec, "Error Codes". ECR's differ in places
(BLOB_UPLOAD_UNKNOWN for layers that a manifest lacks, TAG_INVALID for a tag
that is immutable), so codes and messages are both looked at.
"""

from __future__ import annotations

import http
import json
import re
from dataclasses import dataclass
from typing import Any, Final

from lambdabuild.oci.registry.ecr import PUBLIC, region_of
from lambdabuild.oci.registry.trouble import Trouble

MAX_ERROR: Final = 1 << 16
"""Bytes of an answer's body that are looked at for what is wrong."""

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]+")


@dataclass(frozen=True, slots=True)
class Complaint:
    """One error of a registry.

    code:   e.g. "MANIFEST_UNKNOWN"; "" if it gives none.
    detail: whatever it says, as JSON.
    """

    code: str
    message: str
    detail: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer with a status that nobody wanted.

    host:   who answered.
    pause:  seconds that it asks to wait.
    """

    host: str
    status: int
    complaints: tuple[Complaint, ...]
    pause: float = 0.0

    def has(self, *codes: str) -> bool:
        """Returns whether one of the complaints has one of the codes."""
        return any(complaint.code in codes for complaint in self.complaints)

    def says(self, word: str) -> bool:
        """Returns whether one of the complaints has `word`, in any case, in its message."""
        return any(word in complaint.message.lower() for complaint in self.complaints)


def parse_complaints(body: bytes) -> tuple[Complaint, ...]:
    """Returns the errors in an answer's body; () if it is no error document."""
    try:
        errors: Any = json.loads(body)["errors"]
        return tuple(
            Complaint(_text(each.get("code")), _text(each.get("message")), json.dumps(each.get("detail")))
            for each in errors
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return ()


def trouble_of(refusal: Refusal, host: str, repository: str, source: str | None) -> Trouble:
    """Returns what a refusal means to one who asked about `repository` of `host`.

    source: where the login comes from; None if there was none.
    """
    status = refusal.status
    told = f"answered {_phrase(status)}"
    details = tuple(f"{each.code}: {each.message}".strip(": ") for each in refusal.complaints)
    again = status == 429 or status >= 500
    users, hint = False, None
    if status in (401, 403):
        told += f" to the login from {source}" if source else " to us without a login"
        users, hint = True, _access_hint(refusal, host, repository)
    elif status == 404 and refusal.has("NAME_UNKNOWN"):
        told += f": it has no repository {repository!r}"
        users, hint = True, repository_hint(host, repository)
    elif status == 404:
        users, hint = True, f"is the name right? skopeo list-tags docker://{host}/{repository}"
    elif status == 407:
        users, hint = True, "put the proxy's login into its URL in HTTPS_PROXY"
    elif status == 413:
        users, hint = True, f"{host} takes no upload of this size: make the layer smaller, or raise its limit"
    elif status == 429 and source is None:
        hint = f"wait, or log in, which mostly raises the limit: {login_hint(host)}"
    return Trouble(
        refusal.host, told, again=again, after=refusal.pause, users=users, hint=hint, details=details
    )


def login_hint(host: str) -> str:
    """Returns the command that gets a login for `host`."""
    region = region_of(host)
    if region:
        return f"export AWS_PROFILE=… of one who may use ECR in {region}, or docker login {host}"
    if host == PUBLIC:
        return f"to read, docker logout {host}: everybody may; to push, sign in to AWS: aws sso login"
    return f"docker login {host}"


def repository_hint(host: str, repository: str) -> str:
    """Returns how a repository comes to be."""
    region = region_of(host)
    if region:
        return f"aws ecr create-repository --region {region} --repository-name {repository}"
    return f"is the name right? if so, create {repository} at {host} first"


def _access_hint(refusal: Refusal, host: str, repository: str) -> str:
    if host == PUBLIC:
        return login_hint(host)
    if refusal.says("expired"):
        return f"docker logout {host}; {login_hint(host)}"
    if region_of(host):
        return f"allow the role in use to pull from and push to {repository} in ECR; {login_hint(host)}"
    return f"{login_hint(host)}, as one who may use {repository}; or it does not exist"


def _phrase(status: int) -> str:
    try:
        return f"{status} {http.HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _text(value: object) -> str:
    return _CONTROL.sub(" ", value)[:500] if isinstance(value, str) else ""
