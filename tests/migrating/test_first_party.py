"""What of some packages has to be named, so that all of them come."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lambdabuild.migrating.first_party import FirstParty

names = st.sampled_from("abcdef")
graphs = st.dictionaries(names, st.sets(names), max_size=6)


def brought(graph: dict[str, set[str]], roots: set[str]) -> set[str]:
    found, todo = set(roots), list(roots)
    while todo:
        for each in graph.get(todo.pop(), set()) - found:
            found.add(each)
            todo.append(each)
    return found


@given(graphs, st.sets(names))
def test_what_is_named_brings_all_and_nothing_of_it_brings_another(
    graph: dict[str, set[str]], wanted: set[str]
) -> None:
    named = wanted - FirstParty(requires=graph).needless(wanted)
    assert named <= wanted <= brought(graph, named)
    for each in named:
        assert each not in brought(graph, named - {each})
