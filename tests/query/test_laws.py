"""What holds of every graph, cycles included, and of every set of its labels."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from lambdabuild.label import Label
from lambdabuild.query.ranks import components, max_ranks, min_ranks
from tests.query.graphs import FILES, LABELS, Plain, acyclic, expressions, graphs, sets

labels = st.sampled_from(LABELS + FILES)
depths = st.integers(0, 4)


@given(graphs, labels, labels)
def test_rdeps_is_the_converse_of_deps(graph: Plain, a: Label, b: Label) -> None:
    assert (b in graph.set(f"deps({a})")) == (a in graph.set(f"rdeps({a} + {b}, {b})"))
    everything = f"deps(set({' '.join(map(str, LABELS + FILES))}))"
    assert (b in graph.set(f"deps({a})")) == (a in graph.set(f"rdeps({everything}, {b})"))


@given(graphs, labels, labels, depths)
def test_rdeps_is_the_converse_of_deps_at_every_depth(graph: Plain, a: Label, b: Label, depth: int) -> None:
    assert (b in graph.set(f"deps({a}, {depth})")) == (a in graph.set(f"rdeps({a}, {b}, {depth})"))


@given(graphs, sets)
def test_deps_is_idempotent(graph: Plain, x: str) -> None:
    assert graph.set(f"deps(deps({x}))") == graph.set(f"deps({x})")


@given(graphs, sets, sets)
def test_deps_is_monotone_and_distributes_over_union(graph: Plain, x: str, y: str) -> None:
    assert graph.set(f"deps({x})") | graph.set(f"deps({y})") == graph.set(f"deps({x} + {y})")
    assert graph.set(x) <= graph.set(f"deps({x})") <= graph.set(f"deps({x} + {y})")


@given(graphs, sets, depths, depths)
def test_depths_add_up(graph: Plain, x: str, m: int, n: int) -> None:
    assert graph.set(f"deps(deps({x}, {m}), {n})") == graph.set(f"deps({x}, {m + n})")
    assert graph.set(f"deps({x}, {len(LABELS) + len(FILES)})") == graph.set(f"deps({x})")


@given(graphs, sets, sets)
def test_rdeps_stays_in_the_universe_and_is_idempotent(graph: Plain, u: str, x: str) -> None:
    within = graph.set(f"rdeps({u}, {x})")
    assert within <= graph.set(f"deps({u})")
    assert graph.set(f"rdeps({u}, rdeps({u}, {x}))") == within
    assert graph.set(f"rdeps(//..., {x})") == graph.set(f"allrdeps({x})")


@given(graphs, expressions, expressions, expressions)
def test_sets_obey_their_algebra(graph: Plain, a: str, b: str, c: str) -> None:
    x, y, z = graph.set(a), graph.set(b), graph.set(c)
    assert graph.set(f"{a} + {b}") == graph.set(f"{a} union {b}") == x | y
    assert graph.set(f"{a} ^ {b}") == graph.set(f"{a} intersect {b}") == x & y
    assert graph.set(f"{a} - {b}") == graph.set(f"{a} except {b}") == x - y
    assert graph.set(f"{a} - {b} + {c}") == (x - y) | z
    assert graph.set(f"{a} + {b} ^ {c}") == (x | y) & z
    assert graph.set(f"{a} + ({b} ^ {c})") == x | (y & z)


@given(graphs, expressions)
def test_let_is_substitution(graph: Plain, x: str) -> None:
    assert graph.set(f"let v = {x} in deps($v) - $v") == graph.set(f"deps({x}) - ({x})")
    assert graph.set(f"let v = //c:t0 in let v = {x} in $v") == graph.set(x)


@given(graphs, sets, sets)
def test_somepath_is_a_path_or_empty_exactly_when_allpaths_is(graph: Plain, start: str, end: str) -> None:
    path, every = graph.ask(f"somepath({start}, {end})"), graph.set(f"allpaths({start}, {end})")
    assert bool(path) == bool(every)
    assert set(path) <= every
    if path:
        assert path[0] in graph.set(start)
        assert path[-1] in graph.set(end)
    for a, b in pairwise(path):
        assert b in {other for _, other in graph.edges(a)}


@given(graphs, sets, sets)
def test_allpaths_is_what_lies_below_the_start_and_above_the_end(graph: Plain, start: str, end: str) -> None:
    between = graph.set(f"deps({start}) ^ rdeps({start}, {end})")
    assert graph.set(f"allpaths({start}, {end})") == between


@given(graphs, labels)
def test_labels_of_all_attributes_are_the_direct_dependencies(graph: Plain, x: Label) -> None:
    direct = graph.set(f"labels(srcs, {x}) + labels(base, {x})")
    assert direct | {x} == graph.set(f"deps({x}, 1)")


@given(graphs, sets)
def test_same_pkg_direct_rdeps_are_direct_rdeps_of_the_package(graph: Plain, x: str) -> None:
    found = graph.set(f"same_pkg_direct_rdeps({x})")
    wanted = {
        user
        for user in LABELS
        for _, other in graph.edges(user)
        if other in graph.set(x) and other.package == user.package
    }
    assert found == wanted


@given(graphs, sets)
def test_siblings_are_idempotent_and_hold_the_set(graph: Plain, x: str) -> None:
    found = graph.set(f"siblings({x})")
    assert graph.set(x) <= found == graph.set(f"siblings({x} + siblings({x}))")
    assert {label.package for label in found} == {label.package for label in graph.set(x)}


@given(graphs, expressions)
def test_kind_filter_and_attr_split_a_set(graph: Plain, x: str) -> None:
    assert graph.set(f"kind('rule$', {x}) + kind('source file', {x})") == graph.set(x)
    assert graph.set(f"filter('^//a[:/]', {x}) + filter('^//c:', {x})") == graph.set(x)
    assert graph.set(f"attr(name, '', {x})") == graph.set(f"kind(rule, {x})")
    assert graph.set(f"attr(srcs, '//c:', {x})") == {
        label
        for label in graph.set(x)
        if any(name == "srcs" and other.package == "c" for name, other in graph.edges(label))
    }


@given(graphs, expressions, st.integers(1, 3))
def test_some_is_a_part_of_its_set(graph: Plain, x: str, count: int) -> None:
    every = graph.set(x)
    if every:
        some = graph.set(f"some({x}, {count})")
        assert some <= every
        assert len(some) == min(count, len(every))


@given(graphs, labels, depths)
def test_nothing_is_asked_beyond_the_depth(graph: Plain, x: Label, depth: int) -> None:
    inner = graph.set(f"deps({x}, {depth - 1})") if depth else frozenset()
    graph.asked.clear()
    graph.ask(f"deps({x}, {depth})")
    assert graph.asked == inner


@given(acyclic)
def test_ranks_grow_along_edges(graph: Plain) -> None:
    everything = sorted(graph.set("deps(//...)"))

    def edges(label: Label) -> list[Label]:
        return [other for _, other in graph.edges(label)]

    least, most = min_ranks(everything, edges), max_ranks(everything, edges)
    used = {other for label in everything for other in edges(label)}
    assert {x for x in everything if most[x] == 0} == {x for x in everything if least[x] == 0}
    assert {x for x in everything if most[x] == 0} == set(everything) - used
    for label in everything:
        users = [user for user in everything if label in edges(user)]
        assert most[label] == max((most[user] + 1 for user in users), default=0)
        assert least[label] == min((least[user] + 1 for user in users), default=0)


@given(graphs)
def test_components_are_the_labels_that_reach_each_other(graph: Plain) -> None:
    everything = sorted(graph.set("deps(//...)"))
    groups = components(everything, lambda label: [other for _, other in graph.edges(label)])
    below = {label: graph.set(f"deps({label})") for label in everything}
    assert sorted(label for group in groups for label in group) == everything
    for number, group in enumerate(groups):
        together = tuple(
            other for other in everything if other in below[group[0]] and group[0] in below[other]
        )
        assert group == together
        done = {label for before in groups[: number + 1] for label in before}
        assert below[group[0]] <= done


@given(graphs)
def test_every_label_has_ranks_even_in_a_cycle(graph: Plain) -> None:
    everything = sorted(graph.set("deps(//...)"))

    def edges(label: Label) -> list[Label]:
        return [other for _, other in graph.edges(label)]

    least, most = min_ranks(everything, edges), max_ranks(everything, edges)
    assert least.keys() == most.keys() == set(everything)
    for group in components(everything, edges):
        assert len({most[label] for label in group}) == 1
