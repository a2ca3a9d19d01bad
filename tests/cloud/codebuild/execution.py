"""A build, from its place in the queue to COMPLETED.

SUBMITTED QUEUED PROVISIONING DOWNLOAD_SOURCE INSTALL PRE_BUILD BUILD POST_BUILD UPLOAD_ARTIFACTS FINALIZING
COMPLETED. After a failed INSTALL or PRE_BUILD the rest is left out; POST_BUILD runs whether BUILD failed or
not, unless that says on-failure: ABORT ("Build phase transitions" of the user guide).
"""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from .build import FINE, Build, Context
from .buildspec import PHASES, Buildspec, BuildspecError, Phase
from .logs import LogWriter
from .runners import Job, Runner
from .shell import Shell
from .source import SourceError, download, read_buildspec
from .variables import variables
from .waiting import Queue


@dataclass(frozen=True, kw_only=True)
class Machinery:
    """What builds run with.

    clients:        service name -> a boto3 client that CodeBuild itself uses.
    environment:    variables that every build gets beside CodeBuild's own.
    minute:         seconds that a minute of a time-out takes.
    provisioning:   returns the seconds that a machine takes to come.
    """

    runner: Runner
    queue: Queue
    clients: Callable[[str], Any]
    environment: Callable[[], Mapping[str, str]]
    minute: Callable[[], float]
    provisioning: Callable[[], float]


class Execution:
    """Runs one build, in the thread that calls `run`. fault: (phase, status) that a test wants."""

    def __init__(self, build: Build, machinery: Machinery, fault: tuple[str, str] | None) -> None:
        self._build = build
        self._with = machinery
        self._fault = fault
        self._work = Path(tempfile.mkdtemp(prefix="codebuild-"))
        self._buildspec: Buildspec | None = None

    def run(self) -> None:
        well = False
        try:
            if self._phase("QUEUED", self._queued):
                well = self._on_machine()
        finally:
            if self._build.log:
                self._build.log.close()
            self._with.queue.leave(self._build)
            shutil.rmtree(self._work, ignore_errors=True)
            self._build.complete(well)

    def _phase(self, name: str, work: Callable[[], Context] = lambda: FINE) -> bool:
        if self._fault and self._fault[0] == name:
            self._build.end(self._fault[1])
            return self._build.phase(name, lambda: FINE)
        return self._build.phase(name, work)

    def _queued(self) -> Context:
        seconds = self._build.document["queuedTimeoutInMinutes"] * self._with.minute()
        if not self._with.queue.wait(self._build, seconds):
            self._build.end("TIMED_OUT")
        return FINE

    def _on_machine(self) -> bool:
        seconds = self._build.document["timeoutInMinutes"] * self._with.minute()
        timer = threading.Timer(seconds, self._build.end, ["TIMED_OUT"])
        timer.daemon = True
        timer.start()
        try:
            well = self._phase("PROVISIONING", self._provision)
            well = well and self._phase("DOWNLOAD_SOURCE", self._download) and self._commands()
            # CodeBuild finalizes whatever ran; only an ended build has nothing left that could.
            return (self._build.ending is not None or self._phase("FINALIZING")) and well
        finally:
            timer.cancel()

    def _provision(self) -> Context:
        self._open_log()
        until = time.monotonic() + self._with.provisioning()
        while time.monotonic() < until and not self._build.ending:
            time.sleep(0.02)
        return FINE

    def _open_log(self) -> None:
        configured = self._build.document["logs"]["cloudWatchLogs"]
        if configured["status"] != "ENABLED":
            return
        group = configured.get("groupName") or f"/aws/codebuild/{self._build.document['projectName']}"
        prefix = configured.get("streamName")
        stream = f"{prefix}/{self._build.uuid}" if prefix else self._build.uuid
        self._build.log = LogWriter(lambda: self._with.clients("logs"), group, stream)
        self._build.document["logs"] |= {"groupName": group, "streamName": stream}
        self._build.note("Waiting for agent ping")

    def _download(self) -> Context:
        source = self._build.document["source"]
        for name in ("source", "home"):
            (self._work / name).mkdir()
        try:
            download(lambda: self._with.clients("s3"), source, self._work / "source")
            self._buildspec = read_buildspec(source, self._work / "source")
        except SourceError as error:
            return "CLIENT_ERROR", str(error)
        except BuildspecError as error:
            return "YAML_FILE_ERROR", f"YAML_FILE_ERROR Message: {error}"
        return FINE

    def _commands(self) -> bool:
        """Returns whether INSTALL to UPLOAD_ARTIFACTS went well."""
        assert self._buildspec
        shell, well = self._shell(self._buildspec), True
        try:
            for name in PHASES:
                phase = self._buildspec.phases.get(name, Phase())
                well = self._phase(name, partial(_run, phase, well, shell, self._build)) and well
                if self._build.ending or not (well or (name == "BUILD" and phase.on_failure != "ABORT")):
                    return False
            return self._phase("UPLOAD_ARTIFACTS") and well
        finally:
            # What runs in the background ends with the machine.
            self._build.clear()
            shell.close()

    def _shell(self, buildspec: Buildspec) -> Shell:
        runner = self._with.runner
        job = Job(
            name=f"codebuild-{self._build.uuid}",
            work=self._work,
            shell=buildspec.shell,
            environment={
                **buildspec.variables,
                **variables(self._build.document, runner.source(self._work)),
                **self._with.environment(),
            },
            privileged=self._build.document["environment"].get("privilegedMode", False),
        )
        return Shell(
            lambda: self._build.started(lambda: runner.start(job), lambda process: runner.kill(job, process)),
            self._say,
        )

    def _say(self, line: str) -> None:
        if self._build.log:
            self._build.log.write(line)


def _run(phase: Phase, succeeding: bool, shell: Shell, build: Build) -> Context:
    """Returns what came of the commands, and then of those of `finally`, which run in any case."""
    failed: list[tuple[str, int]] = []
    for commands in (phase.commands, phase.finally_commands):
        for command in commands:
            if build.ending:
                return FINE
            build.note(f"Running command {command}")
            if status := shell.run(command, succeeding and not failed):
                failed.append((command, status))
                break
    if not failed or phase.on_failure == "CONTINUE":
        return FINE
    command, status = failed[0]
    return (
        "COMMAND_EXECUTION_ERROR",
        f"Error while executing command: {command}. Reason: exit status {status}",
    )
