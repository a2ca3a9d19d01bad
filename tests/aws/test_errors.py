"""AWS's errors as ours: whose turn it is, what to do, and no secret in the text."""

from __future__ import annotations

from typing import Any

import pytest
from botocore import exceptions
from urllib3.exceptions import ProtocolError

from lambdabuild.aws.errors import aws_errors, code_of
from lambdabuild.errors import ExternalError, LambdaBuildError, UserError


def client_error(
    code: str, message: str = "", status: int = 400, operation: str = "PutObject", **more: Any
) -> Exception:
    response: Any = {
        "Error": {"Code": code, "Message": message, **more},
        "ResponseMetadata": {"HTTPStatusCode": status, "HTTPHeaders": {"x-amz-security-token": "SECRET"}},
    }
    error: Exception = exceptions.ClientError(response, operation)
    return error


def told(error: Exception) -> LambdaBuildError:
    with (
        pytest.raises(LambdaBuildError) as caught,
        aws_errors("cannot do it", service="s3", resource="s3://bucket/key", owner="123456789012"),
    ):
        raise error
    assert caught.value.hint
    assert caught.value.message.startswith("cannot do it: ")
    return caught.value


@pytest.mark.parametrize(
    ("error", "kind", "sentence", "hint"),
    [
        (exceptions.NoCredentialsError(), ExternalError, "no valid AWS credentials", "aws sso login"),
        (exceptions.UnauthorizedSSOTokenError(), ExternalError, "no valid AWS credentials", "aws sso login"),
        (client_error("ExpiredToken"), ExternalError, "no valid AWS credentials", "aws sso login"),
        (client_error("ExpiredTokenException"), ExternalError, "no valid AWS credentials", "aws sso login"),
        (client_error("TokenRefreshRequired"), ExternalError, "no valid AWS credentials", "aws sso login"),
        (client_error("InvalidAccessKeyId", status=403), ExternalError, "no valid AWS credentials", "sign in"),
        (client_error("RequestTimeTooSkewed", status=403), ExternalError, "clock differs", "timedatectl"),
        (client_error("InvalidSignatureException", "Signature expired: 2026"), ExternalError, "clock differs", "timedatectl"),
        (client_error("InvalidSignatureException", "Signature not yet current"), ExternalError, "clock differs", "timedatectl"),
        (client_error("SignatureDoesNotMatch", status=403), ExternalError, "does not accept the signature", "timedatectl"),
        (client_error("AccessDenied", status=403), ExternalError, "s3:PutObject is not allowed on s3://bucket/key, or the bucket does not belong to account 123456789012", "bootstrap"),
        (client_error("AccessDenied", status=403, operation="ListObjectsV2"), ExternalError, "s3:ListBucket", "bootstrap"),
        (client_error("403", status=403, operation="HeadObject"), ExternalError, "s3:GetObject", "bootstrap"),
        (client_error("SlowDown", status=503), ExternalError, "fewer requests", "again"),
        (client_error("ThrottlingException"), ExternalError, "fewer requests", "again"),
        (client_error("InternalError", status=500), ExternalError, "trouble of its own", "again"),
        (client_error("Whatever", status=503), ExternalError, "trouble of its own", "again"),
        (exceptions.EndpointConnectionError(endpoint_url="https://x?X-Amz-Signature=SECRET"), ExternalError, "no whole answer", "network"),
        (exceptions.ReadTimeoutError(endpoint_url="https://x"), ExternalError, "no whole answer", "network"),
        (exceptions.ConnectTimeoutError(endpoint_url="https://x"), ExternalError, "no whole answer", "network"),
        (ProtocolError("cut"), ExternalError, "no whole answer", "network"),
        (client_error("NoSuchBucket", status=404), UserError, "there is no bucket bucket", "bootstrap"),
        (client_error("NoSuchBucket", status=404, BucketName="other"), UserError, "no bucket other", "bootstrap"),
        (exceptions.NoRegionError(), UserError, "no AWS region", "AWS_REGION"),
        (exceptions.ProfileNotFound(profile="x"), UserError, "profile", "AWS_PROFILE"),
        (client_error("NewCode", "what\x1b[31m\nis it"), ExternalError, "NewCode: what [31m is it", "again"),
    ],
)  # fmt: skip
def test_an_error_says_what_is_wrong_and_what_to_do(
    error: Exception, kind: type[LambdaBuildError], sentence: str, hint: str
) -> None:
    ours = told(error)
    assert type(ours) is kind
    assert sentence in ours.message
    assert hint in str(ours.hint)
    assert "SECRET" not in f"{ours.message} {ours.hint} {ours.details}"


def test_a_refusal_names_what_aws_names() -> None:
    message = (
        "User: arn:aws:iam::1:user/x is not authorized to perform: codebuild:StartBuild on resource: "
        "arn:aws:codebuild:eu-central-1:1:project/p because no identity-based policy allows it"
    )
    with pytest.raises(ExternalError) as caught, aws_errors("cannot start a build"):
        raise client_error("AccessDeniedException", message, operation="StartBuild")
    assert caught.value.message == (
        "cannot start a build: codebuild:StartBuild is not allowed on "
        "arn:aws:codebuild:eu-central-1:1:project/p"
    )


def test_other_exceptions_pass() -> None:
    for error in (ValueError("mine"), UserError("mine")):
        with pytest.raises(type(error), match="mine"), aws_errors("cannot do it"):
            raise error


def test_the_code_of_an_error_is_awss_or_its_class() -> None:
    assert code_of(client_error("SlowDown")) == "SlowDown"
    assert code_of(exceptions.NoCredentialsError()) == "NoCredentialsError"
    assert code_of(exceptions.ClientError({}, "PutObject")) == "ClientError"
