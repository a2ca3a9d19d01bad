"""Secrets of Secrets Manager and SSM, read from the stand-in."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdabuild.aws.secret_values import SecretPlace, listed, parse_listed, parse_secret_place, read_secret
from lambdabuild.errors import ExternalError, UserError
from tests.cloud import moto_server

SECRET = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:pip-AbCdEf"
PARAMETER = "arn:aws:ssm:eu-central-1:123456789012:parameter/pip/token"


def kept(value: str | bytes) -> str:
    """Returns the ARN of a new secret."""
    what = {"SecretString": value} if isinstance(value, str) else {"SecretBinary": value}
    made = moto_server.client("secretsmanager").create_secret(Name=f"pip-{uuid.uuid4()}", **what)
    return str(made["ARN"])


@pytest.mark.parametrize("value", ["hunter22", b"\x00\xff"], ids=["text", "bytes"])
def test_a_secret_is_read_whole(value: str | bytes) -> None:
    read = read_secret("pip", parse_secret_place(kept(value)), moto_server.client)
    assert read == (value.encode() if isinstance(value, str) else value)


def test_a_member_of_a_json_secret_is_read_alone() -> None:
    arn = kept('{"user": "me", "token": "hunter22"}')
    assert read_secret("pip", parse_secret_place(f"{arn}:token"), moto_server.client) == b"hunter22"


@pytest.mark.parametrize("value", ['{"token": 7}', '["hunter22"]', "hunter22"])
def test_a_member_that_is_not_there_is_an_error_without_the_value(value: str) -> None:
    place = parse_secret_place(f"{kept(value)}:token")
    with pytest.raises(ExternalError, match="is no JSON object with a text called 'token'") as raised:
        read_secret("pip", place, moto_server.client)
    assert "hunter22" not in repr(raised.value.__dict__) + str(raised.value)


def test_a_parameter_is_read_decrypted() -> None:
    name = f"/pip/{uuid.uuid4()}"
    moto_server.client("ssm").put_parameter(Name=name, Value="hunter22", Type="SecureString")
    place = parse_secret_place(f"arn:aws:ssm:eu-central-1:123456789012:parameter{name}")
    assert read_secret("pip", place, moto_server.client) == b"hunter22"


def test_a_secret_that_is_not_there_says_which() -> None:
    with pytest.raises(ExternalError, match=r"cannot read the secret pip .*pip-AbCdEf"):
        read_secret("pip", parse_secret_place(SECRET), moto_server.client)


@pytest.mark.parametrize("text", [SECRET, f"{SECRET}:token", PARAMETER])
def test_a_place_is_written_as_it_was_read(text: str) -> None:
    assert str(parse_secret_place(text)) == text


@pytest.mark.parametrize(
    "text",
    ["", "pip", "arn:aws:s3:::bucket", f"{PARAMETER}:member", f"{SECRET}:a,b=c", f"{SECRET}:", SECRET + "\n"],
)
def test_what_is_no_place_of_a_secret_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="is no ARN of a secret"):
        parse_secret_place(text)


@given(st.dictionaries(st.from_regex(r"[a-z][a-z0-9_-]{0,5}", fullmatch=True), st.sampled_from("xyz")))
def test_a_list_of_secrets_is_read_as_it_was_written_whatever_their_order(members: dict[str, str]) -> None:
    places = {id_: SecretPlace(SECRET, "secretsmanager", member) for id_, member in members.items()}
    assert listed(places) == listed(dict(reversed(places.items())))
    assert listed(places).count("=") == len(places)
    read = {id_: parse_secret_place(place) for id_, place in parse_listed(listed(places)).items()}
    assert read == places
