"""A set of changes with its record: tried out, written down, carried out, and its end written down.

Killed before the record, it has changed nothing. Killed after it, the record has no end: the same deploy,
run again, goes on with it, and a rollback undoes it as far as it came.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from lambdabuild.deploying.plan import Change
from lambdabuild.deploying.records import DEPLOY, ROLLBACK, FunctionRecord, Record, Records, new_id, timestamp
from lambdabuild.deploying.revision import Revision
from lambdabuild.deploying.sets import FAILED, UNCHANGED, Outcome, carry_out, try_out
from lambdabuild.deploying.steps import Steps

RESUMED = "resumed"


@dataclass(frozen=True, slots=True)
class Author:
    """Who deploys, and from what. who: an ARN. now: gives the time, with its zone."""

    who: str
    revision: Revision
    now: Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Done:
    """id: of the record, "" if nothing had to be done. outcomes: of all changes, in order."""

    id: str
    outcomes: tuple[Outcome, ...]


def deploy(
    changes: Sequence[Change],
    steps: Steps,
    records: Records,
    author: Author,
    *,
    kind: str = DEPLOY,
    undoes: str = "",
    resumes: Sequence[str] = (),
    keep_going: bool = False,
    begun: Callable[[str], object] = lambda id_: None,
) -> Done:
    """Does what has to be done, and records it; raises what stands against it before anything is changed.

    undoes, resumes: ids of records that end with this one.
    begun:           is told the id, before the first function changes.
    """
    # A rollback that finds everything put back, by one that was cut off, still ends the deploy.
    needed = [change for change in changes if change.needed or kind == ROLLBACK]
    refused = try_out(needed, steps, keep_going=keep_going)
    names = {outcome.change.name for outcome in refused}
    able = [change for change in needed if change.name not in names]
    found: dict[str, Outcome] = {outcome.change.name: outcome for outcome in refused}
    id_ = ""
    if able:
        id_ = new_id(author.now())
        records.begin(_record(id_, kind, able, records, author, undoes, resumes))
        begun(id_)
        outcomes = carry_out(able, steps, keep_going=keep_going)
        found |= {outcome.change.name: outcome for outcome in outcomes}
        whole = not any(outcome.status == FAILED for outcome in found.values())
        # Those that this one goes on with end before it: cut off in between, it is gone on with itself.
        for other in resumes if whole else ():
            _end(other, records, author)
        records.end(id_, author.now(), {each.change.name: (each.status, each.version) for each in outcomes})
        if undoes and whole:
            _end(undoes, records, author)
    return Done(id_, tuple(found.get(each.name, Outcome(each, UNCHANGED)) for each in changes))


def _end(id_: str, records: Records, author: Author) -> None:
    """Gives a record that was cut off an end; one that has one keeps it."""
    names = {each.name for each in records.find(id_).functions}
    records.end(id_, author.now(), dict.fromkeys(names, (RESUMED, "")))


def _record(
    id_: str,
    kind: str,
    changes: Sequence[Change],
    records: Records,
    author: Author,
    undoes: str,
    resumes: Sequence[str],
) -> Record:
    return Record(
        id_,
        kind,
        records.place,
        author.who,
        timestamp(author.now()),
        author.revision.commit,
        author.revision.dirty,
        tuple(map(_function, changes)),
        undoes,
        tuple(resumes),
    )


def _function(change: Change) -> FunctionRecord:
    assert change.wanted is not None
    move = change.move
    return FunctionRecord(
        change.name,
        change.label,
        change.platform,
        change.hash,
        change.before,
        change.wanted,
        move.alias if move else "",
        move.before if move else "",
    )
