"""A record -> the changes that undo it; and deploys that were cut off, to be gone on with."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import Final

from lambdabuild.deploying.plan import Change, at_once
from lambdabuild.deploying.records import DEPLOY, ROLLBACK, FunctionRecord, Record
from lambdabuild.deploying.service import Alias, Seen
from lambdabuild.deploying.sets import DEPLOYED, FAILED, UNCHANGED
from lambdabuild.deploying.steps import Move, Steps, elsewhere, made_of, moved_by_others
from lambdabuild.errors import UserError

_STANDS: Final = {DEPLOYED, UNCHANGED, FAILED}


def choose(records: Iterable[Record]) -> Record:
    """Returns the last deploy that stands: not undone, and not gone on with by a later one.

    Raises UserError if there is none. records: the latest first.
    """
    undone = set()
    for record in records:
        if record.kind == ROLLBACK and record.ended is not None:
            undone.add(record.undoes)
        elif record.kind == DEPLOY and record.id not in undone and _stands(record):
            return record
    raise UserError(
        "there is no deploy to roll back",
        hint="records are kept with [store] remote or [codebuild] bucket, or without them on the machine "
        "that deployed",
    )


def _stands(record: Record) -> bool:
    return record.ended is None or any(status in _STANDS for status in record.ended.values())


def ended_by(record: Record, unfinished: Iterable[Record]) -> tuple[str, ...]:
    """Returns what else ends with the rollback of a record: what it went on with, rollbacks cut off."""
    again = (each.id for each in unfinished if each.undoes == record.id)
    return (*record.resumes, *again)


def resume(
    changes: Sequence[Change], records: Sequence[Record]
) -> tuple[tuple[Change, ...], tuple[str, ...]]:
    """Returns the changes with what functions were before deploys that were cut off, and whose those are.

    So that a rollback brings a set back to where it was before the first of them.

    records: those without an end, the latest first. One is gone on with only if all its functions are here.
    """
    names = {change.name for change in changes}
    records = [each for each in records if names >= {known.name for known in each.functions}]
    resumed: dict[str, None] = {}

    def one(change: Change) -> Change:
        for record in records:
            for known in record.functions:
                if known.name == change.name and made_of(change.seen.deployed, (known.before, known.wanted)):
                    resumed[record.id] = None
                    change = replace(change, before=known.before, move=_earlier(change, known))
        return change

    return tuple(map(one, changes)), tuple(resumed)


def _earlier(change: Change, known: FunctionRecord) -> Move | None:
    """Returns the change's alias with where it pointed before the deploy that was cut off."""
    move = change.move
    if move is None or move.alias != known.alias or not known.alias_version:
        return move
    return replace(move, origin=known.alias_version)


def plan_rollback(record: Record, steps: Steps, hosts: Collection[str]) -> tuple[Change, ...]:
    """Returns the changes that undo a deploy.

    Raises ExternalError where somebody else has deployed since, UserError for an image of a registry that
    nobody here knows: who may write records may not thereby choose what functions run.

    hosts: the registries that images are pushed to.
    """

    def change(known: FunctionRecord) -> Change:
        seen = steps.settled(known.name)
        if not made_of(seen.deployed, (known.before, known.wanted)):
            raise elsewhere(known.name, seen.deployed)
        _check_host(known, seen, hosts)
        move = _move(known, steps) if known.alias else None
        reason = f"undoes {record.id}"
        if seen.runs(known.before) and (move is None or move.known_version == known.alias_version):
            reason = ""
        return Change(
            known.name,
            known.label,
            known.platform,
            "",
            seen,
            known.wanted,
            known.before,
            reason,
            move,
            restore=known.alias_version,
        )

    return tuple(at_once(change, record.functions))


def _move(known: FunctionRecord, steps: Steps) -> Move:
    """Returns the alias as it is; raises ExternalError if it is where neither side of the deploy had it."""
    alias: Alias | None = steps.service.alias(known.name, known.alias)
    move = Move(known.alias, alias)
    if alias is None or alias.version == known.alias_version:
        return move
    behind = steps.service.look(known.name, alias.version).deployed
    if not behind.same(known.wanted):
        was = Alias(known.alias_version or "that it brought", "")
        raise moved_by_others(known.name, Move(known.alias, was), alias)
    return move


def _check_host(known: FunctionRecord, seen: Seen, hosts: Collection[str]) -> None:
    host = known.before.name.partition("/")[0]
    if host not in hosts and host != seen.deployed.name.partition("/")[0]:
        raise UserError(
            f"the record has {known.name} run an image of {host}, which is no registry of this workspace",
            hint="see who writes to the bucket of the remote store; deploy instead of rolling back",
        )
