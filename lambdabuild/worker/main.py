"""A build, from its variables to its exit code."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType

from lambdabuild.aws.clients import Aws
from lambdabuild.aws.meter import Meter
from lambdabuild.errors import LambdaBuildError
from lambdabuild.order import Order
from lambdabuild.store.s3.bucket import Bucket, parse_place
from lambdabuild.store.s3.cache import S3ActionCache
from lambdabuild.store.s3.compaction import compact
from lambdabuild.store.s3.gathering import gather
from lambdabuild.store.s3.store import S3Store
from lambdabuild.store.s3.terms import TermsOf
from lambdabuild.worker.events import Log
from lambdabuild.worker.fetching import fetch_order
from lambdabuild.worker.outcome import WorkOutcome
from lambdabuild.worker.provision import Provision
from lambdabuild.worker.settings import WorkerSettings, read_settings
from lambdabuild.worker.work import Means, Remote, Work


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
        aws = Aws(None, settings.owner, Meter())
        remote = remote_of(settings, aws, scratch / "segments")

        def provision(order: Order) -> Provision:
            return Provision(order, environ, scratch, aws.client, lambda text: log.tell("note", text=text))

        outcome = _worked(settings, provision, remote, scratch, hold, log)
        hold()
        document = outcome.to_json(settings.order, settings.build)
        remote.bucket.create(f"outcomes/{settings.order}/{settings.build_uuid}", document)
        if not outcome.interrupted:
            _compact(remote.bucket, log)
    return outcome.exit_code()


def remote_of(settings: WorkerSettings, aws: Aws, directory: Path) -> Remote:
    """Returns the remote store. directory: where copies of its segments lie."""
    bucket = Bucket(lambda: aws.client("s3"), *parse_place(settings.store), settings.owner)
    directory.mkdir(parents=True)
    terms = TermsOf(bucket)
    store = S3Store(bucket, directory, terms=terms)
    return Remote(bucket, store, S3ActionCache(bucket, directory, terms=terms, strict=False))


def _worked(
    settings: WorkerSettings,
    provision: Callable[[Order], Provision],
    remote: Remote,
    scratch: Path,
    hold: Callable[[], None],
    log: Log,
) -> WorkOutcome:
    """Works on the order; returns what became of it, whatever that was."""
    outcome = WorkOutcome()
    try:
        order = fetch_order(remote.bucket, settings.order)
        means_of = provision(order)
        means = Means(means_of.tools(), means_of.client, scratch, os.cpu_count() or 1, hold)
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


def _compact(bucket: Bucket, log: Log) -> None:
    try:
        gather(bucket)
        for kind in ("index", "results"):
            compact(bucket, kind)
    except LambdaBuildError as error:
        log.tell("note", text=error.message)  # costs later clients some requests, and nobody a result
