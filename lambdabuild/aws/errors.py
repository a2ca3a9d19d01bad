"""What AWS and botocore complain about, as our errors: a sentence, and what can be done.

Nothing of a request's headers, signature or credentials gets into a text:
sentences are made of the operation, the resource that the caller names, and
AWS's error code. Its messages are shown for codes that nobody thought of here.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lambdabuild.errors import ExternalError, LambdaBuildError, UserError

SIGN_IN = "sign in again (`aws sso login`, or new keys in the environment), then run the same command"
CLOCK = "set the clock (`timedatectl set-ntp true`), then run the same command"
POLICY = "attach the client policy of `lambdabuild bootstrap` to the role or user that runs this"
AGAIN = "run the same command again in a while; what is done is not done twice"

_SIGNED_OUT = {
    "ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "InvalidToken", "InvalidAccessKeyId",
    "InvalidClientTokenId", "UnrecognizedClientException", "RequestExpired",
    "NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError", "TokenRetrievalError",
    "NoAuthTokenError", "UnauthorizedSSOTokenError", "SSOTokenLoadError", "SSOError", "LoginError",
    "LoginRefreshRequired", "LoginTokenLoadError",
}  # fmt: skip
_SKEWED = {"RequestTimeTooSkewed", "RequestInTheFuture"}
_BAD_SIGNATURE = {"InvalidSignatureException", "SignatureDoesNotMatch", "AuthFailure"}
_DENIED = {
    "AccessDenied", "AccessDeniedException", "AccessDeniedFault", "UnauthorizedOperation", "Forbidden",
    "AuthorizationError", "AllAccessDisabled", "403",
}  # fmt: skip
_THROTTLED = {
    "SlowDown", "Throttling", "ThrottlingException", "ThrottledException", "TooManyRequestsException",
    "RequestLimitExceeded", "RequestThrottled", "RequestThrottledException", "BandwidthLimitExceeded",
    "PriorRequestNotComplete", "LimitExceededException", "ConditionalRequestConflict", "503", "429",
}  # fmt: skip
_IN_TROUBLE = {
    "InternalError",
    "InternalFailure",
    "InternalServerError",
    "ServiceUnavailable",
    "500",
    "502",
    "504",
}
_IAM_ACTIONS = {
    "ListObjectsV2": "ListBucket", "HeadObject": "GetObject", "HeadBucket": "ListBucket",
    "CreateMultipartUpload": "PutObject", "UploadPart": "PutObject", "CompleteMultipartUpload": "PutObject",
}  # fmt: skip
_REFUSAL = re.compile(r"not authorized to perform: ([\w-]+:\w+)(?: on resource: \"?([\w:/.*+=@-]+)\"?)?")


@dataclass(frozen=True, slots=True)
class _Call:
    """What was being done, in words and names."""

    doing: str
    service: str
    resource: str
    owner: str | None
    rights: str = POLICY


def code_of(error: BaseException) -> str:
    """Returns AWS's code of a ClientError ("AccessDenied"), else the class's name ("ReadTimeoutError")."""
    found = _told(error).get("Code")
    return str(found) if found else type(error).__name__


@contextlib.contextmanager
def aws_errors(
    doing: str, *, service: str = "", resource: str = "", owner: str | None = None, rights: str = POLICY
) -> Iterator[None]:
    """Turns what botocore raises into UserError and ExternalError; others pass.

    doing:    begins the sentence, e.g. "cannot read the remote store".
    service:  as in IAM ("s3"), and
    resource: what is spoken of ("s3://bucket/key"): for refusals that do not name them.
    owner:    the account that the bucket is expected to belong to.
    rights:   what to do where a right lacks.
    """
    from botocore.exceptions import BotoCoreError, ClientError
    from urllib3.exceptions import HTTPError

    try:
        yield
    except (BotoCoreError, ClientError, HTTPError) as error:
        raise _ours(error, _Call(doing, service, resource, owner, rights)) from error


def _ours(error: Exception, call: _Call) -> LambdaBuildError:
    code = code_of(error)
    status = _status(error)
    if code in _SKEWED or (code in _BAD_SIGNATURE and _speaks_of_time(error)):
        return ExternalError(f"{call.doing}: this machine's clock differs from AWS's", hint=CLOCK)
    if code in _SIGNED_OUT:
        return ExternalError(f"{call.doing}: there are no valid AWS credentials ({code})", hint=SIGN_IN)
    if code in _BAD_SIGNATURE:
        hint = f"{SIGN_IN}; or {CLOCK}"
        return ExternalError(f"{call.doing}: AWS does not accept the signature ({code})", hint=hint)
    if code == "NoSuchBucket":
        return UserError(
            f"{call.doing}: there is no bucket {_bucket(error, call)}",
            hint="run `lambdabuild bootstrap`, or mend [store] remote in WORKSPACE.toml",
        )
    if code in ("NoRegionError", "InvalidRegionError", "UnknownRegionError"):
        return UserError(f"{call.doing}: no AWS region is set", hint="set [codebuild] region or AWS_REGION")
    if code == "ProfileNotFound":
        return UserError(
            f"{call.doing}: {error}", hint="set AWS_PROFILE to a profile of `aws configure list-profiles`"
        )
    if code in _DENIED or status == 403:
        return _denied(error, call)
    if code in _THROTTLED:
        return ExternalError(f"{call.doing}: AWS asks for fewer requests ({code})", hint=AGAIN)
    return _other(error, code, status, call)


def _other(error: Exception, code: str, status: int, call: _Call) -> ExternalError:
    if status >= 500 or code in _IN_TROUBLE:
        return ExternalError(f"{call.doing}: AWS has trouble of its own ({code})", hint=AGAIN)
    told = _told(error).get("Message")
    if told is None:  # botocore's own, whose texts hold URLs
        return ExternalError(
            f"{call.doing}: no whole answer came ({code})", hint=f"check the network, then {AGAIN}"
        )
    return ExternalError(f"{call.doing}: {code}: {_plain(told)}", hint=AGAIN)


def _denied(error: Exception, call: _Call) -> ExternalError:
    operation = str(getattr(error, "operation_name", ""))
    action = f"{call.service}:{_IAM_ACTIONS.get(operation, operation)}" if call.service else operation
    resource = call.resource
    if found := _REFUSAL.search(str(_told(error).get("Message", ""))):
        action, resource = found[1], resource or found[2] or ""
    sentence = f"{call.doing}: {action or 'the request'} is not allowed"
    if resource:
        sentence += f" on {resource}"
    if call.owner:
        sentence += f", or the bucket does not belong to account {call.owner}"
    return ExternalError(sentence, hint=call.rights)


def _told(error: BaseException) -> Mapping[str, Any]:
    """Returns what AWS's answer says of the error; nothing for errors of this side."""
    response = getattr(error, "response", None)
    told = response.get("Error") if isinstance(response, dict) else None
    return told if isinstance(told, dict) else {}


def _status(error: BaseException) -> int:
    response = getattr(error, "response", None)
    metadata = response.get("ResponseMetadata") if isinstance(response, dict) else None
    status = metadata.get("HTTPStatusCode") if isinstance(metadata, dict) else None
    return status if isinstance(status, int) else 0


def _speaks_of_time(error: BaseException) -> bool:
    message = str(_told(error).get("Message", "")).lower()
    return "expired" in message or "not yet current" in message or "skew" in message


def _bucket(error: BaseException, call: _Call) -> str:
    return str(_told(error).get("BucketName") or call.resource.removeprefix("s3://").partition("/")[0])


def _plain(text: object) -> str:
    """Returns the start of a text as one line that no terminal takes for commands."""
    return "".join(c if c.isprintable() else " " for c in str(text)[:300])
