"""Events, reports and errors -> a terminal.

Results go to stdout, everything else to stderr. Colour and progress appear only
on a terminal, and never where NO_COLOR is set or the output is piped.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from lambdabuild.clock import Moment
from lambdabuild.errors import LambdaBuildError, Location, UserError
from lambdabuild.report import (
    BUILT,
    CACHED,
    FAILED,
    SKIPPED,
    STARTED,
    BuildReport,
    TargetReport,
    error_json,
)
from lambdabuild.settings import OUT_DIR

if TYPE_CHECKING:
    from lambdabuild.execution import Event
    from lambdabuild.noop import Doubt

_COLOURS = {BUILT: "green", CACHED: None, FAILED: "red", SKIPPED: "yellow", STARTED: "cyan"}
_LABEL_WIDTH = 48
DIGEST_WIDTH = len("sha256:") + 12


@dataclass(frozen=True, slots=True)
class Invocation:
    """A command line, and a moment before anything was done for it.

    doubt: what has changed since it was answered the last time.
    steps: when the program was entered, and when the last answer had been looked for, by
           time.monotonic_ns; None where nobody noted that.
    """

    arguments: tuple[str, ...]
    began: Moment
    doubt: Doubt | None = None
    steps: tuple[int, int] | None = None


class Ui:
    """Where one invocation writes.

    as_json: results are one JSON document on stdout.
    told:    what was written so far: whether to stderr, and the text.
    invocation: what is told, if somebody may ask it again.
    """

    def __init__(self, *, as_json: bool = False, invocation: Invocation | None = None) -> None:
        self.as_json = as_json
        self.told: list[tuple[bool, str]] = []
        self.invocation = invocation
        self._quiet_progress = as_json or sys.stderr is None or not sys.stderr.isatty()

    def result(self, text: str) -> None:
        """Writes a line of the result."""
        self._write(text)

    def document(self, value: object) -> None:
        """Writes the result as JSON."""
        self._write(json.dumps(value, indent=2, ensure_ascii=False))

    def note(self, text: str) -> None:
        """Writes a line that is not a result."""
        self._write(text, error=True)

    def _write(self, text: str, *, error: bool = False) -> None:
        self.told.append((error, f"{text}\n"))
        click.echo(text, err=error, color=_colour(sys.stderr if error else sys.stdout))

    def said(self, text: str, at: Location | None) -> None:
        """Writes what a BUILD file printed."""
        self.note(f"{at}: {text}" if at else text)

    def log(self, piece: bytes) -> None:
        """Passes on what a started image writes."""
        if sys.stderr is not None:
            sys.stderr.buffer.write(piece)
            sys.stderr.flush()

    def fail(self, error: LambdaBuildError) -> None:
        """Writes an error."""
        self.note(render_error(error))
        if self.as_json:
            self.document({"error": error_json(error)})

    def usage(self, error: click.ClickException) -> None:
        """Writes what is wrong with the command line."""
        message = error.format_message().rstrip(".")
        message = message[:1].lower() + message[1:]
        self.note(click.style("error: ", fg="red", bold=True) + message)
        if self.as_json:
            self.document({"error": error_json(UserError(message))})
        context = getattr(error, "ctx", None)
        if context is not None:
            self.note(f"  hint: {context.command_path} --help")

    def report(self, report: BuildReport, seconds: float, more: Mapping[str, Any] | None = None) -> None:
        """Writes one line a target, then the errors, then the counts.

        more: what JSON says beside them.
        """
        if self.as_json:
            self.document(report.to_json() | {"seconds": round(seconds, 3)} | dict(more or {}))
        else:
            failed = click.style(f"{FAILED:<7}", fg=_COLOURS[FAILED])
            lines = [*target_lines(report.targets), *(f"{failed}  {name}" for name, _ in report.failures)]
            if lines:
                self.result("\n".join(lines))
        for target in report.targets:
            if target.status == BUILT:  # the others were told when they were built
                for text in target.notes:
                    self.note(f"{target.id}: {text}")
        if absent := {digest for target in report.targets for digest in target.absent_layers}:
            self.note(f"{counted(len(absent), 'layer')} left out: nothing here needs their bytes yet")
        for error in report.errors:
            self.note(render_error(error))
        counts = [f"{count} {status}" for status, count in report.counts().items() if count]
        where = f"; outputs are below {OUT_DIR}/" if any(report.output for report in report.targets) else ""
        self.note(f"{', '.join(counts) or 'nothing to build'} in {seconds:.2f} s{where}")
        if report.remote:
            self.note(remote_line(report.remote))

    @contextlib.contextmanager
    def progress(self) -> Iterator[Callable[[Event], None]]:
        """Gives a callback for a build's events; shows a bar on a terminal."""
        if self._quiet_progress:
            yield lambda event: None
            return
        from lambdabuild.progress import BuildProgress

        with BuildProgress() as bar:
            yield bar.on_event


class Unheard(Ui):
    """Writes nowhere: for what would have been told."""

    def _write(self, text: str, *, error: bool = False) -> None:
        self.told.append((error, f"{text}\n"))


def _colour(stream: Any) -> bool | None:
    return False if os.environ.get("NO_COLOR") else None


def render_error(error: LambdaBuildError) -> str:
    """Returns an error as people read it: place and sentence, details, hint."""
    place = f"{error.at}: " if error.at else ""
    lines = [click.style("error: ", fg="red", bold=True) + place + error.message]
    lines += [f"    {line}" for line in error.details]
    if error.hint:
        lines.append(click.style("  hint: ", fg="cyan") + error.hint)
    return "\n".join(lines)


def target_lines(reports: Sequence[TargetReport]) -> Iterator[str]:
    """Yields a line for each target: what became of it, its label, platform, image and seconds."""
    width = min(_LABEL_WIDTH, max((len(report.id.label.short) for report in reports), default=0))
    digests = any(report.image_digest for report in reports)
    styles = {status: click.style(f"{status:<7}", fg=colour) for status, colour in _COLOURS.items()}
    for report in reports:
        parts = [styles[report.status], f"{report.id.label.short:<{width}}", report.id.platform]
        if digests:
            parts.append((report.image_digest or "")[:DIGEST_WIDTH].ljust(DIGEST_WIDTH))
        if report.status == BUILT:
            parts.append(f"{report.seconds:.2f}s")
        yield "  ".join(parts).rstrip()


def counted(count: int, what: str) -> str:
    """Returns how many there are: "1 image", "2 images"."""
    return f"{count} {what}{'s' * (count != 1)}"


def size_of(count: int) -> str:
    """Returns a number of bytes as people read it: "812 B", "1.4 kB", "20.3 MB"."""
    value = float(count)
    for unit in ("B", "kB", "MB"):
        if value < 999.95:
            return f"{value:.0f} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"


def remote_line(account: Mapping[str, Any]) -> str:
    """Returns what a build asked of AWS, in a line: bytes, requests, seconds of builds, costs."""
    phases = account["phase_seconds"]
    queued = sum(phases.get(name, 0) for name in ("SUBMITTED", "QUEUED"))
    provisioning = phases.get("PROVISIONING", 0)
    parts = [
        f"{size_of(account['uploaded_bytes'])} uploaded",
        f"{size_of(account['saved_bytes'])} saved",
        f"{sum(account['requests'].values())} requests",
    ]
    if account["builds"]:
        rest = sum(phases.values()) - queued - provisioning
        parts.append(f"{queued:.0f} s queued, {provisioning:.0f} s provisioning, {rest:.0f} s building")
    usd = account["estimated_usd"]["total"]
    parts.append(f"about ${usd:.4f}" if usd >= 0.0001 else "under $0.0001")
    return f"on AWS: {', '.join(parts)}"


def table(rows: Sequence[Mapping[str, str]], columns: Sequence[str]) -> Iterator[str]:
    """Yields `rows` as aligned lines, the last column unpadded."""
    widths = [max(len(row[column]) for row in rows) for column in columns[:-1]]
    for row in rows:
        cells = [f"{row[column]:<{width}}" for column, width in zip(columns, widths, strict=False)]
        yield "  ".join([*cells, row[columns[-1]]]).rstrip()
