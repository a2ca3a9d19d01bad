"""CodeBuild, and the ways in which a test makes it misbehave."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from .build import Build
from .builds import Builds
from .execution import Execution, Machinery
from .model import Document, Model
from .projects import Account, Projects
from .protocol import JsonServer
from .refusal import invalid, limit
from .runners import Runner
from .waiting import Queue

CONCURRENCY = 20
MINUTE = 60.0
PAGE = 100


class CodeBuild(JsonServer):
    """Serves the operations on a free port of 127.0.0.1 from entry to exit, and runs builds.

    clients:     service name -> a boto3 client of S3 and Logs for CodeBuild's own use.
    environment: returns variables that every build gets beside CodeBuild's.

    Set by tests: concurrency; minute, the seconds that a minute of a time-out takes; runner;
    provisioning_seconds; clock, which idempotency tokens grow old by.
    """

    def __init__(
        self,
        account: Account,
        runner: Runner,
        clients: Callable[[str], Any],
        environment: Callable[[], Mapping[str, str]],
    ) -> None:
        self.lock = threading.RLock()
        self.runner = self._usual_runner = runner
        self.minute = MINUTE
        self.provisioning_seconds = 0.0
        self.clock: Callable[[], float] = time.monotonic
        self.projects = Projects(account, self.lock)
        self._clients = clients
        self._environment = environment
        self._queue = Queue(self.lock, CONCURRENCY)
        self._faults: list[tuple[str, str]] = []
        self._builds = Builds(account, self.projects, self.lock, self._run, lambda: self.clock())
        self.model = Model()
        operations = {
            "CreateProject": self.projects.create,
            "UpdateProject": self.projects.update,
            "DeleteProject": self.projects.delete,
            "BatchGetProjects": self.projects.batch_get,
            "ListProjects": self._list_projects,
            "StartBuild": self._start,
            "StopBuild": self._builds.stop,
            "BatchGetBuilds": self._builds.batch_get,
            "ListBuildsForProject": self._list_builds,
        }
        super().__init__(self.model, operations)

    @property
    def builds_started(self) -> int:
        """How many builds there have been; a repeated StartBuild starts none."""
        return self._builds.started

    @property
    def concurrency(self) -> int:
        return self._queue.concurrency

    @concurrency.setter
    def concurrency(self, value: int) -> None:
        self._queue.concurrency = value

    def build(self, build_id: str) -> Document:
        """Returns a build as BatchGetBuilds shows it."""
        return self._builds.get(build_id).view()

    def builds(self) -> list[str]:
        """Returns the ids of all builds, oldest first."""
        return [build.id for build in self._builds.all()]

    def wait(self, build_id: str, seconds: float = 60.0) -> Document:
        """Returns the build once it is over and nothing of it runs."""
        build = self._builds.get(build_id)
        assert build.ended.wait(seconds), build.view()
        return build.view()

    def hold_in_queue(self) -> None:
        """Lets no build leave the queue before `release`."""
        self._queue.held = True

    def release(self) -> None:
        self._queue.held = False

    def fail_next(self, status: str = "FAULT", phase: str = "PROVISIONING") -> None:
        """Ends the next build that is started in `phase`, with `status`."""
        self._faults.append((phase, status))

    def kill_worker(self, build_id: str) -> None:
        """Ends a build's machine without warning, SIGKILL for all that runs there. It ends FAILED."""
        self._builds.get(build_id).end("FAILED")

    def time_out(self, build_id: str) -> None:
        """Does to a build what its time-out would do."""
        self._builds.get(build_id).end("TIMED_OUT")

    def vanish(self, build_id: str) -> None:
        """Ends a build and all memory of it: BatchGetBuilds does not find it."""
        build = self._builds.get(build_id)
        self._builds.forget(build.id)
        build.end("STOPPED")
        assert build.ended.wait(60)

    def reset(self) -> None:
        """Ends what runs, and undoes what tests set. Projects and finished builds stay."""
        self.release()
        self._faults.clear()
        self.concurrency, self.runner = CONCURRENCY, self._usual_runner
        self.minute, self.provisioning_seconds, self.clock = MINUTE, 0.0, time.monotonic
        for build in self._builds.all():
            build.end("STOPPED")
        for build in self._builds.all():
            assert build.ended.wait(60), build.view()

    def _start(self, request: Document) -> Document:
        if self._queue.full:
            most = 5 * self.concurrency
            raise limit(f"Cannot have more than {most} builds in queue for the account")
        return self._builds.start(request)

    def _run(self, build: Build) -> None:
        machinery = Machinery(
            runner=self.runner,
            queue=self._queue,
            clients=self._clients,
            environment=self._environment,
            minute=lambda: self.minute,
            provisioning=lambda: self.provisioning_seconds,
        )
        self._queue.join(build)
        execution = Execution(build, machinery, self._faults.pop(0) if self._faults else None)
        threading.Thread(target=execution.run, daemon=True).start()

    def _list_projects(self, request: Document) -> Document:
        names = self.projects.names()
        if request.get("sortOrder") == "DESCENDING":
            names.reverse()
        return _page("projects", names, request)

    def _list_builds(self, request: Document) -> Document:
        ascending = request.get("sortOrder") == "ASCENDING"
        return _page("ids", self._builds.ids(request["projectName"], ascending), request)


def _page(name: str, everything: list[str], request: Document) -> Document:
    """Returns a page of a list. Its token is the last name of the page before."""
    after = request.get("nextToken")
    if after is not None and after not in everything:
        raise invalid("Invalid next token")
    rest = everything[everything.index(after) + 1 :] if after is not None else everything
    page = list(itertools.islice(rest, PAGE))
    return {name: page, **({"nextToken": page[-1]} if len(rest) > PAGE else {})}
