"""What `deploy` writes of functions: what has become of them, and what would"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import click

from lambdabuild.deploying.plan import Change
from lambdabuild.deploying.revision import Revision
from lambdabuild.deploying.sets import DEPLOYED, FAILED, INTERRUPTED, ROLLED_BACK, SKIPPED, UNCHANGED, Outcome
from lambdabuild.digest import Key
from lambdabuild.keys import tag_of
from lambdabuild.oci.digest import OciDigest
from lambdabuild.ui import DIGEST_WIDTH

_COLOURS = {
    DEPLOYED: "green",
    ROLLED_BACK: "yellow",
    UNCHANGED: None,
    SKIPPED: "yellow",
    INTERRUPTED: "yellow",
    FAILED: "red",
}


def outcome_lines(outcomes: Sequence[Outcome]) -> Iterator[str]:
    """Yields a line for each function: what became of it, and what it runs now."""
    width = max((len(outcome.change.name) for outcome in outcomes), default=0)
    for outcome in outcomes:
        change = outcome.change
        status = click.style(f"{outcome.status:<11}", fg=_COLOURS[outcome.status])
        parts = [status, f"{change.name:<{width}}"]
        runs = change.wanted if outcome.status in (DEPLOYED, UNCHANGED) else change.before
        if outcome.status in (DEPLOYED, UNCHANGED, ROLLED_BACK) and runs:
            parts.append(runs.digest[:DIGEST_WIDTH])
        if outcome.status == DEPLOYED and outcome.version:
            parts.append(f"version {outcome.version}")
        if outcome.status == DEPLOYED and change.move:
            parts.append(change.move.alias)
        yield "  ".join(parts).rstrip()


def counts(outcomes: Sequence[Outcome]) -> str:
    """Returns how many functions ended in which way."""
    statuses = [outcome.status for outcome in outcomes]
    return ", ".join(f"{statuses.count(each)} {each}" for each in _COLOURS if each in statuses)


def plan_json(changes: Sequence[Change], revisions: Mapping[OciDigest, Revision]) -> list[dict[str, Any]]:
    """Returns a plan as scripts read it. revisions: of what runs, as far as they are known."""
    nothing = Revision()
    return [
        {**each.to_json(), "from_commit": revisions.get(each.before.digest, nothing).commit or None}
        for each in changes
    ]


def plan_lines(changes: Sequence[Change], revisions: Mapping[OciDigest, Revision]) -> Iterator[str]:
    """Yields a line for each function: from what to what, and why."""
    width = max((len(change.name) for change in changes), default=0)
    for change in changes:
        before, wanted = change.before.digest[:DIGEST_WIDTH], change.wanted
        if not change.reason:
            yield f"{'unchanged':<11}  {change.name:<{width}}  {before}"
            continue
        after = wanted.digest[:DIGEST_WIDTH] if wanted else tag_of(Key(change.hash))
        revision = revisions[change.before.digest]
        commit = f" ({revision})" if revision.commit else ""
        yield f"{'deploy':<11}  {change.name:<{width}}  {before}{commit} -> {after}  {change.reason}"
