"""The builds of an account, and the operations on them."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator

from .build import Build
from .model import Document
from .projects import Account, Projects, check_environment, check_source
from .refusal import Refusal, invalid, limit, not_found

TOKEN_SECONDS = 300.0
"""How long an idempotency token stands for its request."""

_SOURCE = {
    "sourceTypeOverride": "type",
    "sourceLocationOverride": "location",
    "buildspecOverride": "buildspec",
}
_ENVIRONMENT = {
    "environmentTypeOverride": "type",
    "imageOverride": "image",
    "computeTypeOverride": "computeType",
    "privilegedModeOverride": "privilegedMode",
    "certificateOverride": "certificate",
    "registryCredentialOverride": "registryCredential",
    "imagePullCredentialsTypeOverride": "imagePullCredentialsType",
}
_BUILD = {
    "serviceRoleOverride": "serviceRole",
    "timeoutInMinutesOverride": "timeoutInMinutes",
    "queuedTimeoutInMinutesOverride": "queuedTimeoutInMinutes",
    "encryptionKeyOverride": "encryptionKey",
    "cacheOverride": "cache",
}
_UNDERSTOOD = {"projectName", "idempotencyToken", "sourceVersion", "environmentVariablesOverride"}
_UNDERSTOOD |= {"logsConfigOverride", *_SOURCE, *_ENVIRONMENT, *_BUILD}


class Builds:
    """Keeps builds, oldest first; `run` gets each new one, and gives it to a thread."""

    def __init__(
        self,
        account: Account,
        projects: Projects,
        lock: threading.RLock,
        run: Callable[[Build], None],
        clock: Callable[[], float],
    ) -> None:
        self._account = account
        self._projects = projects
        self._lock = lock
        self._run = run
        self._clock = clock
        self._builds: dict[str, Build] = {}
        self._numbers: dict[str, int] = {}
        self._tokens: dict[str, tuple[float, str, str]] = {}
        self.started = 0

    def get(self, build_id: str) -> Build:
        """Returns a build, by id or ARN. Raises Refusal if there is none."""
        with self._lock:
            short = build_id.rpartition("build/")[2]
            if short not in self._builds:
                raise not_found(f"Build {build_id} does not exist")
            return self._builds[short]

    def all(self) -> list[Build]:
        with self._lock:
            return list(self._builds.values())

    def forget(self, build_id: str) -> None:
        with self._lock:
            del self._builds[build_id]

    def start(self, request: Document) -> Document:
        """StartBuild."""
        with self._lock:
            token = request.get("idempotencyToken")
            parameters = json.dumps(request, sort_keys=True)
            if token and (known := self._by_token(token, parameters)):
                return {"build": known.view()}
            build = self._new(request)
            if token:
                self._tokens[token] = (self._clock(), parameters, build.id)
            self._run(build)
            return {"build": build.view()}

    def stop(self, request: Document) -> Document:
        """StopBuild; of a build that is over, nothing."""
        build = self.get(request["id"])
        build.end("STOPPED")
        return {"build": build.view()}

    def batch_get(self, request: Document) -> Document:
        with self._lock:
            ids = [each.rpartition("build/")[2] for each in request["ids"]]
            return {
                "builds": [self._builds[each].view() for each in ids if each in self._builds],
                "buildsNotFound": [each for each in ids if each not in self._builds],
            }

    def ids(self, project: str, ascending: bool) -> list[str]:
        with self._lock:
            name = self._projects.get(project)["name"]
            ids = [build.id for build in self._builds.values() if build.document["projectName"] == name]
            return ids if ascending else ids[::-1]

    def _by_token(self, token: str, parameters: str) -> Build | None:
        at, before, build_id = self._tokens.get(token, (0.0, "", ""))
        if not build_id or self._clock() - at >= TOKEN_SECONDS:
            return None
        if before != parameters:
            raise invalid("Parameters do not match a previous request with the same idempotency token")
        return self.get(build_id)

    def _new(self, request: Document) -> Build:
        if unknown := request.keys() - _UNDERSTOOD:
            raise Refusal(
                "InvalidInputException", f"this stand-in does not know {', '.join(sorted(unknown))}"
            )
        project = self._projects.get(request["projectName"])
        self._check_limit(project)
        name = project["name"]
        self._numbers[name] = self._numbers.get(name, 0) + 1
        build = Build(self._document(project, request, self._numbers[name]), self._lock)
        self._builds[build.id] = build
        self.started += 1
        return build

    def _check_limit(self, project: Document) -> None:
        most = project.get("concurrentBuildLimit")
        active = sum(1 for each in self._active() if each.document["projectName"] == project["name"])
        if most is not None and active >= most:
            raise limit(f"Cannot have more than {most} active builds for the project {project['name']}")

    def _active(self) -> Iterator[Build]:
        return (build for build in self._builds.values() if not build.document["buildComplete"])

    def _document(self, project: Document, request: Document, number: int) -> Document:
        source = {**project["source"], **_renamed(request, _SOURCE)}
        environment = {**project["environment"], **_renamed(request, _ENVIRONMENT)}
        listed = [
            *environment.get("environmentVariables", []),
            *request.get("environmentVariablesOverride", []),
        ]
        environment["environmentVariables"] = list({each["name"]: each for each in listed}.values())
        check_source(source)
        check_environment(environment)
        build_id = f"{project['name']}:{uuid.uuid4()}"
        now = time.time()
        copied = (
            "serviceRole",
            "timeoutInMinutes",
            "queuedTimeoutInMinutes",
            "cache",
            "vpcConfig",
            "encryptionKey",
        )
        submitted = {"phaseType": "SUBMITTED", "phaseStatus": "SUCCEEDED", "startTime": now, "endTime": now}
        document = {
            "id": build_id,
            "arn": self._account.arn(f"build/{build_id}"),
            "buildNumber": number,
            "startTime": now,
            "currentPhase": "SUBMITTED",
            "buildStatus": "IN_PROGRESS",
            "buildComplete": False,
            "projectName": project["name"],
            "phases": [{**submitted, "durationInSeconds": 0}],
            "source": source,
            "environment": environment,
            "artifacts": {"location": ""},
            "initiator": "stand-in/client",
            "encryptionKey": f"arn:{self._account.partition}:kms:{self._account.region}:{self._account.id}:alias/aws/s3",
            "logs": self._logs(project, request),
            **{name: project[name] for name in copied if name in project},
            **_renamed(request, _BUILD),
        }
        if version := request.get("sourceVersion", project.get("sourceVersion")):
            document["sourceVersion"] = version
        return document

    def _logs(self, project: Document, request: Document) -> Document:
        """Returns a build's log locations as they are before there is a stream."""
        configured = {**project.get("logsConfig", {}), **request.get("logsConfigOverride", {})}
        where = f"arn:{self._account.partition}:logs:{self._account.region}:{self._account.id}"
        return {
            "cloudWatchLogsArn": f"{where}:log-group:null:log-stream:null",
            "cloudWatchLogs": configured.get("cloudWatchLogs", {"status": "ENABLED"}),
        }


def _renamed(request: Document, names: dict[str, str]) -> Document:
    return {names[name]: value for name, value in request.items() if name in names}
