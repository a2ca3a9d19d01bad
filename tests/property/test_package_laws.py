"""Laws of the graph of first-party packages, against definitions that take no care of speed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import Requirement

from lambdabuild.errors import CycleError
from lambdabuild.python.package_graph import Closure, Environment, Node, PackageGraph
from lambdabuild.python.platforms import Combination, marker_environment
from tests.python.packages import NAMES, World, acyclic_worlds, graph_of_world, roots, worlds

_COMBINATIONS = (
    Combination.of("3.9", "glibc 2.34", "linux/amd64"),
    Combination.of("3.12", "glibc 2.34", "linux/arm64"),
)
environments: st.SearchStrategy[Environment | None] = st.sampled_from(
    [None, *(partial(marker_environment, each) for each in _COMBINATIONS)]
)


def holding(world: World, node: Node, environment: Environment | None) -> list[Requirement]:
    found = map(Requirement, world[node])
    return [
        r for r in found if not (r.marker and environment) or r.marker.evaluate({**environment(node.extra)})
    ]


def steps(world: World, node: Node, environment: Environment | None) -> set[Node]:
    """Returns the nodes that `node` requires, by the definition."""
    found = set()
    for requirement in holding(world, node, environment):
        if requirement.name not in NAMES:
            continue
        found |= {Node(requirement.name, extra) for extra in requirement.extras}
        if node.package != requirement.name or not (requirement.extras or node.extra):
            found.add(Node(requirement.name, ""))
    return found


def reached(world: World, asked: Iterable[Node], environment: Environment | None) -> set[Node]:
    """Returns the least set that holds what is asked for, its packages, and what its members require."""
    found = {each for node in asked for each in (node, Node(node.package, ""))}
    while more := {step for node in found for step in steps(world, node, environment)} - found:
        found |= more
    return found


def is_cyclic(world: World, nodes: Iterable[Node], environment: Environment | None) -> bool:
    """Returns whether nothing is left but cycles once all that requires nothing is taken away, again and again."""
    left = {node: steps(world, node, environment) for node in nodes}
    while done := {node for node in left if not left[node] & left.keys()}:
        left = {node: left[node] for node in left.keys() - done}
    return bool(left)


def closure_or_cycle(
    graph: PackageGraph, asked: Iterable[Node], environment: Environment | None
) -> Closure | CycleError:
    try:
        return graph.closure(asked, environment)
    except CycleError as error:
        return error


@given(worlds, roots, environments)
def test_the_closure_is_the_least_fixpoint(
    world: World, asked: list[Node], environment: Environment | None
) -> None:
    nodes = reached(world, asked, environment)
    found = closure_or_cycle(graph_of_world(world), asked, environment)
    assert isinstance(found, CycleError) == is_cyclic(world, nodes, environment)
    if isinstance(found, CycleError):
        return
    assert sorted(found.packages) == sorted({node.package for node in nodes})
    third_party = {
        (requirement.name, f"lib/{node.package}/pyproject.toml")
        for node in nodes
        for requirement in holding(world, node, environment)
        if requirement.name not in NAMES
    }
    assert {(Requirement(text).name, by) for text, by in found.requirements} == third_party
    assert list(found.requirements) == sorted(set(found.requirements))


@given(worlds, roots)
def test_a_cycle_is_found_exactly_where_there_is_one(world: World, asked: list[Node]) -> None:
    graph = graph_of_world(world)
    nodes = reached(world, asked, None)
    if not is_cyclic(world, nodes, None):
        graph.check(asked)
        return
    with pytest.raises(CycleError) as caught:
        graph.check(asked)
    named = {str(node): node for node in nodes}
    cycle = [named[name] for name in caught.value.path]
    assert len(set(cycle)) == len(cycle) == len(caught.value.details)
    for one, other in zip(cycle, [*cycle[1:], cycle[0]], strict=True):
        assert other in steps(world, one, None)


@given(acyclic_worlds, roots)
def test_the_edges_of_targets_lead_to_exactly_the_closure(world: World, asked: list[Node]) -> None:
    graph = graph_of_world(world)
    found = set(graph.needed_by(asked))
    while more := {edge for name in found for edge in graph.own_edges(name)} - found:
        found |= more
    assert sorted(found) == sorted(graph.closure(asked, None).packages)


@given(acyclic_worlds, roots, environments)
def test_packages_come_after_what_they_depend_on_and_else_by_name(
    world: World, asked: list[Node], environment: Environment | None
) -> None:
    graph = graph_of_world(world)
    packages = graph.closure(asked, environment).packages
    below: Mapping[str, set[str]] = {
        name: {node.package for node in reached_in_extras(world, Node(name, ""), environment)}
        for name in packages
    }
    assert_sorted(packages, below)
    assert len(set(packages)) == len(packages)


def reached_in_extras(world: World, start: Node, environment: Environment | None) -> set[Node]:
    """Returns the packages that `start` depends on itself: what it asks of extras is its own affair."""
    found = steps(world, start, environment)
    while more := {s for node in found if node.extra for s in steps(world, node, environment)} - found:
        found |= more
    return {node for node in found if not node.extra}


def assert_sorted(names: tuple[str, ...], below: Mapping[str, set[str]]) -> None:
    """Asserts that each name is the least of those whose dependencies have come."""
    for index, name in enumerate(names):
        left = names[index:]
        assert name == min(each for each in left if not below[each].intersection(left) - {each})
        assert not below[name].intersection(left)


@given(acyclic_worlds, st.sets(st.sampled_from(NAMES)))
def test_order_sorts_what_is_given_by_all_that_it_depends_on(world: World, names: set[str]) -> None:
    graph = graph_of_world(world)
    ordered = graph.order(names)
    assert sorted(ordered) == sorted(names)
    assert_sorted(ordered, {name: {*graph.transitive(name)} for name in ordered})


@given(acyclic_worlds, st.sets(st.sampled_from(NAMES)))
def test_dependents_is_the_converse_of_own_edges(world: World, names: set[str]) -> None:
    graph = graph_of_world(world)
    dependents = graph.dependents(names)
    assert {(other, name) for name in names for other in dependents[name]} == {
        (other, name) for other in names for name in graph.own_edges(other) if name in names
    }


@given(worlds, roots, roots, environments)
def test_answers_do_not_depend_on_the_order_of_files_roots_or_questions(
    world: World, asked: list[Node], other: list[Node], environment: Environment | None
) -> None:
    fresh, used = (
        graph_of_world(world),
        graph_of_world({node: world[node][::-1] for node in reversed([*world])}),
    )
    closure_or_cycle(used, other, None)
    used.needed_by(other)
    answers = []
    for graph, nodes in ((fresh, asked), (used, asked[::-1])):
        found = closure_or_cycle(graph, nodes, environment)
        answers.append((found.path, found.details) if isinstance(found, CycleError) else found)
    assert answers[0] == answers[1]
    assert fresh.needed_by(asked) == used.needed_by(asked[::-1])
