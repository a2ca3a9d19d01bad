"""The graph of first-party packages: who requires whom, by package and by extra.

A node is a package's own requirements or those of one of its extras, as pip
sees it. So a package that another one needs may use that one in its tests, in
an extra, without a cycle.

Absent: BUILD files, the file system, and what third-party packages require.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from graphlib import CycleError as FoundCycle
from graphlib import TopologicalSorter
from typing import NamedTuple

from lambdabuild.errors import CycleError
from lambdabuild.python.package_links import Environment, Link, Node, PackageLinks
from lambdabuild.python.project import Project
from lambdabuild.python.requirements import extras_in_marker

__all__ = ["Closure", "Environment", "Node", "PackageGraph", "Wanted"]

_Links = tuple[Link, ...]
_ROOT = "this build"  # who asks, where it is not said


class Wanted(NamedTuple):
    """A third-party requirement. text: in normal form. by: path of the pyproject.toml that has it."""

    text: str
    by: str


@dataclass(frozen=True, slots=True)
class Closure:
    """All that somebody needs.

    packages:     first-party, dependencies first, ties by name.
    requirements: third-party, sorted, unique.
    """

    packages: tuple[str, ...]
    requirements: tuple[Wanted, ...]


class PackageGraph:
    """What the packages of a workspace require of one another.

    project_of: normalised name -> its project, or None if it is third-party. It is
                called when a name is first seen, and once only; its UserErrors pass.

    Every method raises UserError for an extra that does not exist, a version that
    no package of the workspace has, and a root that is third-party.
    """

    def __init__(self, project_of: Callable[[str], Project | None]) -> None:
        self._links = PackageLinks(project_of)
        self._own: dict[str, tuple[str, ...]] = {}
        self._sound: set[Node] = set()

    # --- one step ----------------------------------------------------------------

    def direct(self, package: str, extras: Iterable[str] = (), *, by: str = _ROOT) -> tuple[Node, ...]:
        """Returns what `package` with `extras` requires itself, whatever the markers say; sorted."""
        nodes = {Node(package, ""), *(Node(package, extra) for extra in extras)}
        self._links.check(nodes, by)
        return tuple(sorted({edge for node in nodes for edge in self.edges(node)}))

    def edges(self, node: Node) -> tuple[Node, ...]:
        """Returns what a node requires, first-party, whatever the markers say; sorted.

        `b[x]` gives b and b[x]. Within an extra of b itself it gives b[x] alone, as an
        extra does not lead to its package: who asks for the extra has both.
        """
        self._links.check([node], _ROOT)
        return _edges(self._links.of(node))

    # --- the edges of targets ----------------------------------------------------

    def needed_by(self, roots: Iterable[Node], *, by: str = _ROOT) -> tuple[str, ...]:
        """Returns the packages that whoever asks for `roots` depends on; sorted.

        These are the packages of `roots`, and what their extras require: that
        belongs to whoever asked for the extra, not to the package. by: who asks, for errors.
        """
        nodes = _with_packages(roots)
        self._links.check(nodes, by)
        return tuple(sorted(_asked(nodes, self.edges)))

    def own_edges(self, package: str) -> tuple[str, ...]:
        """Returns the packages that `package`, without extras, depends on; itself only in a cycle."""
        if package not in self._own:
            self._own[package] = tuple(sorted(_asked(self.edges(Node(package, "")), self.edges)))
        return self._own[package]

    def transitive(self, name: str) -> tuple[str, ...]:
        """Returns the packages that `name`, without extras, depends on in the end; itself only in a cycle."""
        found: set[str] = set()
        pending = [*self.own_edges(name)]
        while pending:
            package = pending.pop()
            if package not in found:
                found.add(package)
                pending += self.own_edges(package)
        return tuple(sorted(found))

    def order(self, names: Iterable[str]) -> tuple[str, ...]:
        """Returns `names`, without duplicates, dependencies first, ties by name.

        One that depends on another through packages that are not named comes after
        it as well. Raises CycleError.
        """
        given = {*names}
        self.check(Node(name, "") for name in given)
        return tuple(_sorted({name: given.intersection(self.transitive(name)) for name in given}))

    def dependents(self, names: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """Returns for each of `names` those of them that directly depend on it; sorted."""
        found: dict[str, tuple[str, ...]] = dict.fromkeys(sorted({*names}), ())
        for name in list(found):
            for edge in self.own_edges(name):
                if edge in found:
                    found[edge] += (name,)
        return found

    # --- everything --------------------------------------------------------------

    def check(self, roots: Iterable[Node], *, by: str = _ROOT) -> None:
        """Raises CycleError if what `roots` reach, whatever the markers say, has a cycle."""

        def links_of(node: Node) -> _Links:
            # What was checked before reaches no cycle, so none goes through it.
            return () if node in self._sound else self._links.of(node)

        reached = self._reach(roots, links_of, by)
        _refuse_cycles(reached)
        self._sound |= reached.keys()

    def closure(self, roots: Iterable[Node], environment: Environment | None, *, by: str = _ROOT) -> Closure:
        """Returns everything that `roots` need, each with its package.

        environment: None where every marker counts as true. by: who asks, for errors.
        Raises CycleError for a cycle that exists in `environment`.
        """

        def links_of(node: Node) -> _Links:
            return self._links.holding(node, environment) if environment else self._links.of(node)

        reached = self._reach(roots, links_of, by)
        _refuse_cycles(reached)
        edges = {node: _edges(links) for node, links in reached.items()}
        own = {node.package: _asked(edges[node], edges.__getitem__) for node in reached if not node.extra}
        wanted = {
            Wanted(_decided(link.text) if environment else link.text, link.owner.path)
            for links in reached.values()
            for link in links
            if link.nodes is None
        }
        return Closure(tuple(_sorted(own)), tuple(sorted(wanted)))

    def _reach(
        self, roots: Iterable[Node], links_of: Callable[[Node], _Links], by: str
    ) -> dict[Node, _Links]:
        found: dict[Node, _Links] = {}
        nodes = _with_packages(roots)
        self._links.check(nodes, by)
        pending = sorted(nodes, reverse=True)
        while pending:
            node = pending.pop()
            if node not in found:
                found[node] = links_of(node)
                pending += reversed(_edges(found[node]))
        return found


def _refuse_cycles(reached: Mapping[Node, _Links]) -> None:
    graph = {node: _edges(links) for node, links in reached.items()}
    try:
        TopologicalSorter(graph).prepare()
    except FoundCycle as error:
        raise _cycle(error.args[1][:0:-1], reached) from None


def _cycle(found: list[Node], reached: Mapping[Node, _Links]) -> CycleError:
    """Returns the error for nodes that each require the next; the last requires the first."""
    start = found.index(min(found))
    cycle = found[start:] + found[:start]
    links = [
        next(link for link in reached[node] if other in (link.nodes or ()))
        for node, other in zip(cycle, [*cycle[1:], cycle[0]], strict=True)
    ]
    return CycleError(
        tuple(map(str, cycle)),
        at=links[-1].at,
        details=tuple(f"{link.asker} requires {link.text.partition('; ')[0]}" for link in links),
    )


def _with_packages(nodes: Iterable[Node]) -> set[Node]:
    """Returns `nodes` and the packages that their extras are of: who asks for an extra has both."""
    return {each for node in nodes for each in (node, Node(node.package, ""))}


def _edges(links: Iterable[Link]) -> tuple[Node, ...]:
    return tuple(sorted({node for link in links for node in link.nodes or ()}))


def _asked(nodes: Iterable[Node], edges: Callable[[Node], Iterable[Node]]) -> set[str]:
    """Returns the packages among `nodes`, and those that are reached from there through extras."""
    reached: set[Node] = set()
    pending = list(nodes)
    while pending:
        node = pending.pop()
        if node not in reached:
            reached.add(node)
            pending += edges(node) if node.extra else ()
    return {node.package for node in reached if not node.extra}


def _sorted(edges: Mapping[str, Iterable[str]]) -> Iterator[str]:
    """Yields the keys, each after its values, which are keys; the least of those that can come next."""
    sorter = TopologicalSorter(edges)
    sorter.prepare()
    ready = list(sorter.get_ready())
    heapq.heapify(ready)
    while ready:
        name = heapq.heappop(ready)
        yield name
        sorter.done(name)
        for each in sorter.get_ready():
            heapq.heappush(ready, each)


def _decided(text: str) -> str:
    """Returns a requirement that applies, without its marker if that speaks of extras.

    Who resolves it asks for no extra, and would find it false.
    """
    return text.partition("; ")[0] if extras_in_marker(text) else text
