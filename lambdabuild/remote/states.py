"""What CodeBuild says of a build, as values.

What an answer lacks is empty here, and what is not as AWS's service model has
it is left out: nothing but the table of leases and words for people depend on it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from lambdabuild.errors import escaped

ORDER_VARIABLE = "LAMBDABUILD_ORDER"
"""The environment variable that holds the digest of a build's order: the only one that clients send."""

VANISHED = "VANISHED"
"""The status, ours, of a build that CodeBuild no longer knows."""

_CONSOLES: Mapping[str, str] = {
    "aws": "console.aws.amazon.com",
    "aws-cn": "console.amazonaws.cn",
    "aws-us-gov": "console.amazonaws-us-gov.com",
}
_ARN = re.compile(
    r"arn:(?P<partition>aws[a-z-]*):codebuild:(?P<region>[a-z0-9-]+):(?P<account>\d{12})"
    r":build/(?P<project>[A-Za-z0-9_-]+):(?P<uuid>[A-Za-z0-9-]+)"
)
_MAX_TEXT = 1000


@dataclass(frozen=True, slots=True)
class Phase:
    """A phase of a build. seconds: None while it goes on. message: of its context; "" if there is none."""

    name: str
    seconds: float | None
    message: str


@dataclass(frozen=True, slots=True)
class BuildState:
    """A build, as BatchGetBuilds describes it.

    id:          "<project>:<uuid>".
    status:      SUCCEEDED, FAILED, FAULT, TIMED_OUT, IN_PROGRESS, STOPPED; or VANISHED.
    phase:       the phase it is in: SUBMITTED, QUEUED, PROVISIONING, ..., COMPLETED.
    order:       the order it was started for; None if it was started for none.
    log_group:   of CloudWatch Logs; None, as log_stream, until there is one.
    started:     when it was submitted, by AWS's clock: seconds since the epoch; None if it is not said.
    console:     the address of its page in AWS's console; "" where its ARN cannot be understood.
    environment: CodeBuild's environment type, such as LINUX_CONTAINER.
    compute:     CodeBuild's compute type, such as BUILD_GENERAL1_SMALL.
    """

    id: str
    status: str
    phase: str
    phases: tuple[Phase, ...] = ()
    complete: bool = False
    order: str | None = None
    log_group: str | None = None
    log_stream: str | None = None
    started: float | None = None
    console: str = ""
    environment: str = ""
    compute: str = ""


def build_state(build: Mapping[str, Any]) -> BuildState:
    """Returns what a `Build` of CodeBuild's API says."""
    status = str(build.get("buildStatus", "IN_PROGRESS"))
    environment = build.get("environment", {})
    logs = build.get("logs", {})
    started = build.get("startTime")
    return BuildState(
        id=str(build["id"]),
        status=status,
        phase=str(build.get("currentPhase", "SUBMITTED")),
        phases=tuple(_phase(phase) for phase in build.get("phases", ())),
        complete=bool(build.get("buildComplete")) or status != "IN_PROGRESS",
        order=_order(environment),
        log_group=logs.get("groupName"),
        log_stream=logs.get("streamName"),
        started=started.timestamp() if isinstance(started, datetime) else None,
        console=console_url(str(build.get("arn", ""))),
        environment=str(environment.get("type", "")),
        compute=str(environment.get("computeType", "")),
    )


def console_url(arn: str) -> str:
    """Returns the address of a build's page in the console of its partition; "" for anything else."""
    match = _ARN.fullmatch(arn)
    host = _CONSOLES.get(match["partition"]) if match else None
    if match is None or host is None:
        return ""
    build = quote(f"{match['project']}:{match['uuid']}", safe="")
    return (
        f"https://{match['region']}.{host}/codesuite/codebuild/{match['account']}"
        f"/projects/{match['project']}/build/{build}/?region={match['region']}"
    )


def plain(text: object, most: int = _MAX_TEXT) -> str:
    """Returns the beginning of a text, such that no terminal takes it for more than text.

    What does not print is escaped as Python does it; tabs stay.
    """
    cut = str(text)[:most]
    return "\t".join(escaped(part) for part in cut.split("\t"))


def _phase(phase: Mapping[str, Any]) -> Phase:
    messages = [str(each["message"]).strip() for each in phase.get("contexts", ()) if each.get("message")]
    started, ended = phase.get("startTime"), phase.get("endTime")
    seconds: float | None = None
    if isinstance(started, datetime) and isinstance(ended, datetime):
        # durationInSeconds is whole seconds.
        seconds = max(0.0, (ended - started).total_seconds())
    elif phase.get("durationInSeconds") is not None:
        seconds = float(phase["durationInSeconds"])
    return Phase(str(phase.get("phaseType", "")), seconds, plain("; ".join(filter(None, messages))))


def _order(environment: Mapping[str, Any]) -> str | None:
    for variable in environment.get("environmentVariables", ()):
        if variable.get("name") == ORDER_VARIABLE:
            return str(variable.get("value", ""))
    return None
