"""Secrets that AWS keeps: where one is, and its value.

A place is the ARN of a secret of Secrets Manager, of one member of it if it is a
JSON object (the ARN, a colon and the member's name), or of a parameter of SSM.

Absent: who may read them, which IAM says; and anything that would write a value down.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from lambdabuild.aws.errors import aws_errors
from lambdabuild.errors import ExternalError, UserError
from lambdabuild.settings import SECRET_ID

SECRETS_MANAGER, PARAMETER_STORE = "secretsmanager", "ssm"

_ARN = re.compile(
    r"(?P<arn>arn:[a-z0-9-]+:(?P<service>secretsmanager|ssm):[a-z0-9-]+:[0-9]{12}:"
    r"(?:secret:[A-Za-z0-9/_+=.@-]+|parameter/[A-Za-z0-9/_.-]+))(?::(?P<member>[^:,=\s]+))?",
    re.ASCII,
)
LISTED = f"({SECRET_ID}=arn:[^, ]+(,{SECRET_ID}=arn:[^, ]+)*)?"
"""What `listed` writes, as a regular expression: the template of `setup` takes nothing else."""

_HINT = "write it as arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME, or …:ssm:…:parameter/NAME"


@dataclass(frozen=True, slots=True)
class SecretPlace:
    """Where a secret is.

    arn:     of what holds it.
    service: SECRETS_MANAGER or PARAMETER_STORE.
    member:  of the JSON object that it is in; "" for all of it.
    """

    arn: str
    service: str
    member: str = ""

    def __str__(self) -> str:
        return f"{self.arn}:{self.member}" if self.member else self.arn


def parse_secret_place(text: str) -> SecretPlace:
    """Returns the place that `text` names; raises UserError."""
    found = _ARN.fullmatch(text)
    if not found or (found["member"] and found["service"] == PARAMETER_STORE):
        raise UserError(f"{text!r} is no ARN of a secret", hint=_HINT)
    return SecretPlace(found["arn"], found["service"], found["member"] or "")


def listed(places: Mapping[str, SecretPlace]) -> str:
    """Returns the secrets as one text, id=place with commas between, sorted."""
    return ",".join(f"{id_}={places[id_]}" for id_ in sorted(places))


def parse_listed(text: str) -> Mapping[str, str]:
    """Returns the secrets that `listed` wrote: id -> place, as text."""
    return dict(each.split("=", 1) for each in text.split(",") if "=" in each)


def read_secret(id_: str, place: SecretPlace, client: Callable[[str], Any]) -> bytes:
    """Returns the value of the secret `id_`; raises ExternalError, which never has a value in it.

    client: gives the boto3 client of a service.
    """
    with aws_errors(f"cannot read the secret {id_} ({place.arn})", service=place.service):
        if place.service == PARAMETER_STORE:
            answer = client("ssm").get_parameter(Name=place.arn, WithDecryption=True)
            return str(answer["Parameter"]["Value"]).encode()
        answer = client("secretsmanager").get_secret_value(SecretId=place.arn)
    text = answer.get("SecretString")
    value = text.encode() if isinstance(text, str) else bytes(answer["SecretBinary"])
    return _member(id_, place, value) if place.member else value


def _member(id_: str, place: SecretPlace, value: bytes) -> bytes:
    try:
        document = json.loads(value)
    except ValueError:
        document = None
    found = document.get(place.member) if isinstance(document, Mapping) else None
    if not isinstance(found, str):
        raise ExternalError(
            f"the secret {id_} ({place.arn}) is no JSON object with a text called {place.member!r}",
            hint="name one of its members, or leave out what follows the ARN",
        )
    return found.encode()
