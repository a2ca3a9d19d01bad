"""Lambda as deploys use it: a function looked at and changed, each request guarded by a revision.

Refusals come as ours. Two are no errors yet: `Busy`, another update is under way, and `Outdated`, the
function is not what it was when it was looked at. Who asked looks again, and decides.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from lambdabuild.aws.errors import aws_errors, code_of
from lambdabuild.deploying.deployed import Deployed, ImageConfig
from lambdabuild.errors import ExternalError, LambdaBuildError, UserError, escaped
from lambdabuild.oci.digest import parse_oci_digest

RIGHTS: Final = (
    "allow it to the role or user that runs this; docs/manual.md, Deploying, lists what a deploy needs"
)

_LOOK = (
    "aws lambda get-function-configuration --function-name {name} "
    "--query '[State,LastUpdateStatus,LastUpdateStatusReason]'"
)


class Busy(Exception):
    """Another update of the function is under way (ResourceConflictException)."""


class Outdated(Exception):
    """The function, or the alias, has another revision by now (PreconditionFailedException)."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A function, or one of its versions, when it was looked at.

    revision: Lambda's RevisionId, which every change changes.
    version:  "$LATEST", or the number that an alias stands for.
    busy:     an update is under way, or the function is still being made.
    problem:  why the last update failed; "" if it did not.
    """

    arn: str
    deployed: Deployed
    revision: str
    version: str
    busy: bool
    problem: str

    def runs(self, wanted: Deployed) -> bool:
        """Tells whether it is `wanted`, and the update that made it so is over."""
        return not self.busy and not self.problem and self.deployed.same(wanted)


@dataclass(frozen=True, slots=True)
class Alias:
    """Where an alias points. weighted: a part of the calls goes to another version."""

    version: str
    revision: str
    weighted: bool = False


class Lambda:
    """The functions of one account and region. For any thread.

    client: gives the boto3 client of Lambda.
    where:  the ARN of functions without their names, for messages.
    """

    def __init__(self, client: Callable[[], Any], where: str) -> None:
        self._client = client
        self._where = where

    def arn(self, name: str) -> str:
        return f"{self._where}:{name}"

    def look(self, name: str, qualifier: str | None = None) -> Seen:
        """Returns a function as it is; raises UserError for one that is not there, or of another kind."""
        more = {"Qualifier": qualifier} if qualifier else {}
        with self._errors(f"cannot look at the function {name}", name, qualifier):
            found = self._client().get_function(FunctionName=name, **more)
        return self._seen(name, found)

    def versions(self) -> list[tuple[str, str]]:
        """Returns the names and versions ("$LATEST", too) of all functions that run images.

        Aliases point at these. Raises UserError without the right to list them.
        """
        with self._errors("cannot list the functions", "*"):
            pages = self._client().get_paginator("list_functions").paginate(FunctionVersion="ALL")
            found = [each for page in pages for each in page["Functions"]]
        images = [each for each in found if each.get("PackageType", "Zip") == "Image"]
        return [(str(each["FunctionName"]), str(each["Version"])) for each in images]

    def runs(self, name: str, version: str) -> Deployed | None:
        """Returns what a version runs; None if it has been removed since it was listed."""
        with self._errors(f"cannot look at the function {name}", name, version):
            found = _unless_gone(lambda: self._client().get_function(FunctionName=name, Qualifier=version))
        return self._seen(name, found).deployed if found else None

    def update_code(self, name: str, wanted: Deployed, revision: str, *, dry: bool = False) -> None:
        """Gives a function another image.

        dry: only ask whether that would be done.
        """
        with self._errors(f"cannot update the function {name}", name):
            self._client().update_function_code(
                FunctionName=name,
                ImageUri=wanted.uri,
                Architectures=[wanted.architecture],
                RevisionId=revision,
                DryRun=dry,
            )

    def update_config(self, name: str, config: ImageConfig, revision: str) -> None:
        """Gives a function another ImageConfig."""
        with self._errors(f"cannot update the configuration of {name}", name):
            self._client().update_function_configuration(
                FunctionName=name, ImageConfig=config.to_json(), RevisionId=revision
            )

    def publish(self, name: str, revision: str) -> str:
        """Returns the number of the version that is $LATEST; it is made if there is none."""
        with self._errors(f"cannot publish a version of {name}", name):
            return str(self._client().publish_version(FunctionName=name, RevisionId=revision)["Version"])

    def alias(self, name: str, alias: str) -> Alias | None:
        """Returns where an alias points; None if there is none."""
        with self._errors(f"cannot look at the alias {alias} of {name}", name):
            found = _unless_gone(lambda: self._client().get_alias(FunctionName=name, Name=alias))
        if not found:
            return None
        weights = (found.get("RoutingConfig") or {}).get("AdditionalVersionWeights")
        return Alias(str(found["FunctionVersion"]), str(found["RevisionId"]), bool(weights))

    def point(self, name: str, alias: str, version: str, known: Alias | None) -> None:
        """Points an alias at a version, or makes it; raises Outdated unless it still is as it was known."""
        wanted = {"FunctionName": name, "Name": alias, "FunctionVersion": version}
        with self._errors(f"cannot move the alias {alias} of {name}", name):
            if known is None:
                self._client().create_alias(**wanted)
            else:
                self._client().update_alias(**wanted, RevisionId=known.revision)

    def _seen(self, name: str, found: Mapping[str, Any]) -> Seen:
        configuration = found["Configuration"]
        arn = str(configuration["FunctionArn"])
        if configuration.get("PackageType", "Zip") != "Image":
            raise UserError(
                f"the function {name} is of package type Zip, and takes no images",
                hint="make it anew with PackageType Image: the type of a function cannot be changed",
            )
        image, _, digest = str(found["Code"].get("ResolvedImageUri", "")).partition("@")
        if not digest:
            raise ExternalError(
                f"Lambda does not say which image the function {name} runs", hint=_LOOK.format(name=name)
            )
        response = configuration.get("ImageConfigResponse") or {}
        (architecture,) = configuration.get("Architectures") or ["x86_64"]
        config = ImageConfig.read(response.get("ImageConfig") or {})
        status, state = configuration.get("LastUpdateStatus"), configuration.get("State")
        problem = ""
        if status == "Failed" or state == "Failed":
            told = [
                configuration.get(key) for key in ("LastUpdateStatusReasonCode", "LastUpdateStatusReason")
            ]
            problem = escaped(": ".join(str(each) for each in told if each)) or "no reason is told"
        return Seen(
            arn,
            Deployed(image, parse_oci_digest(digest), str(architecture), config),
            str(configuration["RevisionId"]),
            str(configuration["Version"]),
            status == "InProgress" or state == "Pending",
            problem,
        )

    @contextlib.contextmanager
    def _errors(self, doing: str, name: str, qualifier: str | None = None) -> Iterator[None]:
        from botocore.exceptions import ClientError

        arn = f"{self.arn(name)}:{qualifier}" if qualifier else self.arn(name)
        with aws_errors(doing, service="lambda", resource=arn, rights=RIGHTS):
            try:
                yield
            except ClientError as error:
                ours = _ours(error, doing, name, arn)
                if ours is None:
                    raise
                raise ours from error


def _unless_gone(ask: Callable[[], Any]) -> Any:
    """Returns what Lambda answers; None if what it was asked about is not there."""
    from botocore.exceptions import ClientError

    try:
        return ask()
    except ClientError as error:
        if code_of(error) != "ResourceNotFoundException":
            raise
        return None


def _ours(error: Any, doing: str, name: str, arn: str) -> Exception | None:
    """Returns what Lambda's own refusals mean; None for those that all services have."""
    code, told = code_of(error), escaped(str(error.response["Error"].get("Message", "")))
    if code == "ResourceConflictException":
        return Busy()
    if code == "PreconditionFailedException":
        return Outdated()
    if code == "ResourceNotFoundException":
        return UserError(
            f"{doing}: there is no {arn}",
            hint="make it with the tool that your infrastructure is made with, or correct its name, "
            "[deploy] region or the variables in its name",
        )
    if code == "InvalidParameterValueException" and "does not exist" in told:
        return ExternalError(
            f"{doing}: its image is not in the registry: {told}",
            hint="lambdabuild push brings it there; ECR has to be of the function's region",
        )
    if code == "InvalidParameterValueException":
        return UserError(f"{doing}: {told}")
    return None


def never_ends(name: str, seconds: float) -> LambdaBuildError:
    """Returns the error for an update that goes on and on."""
    return ExternalError(
        f"the update of {name} is not over after {seconds:.0f} seconds",
        hint=f"{_LOOK.format(name=name)}; then run the same command again: it goes on from there",
    )


def failed(name: str, problem: str) -> LambdaBuildError:
    """Returns the error for an update that Lambda gave up."""
    return ExternalError(f"Lambda could not update {name}: {problem}", hint=_LOOK.format(name=name))
