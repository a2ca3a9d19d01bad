"""Which secrets builds of Dockerfiles get: those of the project's own list."""

from __future__ import annotations

import pytest

from lambdabuild.aws.secret_values import listed, parse_secret_place
from lambdabuild.errors import UserError
from lambdabuild.worker.secrets import read
from tests.cloud import moto_server


def kept(name: str, value: str) -> str:
    made = moto_server.client("secretsmanager").create_secret(Name=name, SecretString=value)
    return str(made["ARN"])


def test_a_secret_is_read_by_its_id() -> None:
    places = {id_: parse_secret_place(kept(f"worker-{id_}", id_ * 4)) for id_ in ("pip", "npm")}
    assert read(listed(places), "npm", moto_server.client) == b"npmnpmnpmnpm"


@pytest.mark.parametrize("listing", ["", "npm=arn:aws:ssm:eu-central-1:123456789012:parameter/a"])
def test_an_id_that_the_project_does_not_know_is_refused_with_what_to_do(listing: str) -> None:
    with pytest.raises(UserError, match="the CodeBuild project knows no secret pip") as raised:
        read(listing, "pip", moto_server.client)
    assert "[secrets.pip]" in (raised.value.hint or "")
