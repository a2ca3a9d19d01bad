"""A kept graph after BUILD files have changed: what stood on them is analysed again, and nothing else.

A package is what its BUILD file and its listings make it, and nobody else looks
at these. So while it looks the same to those who only pass by, all that can
change is what is made of its targets. These are configured anew, with what they
depend on, which gives them what it provides; the rest of the graph stays.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from lambdabuild.configured import ConfiguredGraph, ConfiguredLabel, ConfiguredTarget
from lambdabuild.errors import LambdaBuildError
from lambdabuild.evaluation import Evaluation, Maker, Question, evaluated
from lambdabuild.kept_graph import Graph, Index, KeptGraph, Taken, chunks_of, closure, encode, taken
from lambdabuild.kept_paths import Answer
from lambdabuild.keys import KeyTable, Known
from lambdabuild.label import Label
from lambdabuild.target import Target
from lambdabuild.workspace import Workspace


class RevisedGraph(Graph):
    """A kept graph with some of its targets replaced, and others added.

    news: the targets that are not as they were.
    """

    def __init__(
        self, kept: KeptGraph, made: Evaluation, news: Mapping[ConfiguredLabel, ConfiguredTarget]
    ) -> None:
        takes = {id_: taken(target) for id_, target in news.items()}
        index = _revised(kept, made, news, takes)
        super().__init__(os.urandom(len(kept.id)), index, kept.paths, made.looked_at)
        self.news = news
        self._kept = kept
        self._note_sources(takes)
        self._note_answers(made)

    @property
    def changed(self) -> set[int]:
        """The numbers of `news`."""
        return {self.numbers[id_] for id_ in self.news}

    def target(self, number: int) -> ConfiguredTarget:
        return self.news.get(self.index.ids[number]) or self._kept.target(number)

    def known(self, id_: ConfiguredLabel) -> Known:
        return self._kept.known(id_)

    def encoded(self, keys: KeyTable, leads: Mapping[str, str]) -> bytes:
        """Returns the bytes of a file; raises UnpicklingError for what could not be read again.

        leads: path of a source -> where links led from it.
        """
        for path, led in leads.items():
            facts = self.paths[led]
            self.paths[led] = facts._replace(takers=_merged(facts.takers, self.paths[path].takers))
        news = dict(zip(self.news, chunks_of(self.news.values(), keys), strict=True))
        chunks = (news.get(id_) or self._kept.chunk(number) for number, id_ in enumerate(self.index.ids))
        index = self.index._replace(links=self.index.links | leads.keys())
        return encode(self.id, index, chunks, self.paths.parts())

    def _note_sources(self, takes: Mapping[ConfiguredLabel, Taken]) -> None:
        """Notes which sources the news take."""
        for id_, now in takes.items():
            number = self.numbers[id_]
            known = id_ in self._kept.numbers
            before = taken(self._kept.target(number)).sources if known else frozenset()
            for path in before | now.sources:
                facts = self.paths[path]
                takers = tuple(each for each in facts.takers if each != number)
                mine = (number,) if path in now.sources else ()
                self.paths[path] = facts._replace(takers=(*takers, *mine))

    def _note_answers(self, made: Evaluation) -> None:
        """Notes what was asked, also by those who asked before."""
        for path, answers in by_path(made).items():
            facts = self.paths[path]
            found = {each.what: each for each in facts.answers}
            for what, answer, askers in answers:
                asked = found[what].askers if what in found else ()
                found[what] = Answer(what, answer, _merged(asked, askers))
            self.paths[path] = facts._replace(answers=tuple(found.values()))


def revise(workspace: Workspace, kept: KeptGraph, packages: Collection[str]) -> RevisedGraph | None:
    """Returns the graph after what some packages asked of the files was answered otherwise.

    None if more of it may have changed, or something is wrong, which is better told as always.
    """
    index = kept.index
    dirty = [number for number, id_ in enumerate(index.ids) if id_.label.package in packages]
    above = [index.ids[number] for number in sorted(closure(dirty, index.dependents))]

    def work(maker: Maker) -> Evaluation:
        for name in packages:
            maker.loader.package(name)
        configured = _configure(maker, above)
        return Evaluation((), ConfiguredGraph(configured), notes=maker.analyzer.notes)

    if index.said:
        return None
    try:
        made = evaluated(workspace, Question(()), lambda text, at: None, work)
    except LambdaBuildError:
        return None
    parts = made.graph.targets
    same = all(index.faces.get(name, face) == face for name, face in made.faces.items())
    news = {
        id_: target
        for id_, target in parts.items()
        if id_ not in kept.numbers or kept.target(kept.numbers[id_]) != target
    }
    known = news.keys() & kept.numbers.keys()
    if made.said or made.seen is None or not same or not known.issubset(above):
        return None
    return RevisedGraph(kept, made, news)


def _configure(maker: Maker, ids: Sequence[ConfiguredLabel]) -> Mapping[ConfiguredLabel, ConfiguredTarget]:
    """Returns those targets, and all that they depend on, analysed."""
    done: dict[str, dict[Label, Target]] = {}
    for label, platform in ids:
        for below in maker.loader.closure(label, done.setdefault(platform, {})):
            maker.analyzer.configure(below, platform)
    return maker.analyzer.configured


def _revised(
    kept: KeptGraph,
    made: Evaluation,
    news: Mapping[ConfiguredLabel, ConfiguredTarget],
    takes: Mapping[ConfiguredLabel, Taken],
) -> Index:
    """Returns the index of a graph with `news`, whose dependencies are all in `made`."""
    old, parts = kept.index, made.graph.targets
    ids = (*old.ids, *(id_ for id_ in parts if id_ not in kept.numbers))
    numbers = {id_: number for number, id_ in enumerate(ids)}
    # All that the others depend on is among these, or was before them.
    ranks = [0] * len(ids)
    for rank, id_ in enumerate({**parts, **dict.fromkeys(kept.graph.targets)}):
        ranks[numbers[id_]] = rank
    users = [*map(set, old.users), *(set() for _ in ids[len(old.ids) :])]
    dependents = [*map(set, old.dependents), *(set() for _ in ids[len(old.ids) :])]
    gone = {numbers[id_] for id_ in news}
    for edges in (*users, *dependents):
        if not edges.isdisjoint(gone):
            edges -= gone
    for id_, target in news.items():
        number = numbers[id_]
        for each in takes[id_].others:
            users[numbers[each]].add(number)
        for each in target.needed:
            dependents[numbers[each]].add(number)
    return old._replace(
        ids=ids,
        ranks=tuple(ranks),
        users=tuple(map(tuple, users)),
        dependents=tuple(map(tuple, dependents)),
        faces={**old.faces, **made.faces},
        leads={**old.leads, **made.leads},
        links=old.links | made.links,
        notes=tuple(
            made.notes.get(ids[root], ()) if ids[root] in parts else each
            for root, each in zip(old.roots, old.notes, strict=True)
        ),
    )


def by_path(evaluation: Evaluation) -> Mapping[str, tuple[Answer, ...]]:
    """Returns what an evaluation asked of each path."""
    found: dict[str, list[Answer]] = {}
    for question, answer in (evaluation.seen or {}).items():
        what, path = question
        found.setdefault(path, []).append(Answer(what, answer, evaluation.askers[question]))
    return {path: tuple(each) for path, each in found.items()}


def _merged(one: tuple[Any, ...], other: tuple[Any, ...]) -> tuple[Any, ...]:
    return (*one, *(each for each in other if each not in one))
