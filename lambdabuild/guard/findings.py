"""All that the guard finds in what would leave, and the error that says so."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from lambdabuild.action import Action, SourceFile
from lambdabuild.configured import ConfiguredGraph, ConfiguredTarget
from lambdabuild.digest import Digest
from lambdabuild.errors import Location, UserError, did_you_mean
from lambdabuild.guard.allowing import Allowance, allowances, entry_for
from lambdabuild.guard.kinds import DETECTORS, FILE_SIZE, LAYER_SIZE, WORDS
from lambdabuild.guard.known import Known
from lambdabuild.guard.leaving import Parcel, Subject, parcels
from lambdabuild.guard.names import kind_of_name
from lambdabuild.guard.reading import Spot, spots, text_of
from lambdabuild.label import Label
from lambdabuild.tree import FileNode
from lambdabuild.workspace import FILE_NAME, Workspace

_MB: Final = 1_000_000
_SHOWN: Final = 20
"""How many findings an error lists; the rest it counts."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that should not leave without a word. Of a secret it has the place, never the text.

    line:  0 for the whole file.
    size:  in bytes, where that is what was found; else 0.
    entry: what `allow` of the target would have to hold.
    """

    target: Label
    path: str
    line: int
    kind: str
    entry: str
    size: int = 0

    def __str__(self) -> str:
        size = f" ({self.size / _MB:,.0f} MB)" if self.size else ""
        return f"{WORDS[self.kind]}{size}"

    @property
    def at(self) -> Location:
        return Location(self.path, self.line)

    @property
    def hint(self) -> str:
        return f'remove it, or say in {self.target.short} that it is meant: allow = ["{self.entry}"]'

    def to_json(self) -> dict[str, Any]:
        return {
            "label": str(self.target),
            "file": self.path,
            "line": self.line or None,
            "kind": self.kind,
            "message": str(self),
            "allow": self.entry,
        }


@dataclass(frozen=True, slots=True)
class GuardReport:
    """What was found that nobody allowed, and the entries of `allow` that allow nothing."""

    findings: tuple[Finding, ...] = ()
    unused: tuple[tuple[Label, Allowance], ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "findings": [finding.to_json() for finding in self.findings],
            "unused": [{"label": str(label), "allow": entry.text} for label, entry in self.unused],
        }


class Guard:
    """Looks at what leaves.

    detectors: names of `DETECTORS`.
    max_file, max_layer: bytes.
    """

    def __init__(self, detectors: Sequence[str], max_file: int, max_layer: int, known: Known) -> None:
        self._detectors, self._known = detectors, known
        self._max_file, self._max_layer = max_file, max_layer

    def look(
        self,
        graph: ConfiguredGraph,
        targets: Iterable[ConfiguredTarget],
        node_of: Callable[[SourceFile], FileNode],
        contents: Callable[[Digest], Iterable[bytes]],
        leaves: Callable[[Action], bool] = lambda action: True,
    ) -> GuardReport:
        """Returns what is found in the sources that the outputs of `targets` are made of.

        leaves: whether what an action takes leaves this machine.

        Raises UserError for attributes `allow` that cannot be meant.
        """
        found: dict[Finding, None] = {}
        allowed: dict[tuple[Label, Allowance], bool] = {}
        for parcel in parcels(graph, targets, node_of, contents, leaves):
            mine = allowances(parcel.target)
            for each in mine:
                allowed.setdefault((parcel.target.label, each), False)
            for finding in self._in(parcel):
                covering = [each for each in mine if each.covers(finding.path, finding.kind)]
                allowed |= {(finding.target, each): True for each in covering}
                if not covering:
                    found[finding] = None
        self._known.save()
        order = sorted(found, key=lambda each: (each.path, each.line, each.kind, str(each.target)))
        return GuardReport(tuple(order), tuple(entry for entry, used in allowed.items() if not used))

    def _in(self, parcel: Parcel) -> Iterator[Finding]:
        target = parcel.target
        if parcel.size > self._max_layer:
            yield _finding(target, target.at.path, target.at.line, LAYER_SIZE, parcel.size)
        for subject in parcel.subjects:
            for line, kind in self._spots(subject):
                yield _finding(target, subject.path, subject.line or line, kind)
            if subject.line:
                continue
            if named := kind_of_name(subject.path):
                yield _finding(target, subject.path, 0, named)
            if subject.digest.size > self._max_file:
                yield _finding(target, subject.path, 0, FILE_SIZE, subject.digest.size)

    def _spots(self, subject: Subject) -> tuple[Spot, ...]:
        known = self._known.get(subject.digest)
        if known is None:
            known = spots(text_of(subject.pieces()), self._detectors)
            self._known.note(subject.digest, known)
        return known


def _finding(target: ConfiguredTarget, path: str, line: int, kind: str, size: int = 0) -> Finding:
    return Finding(target.label, path, line, kind, entry_for(target, path, kind), size)


def guard_of(workspace: Workspace, cache_dir: Path) -> Guard | None:
    """Returns the guard that [guard] describes, or None where it is off; raises UserError."""
    if not workspace.number("guard.enabled"):
        return None
    detectors = workspace.list("guard.detectors")
    for name in detectors:
        if name not in DETECTORS:
            raise UserError(
                f"guard.detectors cannot have {name!r}",
                at=Location(FILE_NAME),
                hint=did_you_mean(name, DETECTORS) or f"there are {', '.join(DETECTORS)}",
            )
    max_file, max_layer = (workspace.number(f"guard.max_{what}_mb") * _MB for what in ("file", "layer"))
    return Guard(detectors, max_file, max_layer, Known(cache_dir, detectors))


def refusal(report: GuardReport) -> UserError | None:
    """Returns why nothing was sent, with all that was found; None if nothing was."""
    if not report.findings:
        return None
    first, *others = report.findings
    lines = [f"{each.at}: {each.target.short}: {each} ({each.kind})" for each in others[: _SHOWN - 1]]
    if len(others) > len(lines):
        lines.append(f"and {len(others) - len(lines)} more")
    more = f", and {len(others)} more things that should not leave this machine" if others else ""
    return UserError(
        f"{first.target} would take {first} along, and nothing was sent{more}",
        at=first.at,
        details=tuple(lines),
        hint=f"remove it, or say in {first.target.short} that it is meant: allow = [{_quoted(report)}]",
    )


def _quoted(report: GuardReport) -> str:
    """Returns the entries for what the first finding's target takes along."""
    mine = [each.entry for each in report.findings if each.target == report.findings[0].target]
    return ", ".join(f'"{entry}"' for entry in dict.fromkeys(mine))


def unused_text(label: Label, entry: Allowance) -> str:
    """Returns what is said of an entry that allows nothing."""
    return f"{label}: allow has {entry.text!r}, and nothing is found there; drop it"
