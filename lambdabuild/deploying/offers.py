"""The images that functions want: where they are in the registry, and by which digest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lambdabuild.configured import ConfiguredLabel
from lambdabuild.digest import Key
from lambdabuild.errors import Location, UserError
from lambdabuild.oci.digest import OciDigest
from lambdabuild.oci.registry.ecr import region_of
from lambdabuild.oci.registry.reference import Reference
from lambdabuild.oci.registry.settings import is_loopback
from lambdabuild.pushing.names import Destination
from lambdabuild.workspace import FILE_NAME


@dataclass(frozen=True, slots=True)
class Offer:
    """An image for functions to run.

    reference: with the hash's tag.
    digest:    None while it is not in the registry.
    """

    id: ConfiguredLabel
    hash: Key
    reference: Reference
    digest: OciDigest | None


def choose_destination(destinations: Sequence[Destination], region: str) -> Destination:
    """Returns the registry that functions of `region` take images from; raises UserError if there is none.

    That is ECR of the same region (Lambda developer guide, "Create a function using a container image"). A
    registry of this machine is for a Lambda of this machine.
    """
    for each in destinations:
        host = each.host.rpartition(":")[0] or each.host
        if region_of(each.host) == region or is_loopback(host):
            return each
    named = ", ".join(map(str, destinations))
    raise UserError(
        f"functions in {region} take images from ECR in {region}, and images are pushed to {named}",
        at=Location(FILE_NAME),
        hint=f'add push = ["ACCOUNT.dkr.ecr.{region}.amazonaws.com/PREFIX"] to [registry], '
        "or mend [deploy] region",
    )
