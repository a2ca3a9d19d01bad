"""The secrets that builds of Dockerfiles may have, as the project says where they are.

The list is the project's own, which no client can change: it has ids and ARNs. A
value is read when a build step asks for it, and kept nowhere.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from lambdabuild.aws.secret_values import parse_listed, parse_secret_place, read_secret
from lambdabuild.errors import UserError

VARIABLE: Final = "LAMBDABUILD_SECRETS"
"""Of the project: "id=ARN" with commas between, as `aws.secret_values.listed` writes it."""


def read(listing: str, id_: str, client: Callable[[str], Any]) -> bytes:
    """Returns the value of a secret; raises UserError for one that the project does not know.

    listing: what VARIABLE is.
    client:  gives the boto3 client of a service.
    """
    places = parse_listed(listing)
    if id_ not in places:
        raise UserError(
            f"the CodeBuild project knows no secret {id_}",
            hint=f"give [secrets.{id_}] an arn in WORKSPACE.toml, then run `lambdabuild bootstrap`",
        )
    return read_secret(id_, parse_secret_place(places[id_]), client)
