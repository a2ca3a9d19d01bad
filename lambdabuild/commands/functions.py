"""Functions of Lambda on the command line: what `deploy` and `status` share"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

import click

from lambdabuild.commands import options
from lambdabuild.deploying import lineage
from lambdabuild.deploying.connecting import Connection
from lambdabuild.deploying.documents import Documents, LocalDocuments, SharedDocuments
from lambdabuild.deploying.names import WantedFunction, parse_define, wanted_functions
from lambdabuild.deploying.offers import Offer
from lambdabuild.deploying.records import Place, Records
from lambdabuild.deploying.revision import Revision
from lambdabuild.errors import UserError
from lambdabuild.evaluation import Evaluation
from lambdabuild.keys import KeyTable
from lambdabuild.workspace import Workspace

if TYPE_CHECKING:
    from lambdabuild.session import Session

F = TypeVar("F", bound=Callable[..., Any])


def define(function: F) -> F:
    """Adds --define."""
    return click.option(
        "--define",
        "defines",
        metavar="NAME=VALUE",
        multiple=True,
        help="Set a variable in names of functions; may be given again.  [default: [define]]",
    )(function)


def variables(workspace: Workspace, defines: Sequence[str]) -> dict[str, str]:
    """Returns the variables in names of functions: those of --define over [define]; raises UserError."""
    return {**workspace.define, **dict(map(parse_define, defines))}


@dataclass(frozen=True, slots=True)
class Functions:
    """The functions that targets serve. evaluation: of the images alone that serve some."""

    evaluation: Evaluation
    wanted: tuple[WantedFunction, ...]


def read_functions(
    where: options.Place,
    session: Session,
    patterns: Sequence[str],
    platforms: Sequence[str],
    defines: Sequence[str],
) -> Functions:
    """Returns the functions that patterns name; raises UserError if there is none."""
    values = variables(where.workspace, defines)
    evaluation = session.evaluate(options.question(where, patterns, platforms))
    roots = tuple(root for root in evaluation.roots if evaluation.graph.targets[root].functions)
    wanted = wanted_functions(evaluation.graph, roots, values)
    if not wanted:
        raise UserError(
            "none of the targets serves a function",
            hint='say which on a lambda_image: functions = {"receipts-{stage}": "handler.lambda_handler"}',
        )
    return Functions(replace(evaluation, roots=roots), wanted)


def documents_of(session: Session) -> Documents:
    """Returns where records and lineage are kept: the remote store, or this machine without one."""
    if session.shared is not None:
        return SharedDocuments(session.shared.bucket)
    return LocalDocuments(session.cache_dir)


def records_of(session: Session, connection: Connection) -> Records:
    place = Place(session.workspace.name, connection.account, connection.region)
    return Records(documents_of(session), place)


def keep_lineage(
    session: Session, evaluation: Evaluation, keys: KeyTable, offers: Iterable[Offer], revision: Revision
) -> None:
    """Records what images that are in a registry were made of."""
    documents = documents_of(session)
    for offer in offers:
        if offer.digest and keys.hashes.get(offer.id) == offer.hash:  # else a source has changed meanwhile
            lineage.keep(
                documents,
                offer.digest,
                evaluation.graph.targets[offer.id],
                keys,
                workspace=session.workspace.name,
                reference=str(offer.reference),
                revision=revision,
            )
