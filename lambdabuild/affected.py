"""Which targets have another hash in one state of the workspace than in another.

A state is the working tree or a revision of git. Both are evaluated and hashed
alike, each with its own WORKSPACE.toml, locks, BUILD and .bzl files; nothing is
checked out, built or written. Files of this machine (host_python_image) are
this machine's on both sides.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

from lambdabuild.configured import ConfiguredGraph
from lambdabuild.digest import Key
from lambdabuild.errors import Location, UserError
from lambdabuild.evaluation import Evaluation, Question, Say, evaluate
from lambdabuild.inputs import InputFiles
from lambdabuild.keys import KeyTable, NodeOf, sources
from lambdabuild.label import Label, TargetPattern, parse_pattern
from lambdabuild.sources import Kind, View, WorkingTree
from lambdabuild.sources.seen import Watched, answers_alike
from lambdabuild.tools import tool_version
from lambdabuild.workspace import FILE_NAME as WORKSPACE_FILE
from lambdabuild.workspace import Workspace, load_workspace

if TYPE_CHECKING:
    from pathlib import Path

    from lambdabuild.sources.git_files import BlobDigests
    from lambdabuild.sources.working_tree import Digests
    from lambdabuild.store import ContentStore

CHANGED, NEW, REMOVED = "changed", "new", "removed"


@dataclass(frozen=True, slots=True)
class State:
    """One of the two states that are compared.

    revision: as somebody named it; "" for the working tree.
    commit:   its full hash, likewise.
    """

    workspace: Workspace
    tree: View
    revision: str = ""
    commit: str = ""


@dataclass(frozen=True, slots=True)
class Difference:
    """A target whose hash is another one, on some platform, or cannot be told.

    kind:          the rule's name; "" if it is not known.
    change:        CHANGED, NEW or REMOVED.
    before, after: hashes by platform.
    """

    label: Label
    kind: str
    change: str
    before: Mapping[str, Key]
    after: Mapping[str, Key]

    def to_json(self) -> dict[str, Any]:
        return {
            "label": str(self.label),
            "kind": self.kind or None,
            "change": self.change,
            "platforms": [
                {"platform": each, "before": self.before.get(each), "after": self.after.get(each)}
                for each in sorted({*self.before, *self.after})
            ],
        }


@dataclass(frozen=True, slots=True)
class Affected:
    """What two states differ in.

    differences: sorted by label.
    compared:    how many targets there are in either.
    kinds:       of all these targets.
    failures:    with keep_going, what was wrong at the first state, and at the second.
    """

    differences: tuple[Difference, ...]
    compared: int
    kinds: frozenset[str]
    failures: tuple[tuple[UserError, ...], tuple[UserError, ...]] = ((), ())


@dataclass(frozen=True, slots=True)
class _Hashed:
    """A state's targets.

    hashes:    by label and platform.
    kinds:     rules' names.
    broken:    what has no hash, or not on all platforms, because something is wrong with it.
    unmatched: patterns that name nothing.
    """

    hashes: Mapping[Label, Mapping[str, Key]]
    kinds: Mapping[Label, str]
    broken: frozenset[TargetPattern] = frozenset()
    unmatched: frozenset[TargetPattern] = frozenset()
    failures: tuple[UserError, ...] = field(default=())

    def is_broken(self, label: Label) -> bool:
        return bool(self.broken) and (
            TargetPattern(*label) in self.broken
            or TargetPattern(label.package, "all") in self.broken
            or any(each.recursive and _below(label, each) for each in self.broken)
        )


def working_state(workspace: Workspace, digests: Digests | None = None) -> State:
    """Returns the state of the files as they lie on disk. digests: those of WorkingTree."""
    return State(workspace, WorkingTree(workspace.root, workspace.ignore, digests))


@contextmanager
def state_of(
    root: Path,
    revision: str,
    *,
    configs: Sequence[str],
    env: Mapping[str, str],
    blobs: BlobDigests | None = None,
) -> Iterator[State]:
    """Gives the state of the workspace at `root` in a revision of its git repository.

    env:   the environment, for settings and for git.
    blobs: that of RevisionFiles.

    Raises UserError for a revision that does not exist or has no such workspace,
    ExternalError for one that is not here.
    """
    from lambdabuild.sources.git_files import open_revision  # for those who have a revision
    from lambdabuild.sources.git_tree import GitTree

    with open_revision(root, revision, env, blobs) as files:
        with _blaming(revision):
            top = GitTree(files, root)
            if top.kind(WORKSPACE_FILE) is not Kind.FILE:
                where = files.revision.prefix.rstrip("/") or "the top of the repository"
                raise UserError(
                    f"there is no {WORKSPACE_FILE} in {where}",
                    hint=f"name a revision that has it: git log --oneline -- {WORKSPACE_FILE}",
                )
            workspace = load_workspace(root, configs=configs, env=env, data=top.read(WORKSPACE_FILE))
        tree = GitTree(files, root, workspace.ignore)
        yield State(workspace, tree, revision, files.revision.commit)


def affected(since: State, until: State, question: Question, say: Say) -> Affected:
    """Returns what differs between two states among the targets that the question names in either.

    Raises UserError for what is broken in one of them; if the question says to
    keep going, that counts as different. say: gets what BUILD files of `until` print.
    """
    lenient = Question(question.patterns, question.platforms, question.keep_going, lenient=True, manual=True)
    now = _evaluated(until, lenient, say)
    after = _hashed(until, now, question)
    was = now if _evaluates_alike(since, until, now) else _evaluated(since, lenient, lambda text, at: None)
    before = _hashed(since, was, question)
    if nowhere := [each for each in question.patterns if each in before.unmatched & after.unmatched]:
        _refuse(until, nowhere[0], say)
    labels = {*before.hashes, *after.hashes}
    labels |= {each.label for each in before.broken | after.broken if not each.wildcard}
    found = [each for label in sorted(labels) if (each := _difference(label, before, after))]
    kinds = frozenset({*before.kinds.values(), *after.kinds.values()})
    return Affected(tuple(found), len(labels), kinds, (before.failures, after.failures))


def _difference(label: Label, before: _Hashed, after: _Hashed) -> Difference | None:
    old, new = before.hashes.get(label, {}), after.hashes.get(label, {})
    was, is_ = bool(old) or before.is_broken(label), bool(new) or after.is_broken(label)
    if old == new and not before.is_broken(label) and not after.is_broken(label):
        return None
    change = REMOVED if not is_ else CHANGED if was else NEW
    return Difference(label, after.kinds.get(label) or before.kinds.get(label, ""), change, old, new)


def _evaluated(state: State, question: Question, say: Say) -> Evaluation:
    """Returns what a state means; raises UserError, with the revision in it."""
    with _blaming(state.revision, keep_going=question.keep_going):
        return evaluate(state.workspace, question, say, tree=Watched(state.tree))


def _evaluates_alike(state: State, other: State, known: Evaluation) -> bool:
    """Tells whether evaluating `state` gives what `other` gave, since it is the same in all that was seen.

    Most edits are such. Errors are not shared: each names its revision.
    """
    mine, others = state.workspace, other.workspace
    same = (mine.root, mine.values, mine.images) == (others.root, others.values, others.images)
    return same and not known.failures and known.seen is not None and answers_alike(state.tree, known.seen)


def _hashed(state: State, evaluation: Evaluation, question: Question) -> _Hashed:
    """Returns the hashes of a state; raises UserError, with the revision in it, unless told to keep going."""
    with _blaming(state.revision, keep_going=question.keep_going):
        keys = _keys(state, evaluation)
        if keys.failures and not question.keep_going:
            raise next(iter(keys.failures.values()))
    return _table(evaluation, keys, state.revision)


def _keys(state: State, evaluation: Evaluation, node_of: NodeOf | None = None) -> KeyTable:
    with state.tree.hashing(sources(evaluation.graph.targets.values())):
        return KeyTable(evaluation.graph, node_of or InputFiles(state.tree, _no_store).node, tool_version)


def hashed_graph(state: State, question: Question, say: Say) -> tuple[ConfiguredGraph, KeyTable, NodeOf]:
    """Returns all that a question names in a state, with what it stands on, its keys, and its sources' nodes.

    Raises UserError for whatever is broken there.
    """
    evaluation = _evaluated(state, question, say)
    with _blaming(state.revision):
        node_of = InputFiles(state.tree, _no_store).node
        keys = _keys(state, evaluation, node_of)
        if keys.failures:
            raise next(iter(keys.failures.values()))
    return evaluation.graph, keys, node_of


def _table(evaluation: Evaluation, keys: KeyTable, revision: str) -> _Hashed:
    hashes: dict[Label, dict[str, Key]] = {}
    broken = {parse_pattern(name) for name, _ in evaluation.failures}
    errors = [error for _, error in evaluation.failures]
    for root in evaluation.roots:
        if root in keys.failures:
            broken.add(TargetPattern(*root.label))
            errors.append(keys.failures[root])
        else:
            hashes.setdefault(root.label, {})[root.platform] = keys.hashes[root]
    kinds = {root.label: evaluation.graph.targets[root].kind for root in evaluation.roots}
    once = {(error.message, error.at): error for error in errors}
    for error in once.values():
        _blame(error, revision)
    return _Hashed(hashes, kinds, frozenset(broken), frozenset(evaluation.unmatched), tuple(once.values()))


def _refuse(state: State, pattern: TargetPattern, say: Say) -> NoReturn:
    """Raises the error for a pattern that names nothing."""
    with _blaming(state.revision):
        evaluate(state.workspace, Question((pattern,), manual=True), say, tree=state.tree)
    raise UserError(f"{pattern} names nothing")


@contextmanager
def _blaming(revision: str, *, keep_going: bool = True) -> Iterator[None]:
    """Says in errors of the block at which revision they are."""
    try:
        yield
    except UserError as error:
        _blame(error, revision)
        if revision and not keep_going:
            error.hint = "what is broken there counts as different with -k"
        raise


def _blame(error: UserError, revision: str) -> None:
    """Puts a revision into an error, the way git writes it: main:lib/BUILD:3:1."""
    if revision and error.at:
        error.at = Location(f"{revision}:{error.at.path}", error.at.line, error.at.column)
    elif revision:
        error.message = f"at {revision}: {error.message}"


def _below(label: Label, pattern: TargetPattern) -> bool:
    return not pattern.package or f"{label.package}/".startswith(f"{pattern.package}/")


def _no_store() -> ContentStore:
    raise AssertionError("hashing reads no store")
