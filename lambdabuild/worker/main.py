"""A build, from its variables to its exit code."""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Final

from lambdabuild.action import Tool
from lambdabuild.aws.clients import Aws
from lambdabuild.aws.meter import Meter
from lambdabuild.errors import LambdaBuildError, UserError
from lambdabuild.order import Order
from lambdabuild.python.pep517.user import open_way
from lambdabuild.store.s3.bucket import Bucket, parse_place
from lambdabuild.store.s3.cache import S3ActionCache
from lambdabuild.store.s3.compaction import compact
from lambdabuild.store.s3.gathering import gather
from lambdabuild.store.s3.store import S3Store
from lambdabuild.store.s3.terms import TermsOf
from lambdabuild.tools import all_tools
from lambdabuild.worker.events import Log
from lambdabuild.worker.fetching import fetch_order
from lambdabuild.worker.images import pinned_layer
from lambdabuild.worker.outcome import WorkOutcome
from lambdabuild.worker.settings import WorkerSettings, read_settings
from lambdabuild.worker.work import Means, Remote, Work

if TYPE_CHECKING:
    from lambdabuild.oci.registry.client import Client
    from lambdabuild.python.index import Index

NOBODY: Final = 65534
"""Who builds wheels where no user is called nobody."""


class Stopped(BaseException):
    """Raised in the main thread when the build is asked to stop."""


class Signals:
    """SIGTERM and SIGINT raise Stopped, once, until `hold` is called."""

    def __init__(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)

    def hold(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self.hold()
        raise Stopped


def main(environ: Mapping[str, str], log: Log) -> int:
    """Does what the variables say; returns the exit code. Raises UserError for variables that say nothing."""
    settings = read_settings(environ)
    os.umask(0o022)  # what is made here is read by the user that builds wheels
    return serve(settings, environ, Signals().hold, log)


def serve(settings: WorkerSettings, environ: Mapping[str, str], hold: Callable[[], None], log: Log) -> int:
    """Works on the order, and leaves its outcome; returns the exit code.

    hold: called when nothing may interrupt any more.

    Raises ExternalError where the outcome cannot be written.
    """
    with tempfile.TemporaryDirectory(prefix="lambdabuild-", ignore_cleanup_errors=True) as directory:
        scratch = Path(directory)
        remote = remote_of(settings, scratch / "segments")
        outcome = _worked(settings, environ, remote, scratch, hold, log)
        hold()
        document = outcome.to_json(settings.order, settings.build)
        remote.bucket.create(f"outcomes/{settings.order}/{settings.build_uuid}", document)
        if not outcome.interrupted:
            _compact(remote.bucket, log)
    return outcome.exit_code()


def remote_of(settings: WorkerSettings, directory: Path) -> Remote:
    """Returns the remote store. directory: where copies of its segments lie."""
    aws = Aws(None, settings.owner, Meter())
    bucket = Bucket(lambda: aws.client("s3"), *parse_place(settings.store), settings.owner)
    directory.mkdir(parents=True)
    terms = TermsOf(bucket)
    store = S3Store(bucket, directory, terms=terms)
    return Remote(bucket, store, S3ActionCache(bucket, directory, terms=terms, strict=False))


def _worked(
    settings: WorkerSettings,
    environ: Mapping[str, str],
    remote: Remote,
    scratch: Path,
    hold: Callable[[], None],
    log: Log,
) -> WorkOutcome:
    """Works on the order; returns what became of it, whatever that was."""
    outcome = WorkOutcome()
    try:
        order = fetch_order(remote.bucket, settings.order)
        provision = Provision(order, environ, scratch)
        means = Means(provision.tools(), provision.client, scratch, os.cpu_count() or 1, hold)
        work = Work(order, remote, means, log)
        outcome = work.outcome
        work.run()
    except Stopped:
        outcome.interrupted = True
        log.tell("note", text="the build was asked to stop")
    except LambdaBuildError as error:
        outcome.refused = error
        log.failed(error)
    return outcome


class Provision:
    """What the tools of an order need of the world outside, each made when it is asked for."""

    def __init__(self, order: Order, environ: Mapping[str, str], scratch: Path) -> None:
        self._order, self._environ, self._scratch = order, environ, scratch
        self._made: Client | None = None

    def tools(self) -> Mapping[str, Tool]:
        """Returns the tools, by name. As root, they build wheels as another user."""
        user = build_user() if os.geteuid() == 0 else None
        if user is not None:
            open_way(self._scratch)
            open_way(Path(os.path.realpath(sys.executable)))
        return all_tools(
            self._index,
            self._scratch / "environments",
            lambda digest, size: pinned_layer(self._order, self.client(), digest, size),
            build_user=user,
        )

    def client(self) -> Client:
        """Returns what speaks to registries. For any thread: the worst is that two are made."""
        from lambdabuild.oci.registry.client import Client
        from lambdabuild.oci.registry.settings import read_settings

        if self._made is None:
            self._made = Client(read_settings(self._environ, Path.home(), self._order.insecure))
        return self._made

    def _index(self) -> Index:
        from lambdabuild.python.index import Index, config_files, read_settings

        home = Path.home()
        files = config_files(self._environ, home, Path(sys.prefix))
        try:
            return Index(read_settings(self._environ, home, files, self._order.index))
        except UserError:
            default = pip_default()
            if default is None:
                raise
            return Index(read_settings(self._environ, home, files, self._order.index or default))


def build_user() -> int:
    """Returns the id of the user that may do nothing."""
    try:
        return pwd.getpwnam("nobody").pw_uid
    except KeyError:
        return NOBODY


def pip_default() -> str | None:
    """Returns the index that the pip beside this Python asks where none is configured; None without pip.

    "Why another process": a pex keeps the packages of the Python that runs it out of reach.
    """
    program = "from pip._internal.models.index import PyPI; print(PyPI.simple_url)"
    ran = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=False)
    return ran.stdout.strip() or None


def _compact(bucket: Bucket, log: Log) -> None:
    try:
        gather(bucket)
        for kind in ("index", "results"):
            compact(bucket, kind)
    except LambdaBuildError as error:
        log.tell("note", text=error.message)  # costs later clients some requests, and nobody a result
