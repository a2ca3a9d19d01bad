"""Builds of CodeBuild: started, asked for, stopped, found.

A client says of a build which order it is for, and for Docker in which of the
allowed environments it runs. Buildspec, role, source and all else are the
project's: a request with more is one that the client policy denies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from lambdabuild.aws.errors import aws_errors, code_of
from lambdabuild.errors import ExternalError, LambdaBuildError, UserError
from lambdabuild.remote.environments import PLAIN, Environment
from lambdabuild.remote.states import ORDER_VARIABLE, BuildState, build_state, plain

MAX_IDS = 100
"""Ids that one BatchGetBuilds may ask for."""

_PAGES = 3
"""Pages of 100 builds that `find` looks through: those of the last 15 minutes are in them."""

_TO_WAIT_FOR = {
    "EndpointConnectionError", "ConnectTimeoutError", "ReadTimeoutError", "ConnectionClosedError",
    "HTTPClientError", "ProxyConnectionError",
    "SlowDown", "Throttling", "ThrottlingException", "ThrottledException", "TooManyRequestsException",
    "RequestLimitExceeded", "RequestThrottledException",
    "InternalError", "InternalFailure", "InternalServerError", "InternalServerException",
    "ServiceUnavailable", "ServiceUnavailableException",
    "429", "500", "502", "503", "504",
}  # fmt: skip


class Busy(ExternalError):
    """The service asked to slow down, failed, or could not be reached: to ask again later is right."""


class Builds:
    """The builds of one project, and of its twin on Lambda compute if there is one."""

    def __init__(self, client: Callable[[], Any], project: str, lambda_project: str | None = None) -> None:
        """client: gives the boto3 client of CodeBuild."""
        self._client = client
        self._project = project
        self._lambda_project = lambda_project

    def project_for(self, environment: Environment, short: bool) -> str:
        """Returns the project whose build runs work for `environment`. short: as in Batch."""
        fits = short and environment == PLAIN
        return self._lambda_project if fits and self._lambda_project else self._project

    def start(self, order: str, token: str, environment: Environment, short: bool) -> BuildState:
        """Starts the build of an order; with the same token within five minutes, returns that same build.

        order: 64 hex digits. token: the idempotency token.
        """
        project = self.project_for(environment, short)
        overrides: dict[str, Any] = {
            "environmentVariablesOverride": [{"name": ORDER_VARIABLE, "value": order, "type": "PLAINTEXT"}]
        }
        if environment != PLAIN:
            overrides["environmentTypeOverride"] = environment.type
            overrides["imageOverride"] = environment.image
            overrides["privilegedModeOverride"] = environment.privileged
        with _refusals("cannot start a build", project):
            answer = self._client().start_build(projectName=project, idempotencyToken=token, **overrides)
        return build_state(answer["build"])

    def states(self, ids: Iterable[str]) -> Mapping[str, BuildState]:
        """Returns the builds by id; ids that CodeBuild does not know are left out. Raises Busy too."""
        wanted = sorted(set(ids))
        found: dict[str, BuildState] = {}
        for start in range(0, len(wanted), MAX_IDS):
            with _refusals("cannot ask for builds", self._project):
                answer = self._client().batch_get_builds(ids=wanted[start : start + MAX_IDS])
            found |= {build["id"]: build_state(build) for build in answer["builds"]}
        return found

    def stop(self, build: str) -> None:
        """Asks a build to stop. One that is over or unknown is no error."""
        from botocore.exceptions import ClientError

        with _refusals("cannot stop a build", self._project):
            try:
                self._client().stop_build(id=build)
            except ClientError as error:
                if code_of(error) not in ("ResourceNotFoundException", "InvalidInputException"):
                    raise

    def find(self, order: str) -> BuildState | None:
        """Returns the newest build of an order, or None; one that runs comes before those that are over."""
        projects = dict.fromkeys(filter(None, (self._project, self._lambda_project)))
        found = [
            state
            for project in projects
            for ids in self._newest(project)
            for state in self.states(ids).values()
            if state.order == order
        ]
        return max(
            found, key=lambda state: (not state.complete, state.started or 0.0, state.id), default=None
        )

    def _newest(self, project: str) -> Iterator[list[str]]:
        """Yields the ids of a project's newest builds, by pages."""
        more: dict[str, str] = {}
        for _ in range(_PAGES):
            with _refusals("cannot list builds", project):
                answer = self._client().list_builds_for_project(
                    projectName=project, sortOrder="DESCENDING", **more
                )
            if ids := answer.get("ids"):
                yield ids
            if not answer.get("nextToken"):
                return
            more = {"nextToken": answer["nextToken"]}


@contextmanager
def _refusals(doing: str, project: str) -> Iterator[None]:
    """Turns what CodeBuild refuses into errors that say what to do about this project."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        with aws_errors(doing, service="codebuild"):
            try:
                yield
            except (BotoCoreError, ClientError) as error:
                if refusal := _refusal(doing, project, error):
                    raise refusal from error
                raise
    except ExternalError as error:
        cause = error.__cause__
        if cause is None or code_of(cause) not in _TO_WAIT_FOR:
            raise
        raise Busy(error.message, hint=error.hint) from cause


def _refusal(doing: str, project: str, error: Exception) -> LambdaBuildError | None:
    code = code_of(error)
    if code == "ResourceNotFoundException":
        return UserError(
            f"{doing}: there is no CodeBuild project {project}",
            hint="make it with `lambdabuild bootstrap`, or mend [codebuild] project and region",
        )
    if code == "AccountLimitExceededException":
        return ExternalError(
            f"{doing}: CodeBuild queues or runs no more builds for this account or project: {_told(error)}",
            hint="wait for other builds to end; lower [codebuild] concurrency; or ask for a higher "
            "limit: `aws service-quotas list-service-quotas --service-code codebuild`",
        )
    if code == "InvalidInputException":
        return ExternalError(
            f"{doing}: CodeBuild does not take the request: {_told(error)}",
            hint="bring the project to this release with `lambdabuild bootstrap`, then try again",
        )
    return None


def _told(error: Exception) -> str:
    response = getattr(error, "response", {})
    return plain(response.get("Error", {}).get("Message", code_of(error)), 300)
