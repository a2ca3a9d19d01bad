"""Logins for ECR, from AWS: GetAuthorizationToken of `ecr` and `ecr-public`.

Source: Amazon ECR API reference, GetAuthorizationToken: base64 of "AWS:password",
good for 12 hours. boto3 finds AWS's own credentials as the AWS CLI does.
"""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Any, Final

from lambdabuild.errors import ExternalError, LambdaBuildError, UserError
from lambdabuild.oci.registry.login import Login

if TYPE_CHECKING:
    from botocore.exceptions import BotoCoreError, ClientError

PUBLIC: Final = "public.ecr.aws"
_PUBLIC_REGION: Final = "us-east-1"  # the only one with this call
_PRIVATE: Final = re.compile(r"[0-9]{12}\.dkr\.ecr(?:-fips)?\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?")
_SIGN_IN: Final = "aws sso login, or export AWS_PROFILE=…; aws sts get-caller-identity shows who you are"


def region_of(host: str) -> str | None:
    """Returns the AWS region whose ECR `host` is, e.g. "eu-central-1"; None for any other host."""
    found = _PRIVATE.fullmatch(host)
    return found[1] if found else None


def ecr_login(host: str) -> Login | None:
    """Returns AWS's login for `host`; None if it is no host of ECR.

    public.ecr.aws lets everybody read, so None too if AWS gives no login for it.
    Raises UserError where AWS's credentials are missing or not enough, ExternalError
    where AWS cannot be reached.
    """
    region = region_of(host)
    if region is None and host != PUBLIC:
        return None
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        token = _token(region)
    except (BotoCoreError, ClientError) as error:
        if host == PUBLIC:
            return None
        raise _refused(host, error) from None
    user, _, password = base64.b64decode(token).decode().partition(":")
    return Login(f"AWS for {host}", user, password)


def _token(region: str | None) -> str:
    import boto3

    # A session of our own: the default one is not safe to share between threads.
    session = boto3.session.Session()
    if region is None:
        public: Any = session.client("ecr-public", region_name=_PUBLIC_REGION)
        return str(public.get_authorization_token()["authorizationData"]["authorizationToken"])
    private: Any = session.client("ecr", region_name=region)
    return str(private.get_authorization_token()["authorizationData"][0]["authorizationToken"])


def _refused(host: str, error: BotoCoreError | ClientError) -> LambdaBuildError:
    from botocore.exceptions import ClientError, HTTPClientError
    from botocore.exceptions import ConnectionError as NoConnection

    what = f"AWS gives no login for {host}"
    if isinstance(error, NoConnection | HTTPClientError):
        return ExternalError(f"{what}: it cannot be reached", hint="aws sts get-caller-identity")
    if isinstance(error, ClientError):
        code = error.response.get("Error", {}).get("Code", "no code")
        if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 400) >= 500:
            return ExternalError(f"{what}: {code}", hint="try again")
        if code == "AccessDeniedException":
            return UserError(f"{what}: {code}", hint="allow ecr:GetAuthorizationToken to the role in use")
        return UserError(f"{what}: {code}", hint=_SIGN_IN)
    return UserError(f"{what}: {error}", hint=_SIGN_IN)
