"""One build: the document that the API shows, and how it comes to its end.

A build ends early (`end`) by StopBuild, a time-out, a fault or a test; whoever is first decides the status.
"""

from __future__ import annotations

import copy
import subprocess
import threading
import time
from collections.abc import Callable
from typing import Any

from .logs import LogWriter
from .model import Document

Context = tuple[str, str]
"""Status code and message of a phase; FINE if nothing is wrong."""

FINE: Context = ("", "")

_CONTEXTS = {
    "STOPPED": FINE,
    "FAILED": ("COMMAND_EXECUTION_ERROR", "Error while executing command. Reason: exit status 137"),
    "TIMED_OUT": ("BUILD_TIMED_OUT", "Build has timed out. "),
    "FAULT": ("INTERNAL_SERVICE_ERROR", "Internal service error, please try again. "),
}


class Build:
    """document: as BatchGetBuilds shows it; changed under the service's lock alone."""

    def __init__(self, document: Document, lock: threading.RLock) -> None:
        self.document = document
        self.id: str = document["id"]
        self.uuid = self.id.partition(":")[2]
        self.log: LogWriter | None = None
        self.ended = threading.Event()
        """Set once nothing of the build runs any more."""
        self._lock = lock
        self._ending: tuple[str, Context] | None = None
        self._kill: Callable[[], None] = lambda: None

    def view(self) -> Document:
        with self._lock:
            return copy.deepcopy(self.document)

    @property
    def ending(self) -> str | None:
        """The status that the build ends with although its commands have not come to their end."""
        return self._ending[0] if self._ending else None

    def end(self, status: str, context: Context | None = None) -> None:
        """Ends the build with a status, at once; nothing if it is over."""
        with self._lock:
            if self._ending or self.document["buildComplete"]:
                return
            self._ending = status, context or _CONTEXTS.get(status, FINE)
            self.document["buildStatus"] = status
            kill = self._kill
        kill()

    def started(
        self, start: Callable[[], subprocess.Popen[str]], kill: Callable[[subprocess.Popen[str]], None]
    ) -> subprocess.Popen[str]:
        """Returns the process of `start`, which the build's end kills, be it already there."""
        with self._lock:
            process = start()
            self._kill = lambda: kill(process)
            over = self._ending is not None
        if over:
            kill(process)
        return process

    def clear(self) -> None:
        """Kills what the build's shell has left running, and the shell."""
        with self._lock:
            kill = self._kill
        kill()

    def phase(self, name: str, work: Callable[[], Context]) -> bool:
        """Does `work` as a phase. Returns whether it and the build go well."""
        entry: dict[str, Any] = {"phaseType": name, "startTime": time.time()}
        with self._lock:
            self.document["currentPhase"] = name
            self.document["phases"].append(entry)
        context = work()
        with self._lock:
            status = "FAILED" if context != FINE else "SUCCEEDED"
            if self._ending:
                status, context = self._ending
            code, message = context
            entry |= {"phaseStatus": status, "endTime": time.time()}
            entry["durationInSeconds"] = int(entry["endTime"] - entry["startTime"])
            entry["contexts"] = [{"statusCode": code, "message": message}]
        self.note(f"Phase complete: {name} State: {status}")
        self.note(f"Phase context status code: {code} Message: {message}")
        return status == "SUCCEEDED"

    def note(self, text: str) -> None:
        """Writes a line of CodeBuild's own into the log, once there is one."""
        if self.log:
            now = time.time()
            date = time.strftime("%Y/%m/%d %H:%M:%S", time.gmtime(now))
            self.log.write(f"[Container] {date}.{int(now % 1 * 1e6):06} {text}")

    def complete(self, well: bool) -> None:
        """Ends the last phase and the build."""
        with self._lock:
            now = time.time()
            if not self._ending:
                self.document["buildStatus"] = "SUCCEEDED" if well else "FAILED"
            self.document["phases"].append({"phaseType": "COMPLETED", "startTime": now})
            self.document |= {"currentPhase": "COMPLETED", "endTime": now, "buildComplete": True}
        self.ended.set()
