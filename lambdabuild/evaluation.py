"""Patterns -> a ConfiguredGraph: phases 1 and 2, in a process of their own.

BUILD files are programs, and a program can be endless or huge: `isolated` keeps
that from this process, and hands back plain data.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING

from lambdabuild.configured import ConfiguredGraph, ConfiguredLabel
from lambdabuild.errors import Location, UserError
from lambdabuild.keys import Part
from lambdabuild.label import EXTERNAL, Label, TargetPattern, parse_label, parse_pattern
from lambdabuild.sources import Kind, View, WorkingTree
from lambdabuild.sources.seen import Askers, Seen, Watched
from lambdabuild.target import Face, Target, faces
from lambdabuild.tracing import across, span
from lambdabuild.workspace import FILE_NAME as WORKSPACE_FILE
from lambdabuild.workspace import Workspace, host_machine_platform, resolve_platforms

if TYPE_CHECKING:  # an answer that is made of an earlier one evaluates nothing
    from lambdabuild.analysis import Analyzer
    from lambdabuild.external.pins import ImagePins
    from lambdabuild.loading import Loader
    from lambdabuild.python.lock import Lock
    from lambdabuild.rulebook import Rulebook
    from lambdabuild.starlark import Beat
    from lambdabuild.starlark.isolate import Emit
    from lambdabuild.third_party import Asked, ThirdParty


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of the BUILD files.

    platforms:  those of --platform, or () for all that each target names.
    keep_going: collect the targets that fail, and go on with the others.
    without_lock: read no python.lock; third-party packages are left out, and what was asked is noted.
    lenient:    a pattern that names nothing, and a platform that a target is not built for, are no errors.
    manual:     wildcards mean targets that are tagged manual as well.
    """

    patterns: tuple[TargetPattern, ...]
    platforms: tuple[str, ...] = ()
    keep_going: bool = False
    without_lock: bool = False
    lenient: bool = False
    manual: bool = False


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What the BUILD files answered.

    roots:    the configured targets that were asked for, in order.
    graph:    they and all that they depend on.
    failures: with keep_going, the labels and patterns that are left out, and what was wrong with them.
    notes:    what users should know of targets although nothing is wrong with them.
    asked:    without a lock, the third-party requirements that it has to cover.
    asked_builds: without a lock, the `[build-system] requires` that it has to cover.
    unmatched: of a lenient question, the patterns that name nothing.
    seen:     what it was made from; None where a view does not note that, or has refused something.
    askers:   of the working tree, who asked each question in it.
    faces:    likewise, what others can know of each package without depending on a target of it.
    looked_at: of the working tree, the paths that it was made from, those that links led to among them.
    links:    those of them that are links.
    leads:    path -> where links led from it, of those that are not there themselves.
    said:     what BUILD files printed, and where.
    part:     which targets have to be hashed, where most are known from an earlier answer.
    """

    roots: tuple[ConfiguredLabel, ...]
    graph: ConfiguredGraph
    failures: tuple[tuple[str, UserError], ...] = ()
    notes: Mapping[ConfiguredLabel, tuple[str, ...]] = field(default_factory=dict)
    asked: tuple[Asked, ...] = ()
    asked_builds: tuple[tuple[str, ...], ...] = ()
    unmatched: tuple[TargetPattern, ...] = ()
    seen: Seen | None = None
    askers: Askers = field(default_factory=dict)
    faces: Mapping[str, Face] = field(default_factory=dict)
    looked_at: frozenset[str] = frozenset()
    links: frozenset[str] = frozenset()
    leads: Mapping[str, str] = field(default_factory=dict)
    said: tuple[tuple[str, Location | None], ...] = ()
    part: Part | None = None


Say = Callable[[str, "Location | None"], None]


def evaluate(workspace: Workspace, question: Question, say: Say, *, tree: View | None = None) -> Evaluation:
    """Returns the answer; `say` gets what BUILD files print. Raises UserError.

    tree: the files that are looked at, if not those of the working tree.
    """

    def work(maker: Maker) -> Evaluation:
        return _evaluate(workspace, maker, question)

    return evaluated(workspace, question, say, work, tree=tree)


@dataclass(frozen=True, slots=True)
class Maker:
    """What an evaluation is made with, in its own process."""

    loader: Loader
    analyzer: Analyzer
    third_party: ThirdParty


def evaluated(
    workspace: Workspace,
    question: Question,
    say: Say,
    work: Callable[[Maker], Evaluation],
    *,
    tree: View | None = None,
) -> Evaluation:
    """Returns what `work` makes in a process of its own, with what it was made from."""
    from lambdabuild.starlark import isolated

    def make(beat: Beat, emit: Emit) -> Evaluation:
        files = WorkingTree(workspace.root, workspace.ignore)
        view = tree or Watched(files)
        maker = _maker(workspace, view, question, beat, lambda text, at: emit((text, at)))
        made = work(maker)
        if not isinstance(view, Watched):
            return made
        made = replace(made, seen=view.seen)
        if tree is not None:
            return made
        return replace(
            made,
            askers=view.askers,
            faces=faces(maker.loader.graph),
            looked_at=paths_of(made.seen, files),
            links=frozenset(files.links),
            leads=files.led,
        )

    said: list[tuple[str, Location | None]] = []

    def on_event(event: tuple[str, Location | None]) -> None:
        said.append(event)
        say(*event)

    with span("evaluation", "load and analyse"):
        recorded, take = across(make, on_event)
        made = isolated(recorded, on_event=take)
    return replace(made, said=tuple(said))


def _maker(workspace: Workspace, tree: View, question: Question, beat: Beat, say: Say) -> Maker:
    from lambdabuild.analysis import Analyzer  # a query takes only what loads
    from lambdabuild.rulebook import Rulebook
    from lambdabuild.third_party import ThirdParty

    rulebook = Rulebook(tree, beat=beat, say=say)
    loader = make_loader(workspace, tree, rulebook)
    third_party = ThirdParty(None if question.without_lock else lambda: _lock(tree))
    analyzer = Analyzer(
        loader.graph,
        rulebook,
        loader.blame,
        first_party=loader.first_party,
        third_party=third_party,
        dockerfiles=loader.dockerfiles,
        host_platform=host_machine_platform(),
        bytecode=workspace.text("python.bytecode"),
    )
    return Maker(loader, analyzer, third_party)


def _evaluate(workspace: Workspace, maker: Maker, question: Question) -> Evaluation:
    loader, analyzer, third_party = maker.loader, maker.analyzer, maker.third_party
    failures: list[tuple[str, UserError]] = []
    unmatched: list[TargetPattern] = []
    roots: list[ConfiguredLabel] = []
    done: dict[str, dict[Label, Target]] = {}
    for label, explicit in _asked(loader, question, failures, unmatched):
        try:
            target = loader.target(label)
            for platform in _platforms(
                workspace, question, target, explicit=explicit and not question.lenient
            ):
                for below in loader.closure(label, done.setdefault(platform, {})):
                    analyzer.configure(below, platform)
                analyzer.configure(target, platform)
                roots.append(ConfiguredLabel(label, platform))
        except UserError as error:
            if not question.keep_going:
                raise
            failures.append((str(label), error))
            # What the closure has listed and the failure kept from being configured, is still to be done.
            for platform, known in done.items():
                ids = {each: ConfiguredLabel(each, platform) for each in known}
                done[platform] = {e: t for e, t in known.items() if ids[e] in analyzer.configured}
    return Evaluation(
        tuple(roots),
        ConfiguredGraph(analyzer.configured),
        tuple(failures),
        analyzer.notes,
        tuple(third_party.asked),
        tuple(third_party.builds),
        tuple(unmatched),
    )


def paths_of(seen: Seen | None, files: WorkingTree) -> frozenset[str]:
    """Returns the paths that were asked for, and what links made of them."""
    return frozenset(path for _, path in seen or ()) | files.looked_at


def platforms_of_images(workspace: Workspace, say: Say) -> Mapping[str, tuple[str, ...]]:
    """Returns, for each external image, the platforms that it may be asked for.

    Those are the workspace's own, and those of all targets that stand on it.
    Reads no lock. Raises UserError.
    """
    from lambdabuild.rulebook import Rulebook
    from lambdabuild.starlark import isolated

    def work(beat: Beat, emit: Emit) -> Mapping[str, tuple[str, ...]]:
        tree = WorkingTree(workspace.root, workspace.ignore)
        rulebook = Rulebook(tree, beat=beat, say=lambda text, at: emit((text, at)))
        loader = make_loader(workspace, tree, rulebook, pinned=False)
        question = Question((parse_pattern("//..."),))
        done: dict[str, dict[Label, Target]] = {platform: {} for platform in workspace.platforms}
        for label in loader.match(question.patterns[0]):
            for platform in _platforms(workspace, question, loader.target(label), explicit=False):
                loader.closure(label, done.setdefault(platform, {}))
        return {
            name: tuple(
                platform
                for platform, below in done.items()
                if platform in workspace.platforms or Label(EXTERNAL, name) in below
            )
            for name in workspace.images
        }

    return isolated(work, on_event=lambda event: say(*event))


def make_loader(workspace: Workspace, tree: View, rulebook: Rulebook, *, pinned: bool = True) -> Loader:
    """Returns what loads packages as the settings say; raises UserError.

    pinned: whether external images are what WORKSPACE.lock says, or only names; what Dockerfiles
            name need not be declared then.
    """
    from lambdabuild.dockerfile_targets import DockerfileSettings
    from lambdabuild.external.pins import ImagePins
    from lambdabuild.external_package import RULE, RULE_FILE, external_package
    from lambdabuild.loading import Loader

    at = Location(WORKSPACE_FILE)
    try:
        auto = [parse_label(text) for text in workspace.list("images.auto")]
        search = [parse_pattern(text) for text in workspace.list("python.packages")]
    except UserError as error:
        raise error.located(at) from None
    return Loader(
        tree,
        rulebook,
        auto=auto,
        search=search,
        external=lambda: external_package(
            workspace.images,
            read_pins(tree) if pinned else ImagePins.of(()),
            rulebook.bundled_rule(RULE_FILE, RULE),
        ),
        dockerfiles=DockerfileSettings(workspace.platforms, tuple(workspace.secrets), strict=pinned),
    )


def read_pins(tree: View) -> ImagePins:
    """Returns what WORKSPACE.lock pins, if there is one; raises UserError if it cannot be understood."""
    from lambdabuild.external.lock_file import FILE_NAME, parse_pins  # for those who have external images
    from lambdabuild.external.pins import ImagePins

    return parse_pins(tree.read(FILE_NAME)) if tree.kind(FILE_NAME) is Kind.FILE else ImagePins.of(())


@cache
def _lock(tree: View) -> Lock:
    """Returns what python.lock says; raises UserError where there is none."""
    from lambdabuild.python.lock_file import FILE_NAME, parse_lock  # for those who have requirements

    if tree.kind(FILE_NAME) is not Kind.FILE:
        raise UserError(
            f"there is no {FILE_NAME}, which says what the requirements are", hint="lambdabuild lock"
        )
    return parse_lock(tree.read(FILE_NAME))


def _asked(
    loader: Loader,
    question: Question,
    failures: list[tuple[str, UserError]],
    unmatched: list[TargetPattern],
) -> Sequence[tuple[Label, bool]]:
    """Returns the labels that the patterns match, and whether each was named by itself."""
    asked: dict[Label, bool] = {}
    for pattern in question.patterns:
        try:
            if question.lenient and not pattern.negative and not loader.names_something(pattern):
                unmatched.append(pattern)
                continue
            matched = _matched(loader, pattern, failures) if question.keep_going else loader.match(pattern)
        except UserError as error:
            if not question.keep_going:
                raise
            failures.append((str(pattern), error))
            continue
        for label in matched:
            if pattern.negative:
                asked.pop(label, None)
            elif question.manual or not pattern.wildcard or not loader.target(label).manual:
                asked[label] = asked.get(label, False) or not pattern.wildcard
    return list(asked.items())


def _matched(
    loader: Loader, pattern: TargetPattern, failures: list[tuple[str, UserError]]
) -> Sequence[Label]:
    """Returns the targets that `pattern` names, but for packages that are broken, which fail alone."""
    if not pattern.wildcard:
        return loader.match(pattern)
    found: list[Label] = []
    for name in loader.packages(pattern):
        try:
            found += loader.match(TargetPattern(name, "all"))
        except UserError as error:
            failures.append((f"//{name}:all", error))
    return found


def _platforms(
    workspace: Workspace, question: Question, target: Target, *, explicit: bool
) -> tuple[str, ...]:
    """Returns the platforms that `target` is to be configured for."""
    named = target.values.get("platforms", ())
    own = resolve_platforms(named, at=target.at) if named else workspace.platforms
    if not question.platforms or not named:
        return question.platforms or own
    both = tuple(platform for platform in question.platforms if platform in own)
    if explicit and len(both) < len(question.platforms):
        missing = next(platform for platform in question.platforms if platform not in own)
        raise UserError(
            f"{target.label} is not built for {missing}: it names {', '.join(own)}",
            at=target.at,
            hint=f"add {missing!r} to its platforms, or ask for another --platform",
        )
    return both
