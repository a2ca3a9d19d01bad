"""The edges between packages, what an extra brings to whom, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import pairwise

import pytest

from lambdabuild.errors import CycleError, Location, UserError
from lambdabuild.python.package_graph import Node, PackageGraph, Wanted
from lambdabuild.python.platforms import Combination, marker_environment
from lambdabuild.python.project import Project
from tests.python.packages import graph_of, project

X86 = partial(marker_environment, Combination.of("3.12", "glibc 2.34", "linux/amd64"))
ARM = partial(marker_environment, Combination.of("3.12", "glibc 2.34", "linux/arm64"))


def test_a_requirement_with_extras_leads_to_the_package_and_each_extra() -> None:
    graph = graph_of(project("a", "b[X_1, y]>=1", "boto3"), project("b", x_1=[], y=[]))
    assert graph.edges(Node("a", "")) == (Node("b", ""), Node("b", "x-1"), Node("b", "y"))


def test_an_extra_that_names_its_own_package_leads_to_the_other_extra_alone() -> None:
    graph = graph_of(project("a", full=["a[x]", "a", "b"], x=[]), project("b"))
    assert graph.edges(Node("a", "full")) == (Node("a", "x"), Node("b", ""))


def test_direct_unites_the_package_and_the_extras_that_are_asked_for() -> None:
    graph = graph_of(project("a", "b", x=["c"], y=["d"]), project("b"), project("c"), project("d"))
    assert graph.direct("a") == (Node("b", ""),)
    assert graph.direct("a", ["x"]) == (Node("b", ""), Node("c", ""))


def test_what_an_extra_requires_belongs_to_whoever_asks_for_the_extra() -> None:
    graph = graph_of(
        project("app", "b[full]"),
        project("b", "base", full=["c[z]"]),
        project("c", "other", z=["d"]),
        *map(project, ("d", "base", "other")),
    )
    assert graph.needed_by([Node("b", ""), Node("b", "full")]) == ("b", "c", "d")
    assert graph.own_edges("app") == ("b", "c", "d")
    assert graph.own_edges("b") == ("base",)


def test_a_package_that_requires_its_own_extra_has_what_the_extra_requires() -> None:
    graph = graph_of(project("a", "a[x]", x=["b"]), project("b"))
    assert graph.own_edges("a") == ("b",)
    assert graph.closure([Node("a", "")], None).packages == ("b", "a")


def test_edges_are_there_whatever_the_marker_says_and_the_closure_evaluates_it() -> None:
    graph = graph_of(project("a", "b; platform_machine == 'aarch64'"), project("b", "boto3"))
    assert graph.own_edges("a") == ("b",)
    assert graph.closure([Node("a", "")], X86).packages == ("a",)
    assert graph.closure([Node("a", "")], ARM).packages == ("b", "a")
    assert graph.closure([Node("a", "")], ARM).requirements == (Wanted("boto3", "lib/b/pyproject.toml"),)


def test_a_marker_that_speaks_of_its_extra_is_true_there_and_not_handed_on() -> None:
    graph = graph_of(
        project("a", "no; extra == 'full'", full=["one; extra == 'full'", "two; extra == 'other'"], other=[])
    )
    wanted = graph.closure([Node("a", "full")], X86).requirements
    assert wanted == (Wanted("one", "lib/a/pyproject.toml"),)


def test_a_marker_that_holds_is_kept_in_the_requirement() -> None:
    graph = graph_of(project("a", "tomli; python_version < '3.13'", "old; python_version < '3'"))
    (wanted,) = graph.closure([Node("a", "")], X86).requirements
    assert wanted.text == 'tomli; python_version < "3.13"'
    assert len(graph.closure([Node("a", "")], None).requirements) == 2


def test_whoever_asks_for_an_extra_gets_the_package_as_well() -> None:
    graph = graph_of(project("a", "b", x=["c"]), project("b"), project("c"))
    assert graph.closure([Node("a", "x")], None).packages == ("b", "a", "c")


def test_a_package_that_another_one_needs_may_use_it_in_its_tests() -> None:
    graph = graph_of(project("a", test=["b"]), project("b", "a"))
    roots = [Node("a", ""), Node("a", "test")]
    graph.check(roots)
    assert graph.needed_by(roots) == ("a", "b")
    assert graph.closure(roots, None).packages == ("a", "b")


def test_order_minds_dependencies_through_packages_that_are_not_named() -> None:
    graph = graph_of(project("a", "hidden"), project("hidden", "z"), project("z"), project("k"))
    assert graph.order(["a", "k", "z", "a"]) == ("k", "z", "a")


def test_dependents_are_those_named_and_direct() -> None:
    graph = graph_of(project("a", "b[x]"), project("b", "c", x=["d"]), project("c"), project("d"))
    assert graph.dependents(["d", "c", "b", "a"]) == {"a": (), "b": ("a",), "c": ("b",), "d": ("a",)}
    assert graph.dependents(["a", "c"]) == {"a": (), "c": ()}
    assert graph.transitive("a") == ("b", "c", "d")


def test_a_long_chain_is_no_trouble() -> None:
    names = [f"p{number:04}" for number in range(1500)]
    graph = graph_of(*(project(*pair) for pair in pairwise(names)), project(names[-1]))
    assert graph.closure([Node(names[0], "")], None).packages == tuple(reversed(names))


def test_each_name_is_asked_for_once_and_only_when_it_is_seen() -> None:
    projects = {each.name: each for each in (project("a", "b", "boto3"), project("b", "boto3"), project("c"))}
    asked = []

    def project_of(name: str) -> Project | None:
        asked.append(name)
        return projects.get(name)

    graph = PackageGraph(project_of)
    graph.closure([Node("a", "")], X86)
    graph.order(["a", "b"])
    assert sorted(asked) == ["a", "b", "boto3"]


def test_an_error_of_whoever_finds_packages_passes() -> None:
    def project_of(name: str) -> Project | None:
        if name == "a":
            return project("a", "b")
        raise UserError("two packages are named b")

    with pytest.raises(UserError, match="two packages are named b"):
        PackageGraph(project_of).check([Node("a", "")])


# --- refusals ----------------------------------------------------------------


def test_a_cycle_is_told_with_each_step_and_the_last_requirement_that_closes_it() -> None:
    graph = graph_of(
        project("c", "b"), project("b", "boto3", "a[x]; os_name == 'nt'"), project("a", "c", x=[])
    )
    for closed in (lambda: graph.check([Node("c", "")]), lambda: graph.order(["a"])):
        with pytest.raises(CycleError) as caught:
            closed()
        assert caught.value.path == ("a", "c", "b")
        assert caught.value.at == Location("lib/b/pyproject.toml", 6)
        assert caught.value.details == (
            "lib/a/pyproject.toml requires c",
            "lib/c/pyproject.toml requires b",
            "lib/b/pyproject.toml requires a[x]",
        )
    assert graph.closure([Node("c", "")], X86).packages == ("b", "c")


def test_extras_that_need_each_other_are_a_cycle() -> None:
    graph = graph_of(project("a", x=["a[y]"], y=["a[x]"]))
    graph.check([Node("a", "")])
    with pytest.raises(CycleError) as caught:
        graph.closure([Node("a", "y")], None)
    assert caught.value.path == ("a[x]", "a[y]")
    assert caught.value.details == (
        "lib/a/pyproject.toml [x] requires a[y]",
        "lib/a/pyproject.toml [y] requires a[x]",
    )


def test_a_cycle_is_told_from_its_least_name_on_whoever_leads_into_it() -> None:
    projects = project("a", "c"), project("b", "c"), project("c", "b", "d"), project("d"), project("e", "b")
    for root in ("a", "b", "c", "e"):
        with pytest.raises(CycleError) as caught:
            graph_of(*projects).check([Node(root, "")])
        assert caught.value.path == ("b", "c")


def test_a_package_that_requires_itself_is_a_cycle() -> None:
    with pytest.raises(CycleError, match="a -> a"):
        graph_of(project("a", "a")).check([Node("a", "")])


def test_an_extra_that_does_not_exist_is_refused_where_it_is_required() -> None:
    graph = graph_of(project("a", "boto3", "b[fulll]"), project("b", full=[]))
    with pytest.raises(UserError) as caught:
        graph.own_edges("a")
    assert caught.value.message == (
        "lib/a/pyproject.toml asks for b[fulll], and lib/b/pyproject.toml has no extra 'fulll'"
    )
    assert caught.value.at == Location("lib/a/pyproject.toml", 6)
    assert caught.value.hint == "did you mean 'full'?"


def test_an_extra_that_does_not_exist_is_refused_where_an_extra_requires_it() -> None:
    graph = graph_of(project("a", "boto3", x=["b[full]"]), project("b"))
    with pytest.raises(UserError, match=r"lib/a/pyproject.toml \[x\] asks for b\[full\]") as caught:
        graph.needed_by([Node("a", "x")])
    assert caught.value.at == Location("lib/a/pyproject.toml", 8)
    assert caught.value.hint == "the extras there are: none"


def test_an_extra_that_a_root_asks_for_is_refused_by_who_asks() -> None:
    graph = graph_of(project("a", y=[], z=[]))
    for asked in (graph.needed_by, graph.check, lambda roots, by: graph.closure(roots, None, by=by)):
        with pytest.raises(UserError, match=r"//app:image asks for a\[other\]") as caught:
            asked([Node("a", "other")], by="//app:image")
        assert caught.value.hint == "the extras there are: y, z"
    with pytest.raises(UserError, match="no extra 'q'"):
        graph.edges(Node("a", "q"))


def test_a_root_that_is_third_party_is_refused() -> None:
    with pytest.raises(
        UserError, match=r"//app:image asks for boto3, and no package of the workspace"
    ) as caught:
        graph_of().needed_by([Node("boto3", "")], by="//app:image")
    assert caught.value.hint


def test_a_version_that_the_package_does_not_have_is_refused() -> None:
    graph = graph_of(project("a", "b<3,>=2"), replace(project("b"), version="1.9"))
    with pytest.raises(UserError) as caught:
        graph.own_edges("a")
    assert caught.value.message == (
        "lib/a/pyproject.toml requires b<3,>=2, and lib/b/pyproject.toml has version 1.9"
    )
    assert caught.value.at == Location("lib/a/pyproject.toml", 5)
    assert caught.value.hint


def test_versions_are_refused_only_where_the_marker_holds() -> None:
    graph = graph_of(
        project("a", "b>=2; platform_machine == 'aarch64'", "b>=1; platform_machine != 'aarch64'"),
        project("b"),
    )
    graph.check([Node("a", "")])
    assert graph.closure([Node("a", "")], X86).packages == ("b", "a")
    with pytest.raises(UserError, match="requires b>=2"):
        graph.closure([Node("a", "")], ARM)


@pytest.mark.parametrize("version", ["2.0.dev1", None])
def test_previews_and_dynamic_versions_will_do(version: str | None) -> None:
    graph = graph_of(project("a", "b>=1.5"), replace(project("b"), version=version))
    assert graph.own_edges("a") == ("b",)


def test_a_file_url_never_becomes_a_requirement_for_the_package_index() -> None:
    a = project("a", "b @ file:///home/me/b")
    assert graph_of(a, project("b")).own_edges("a") == ("b",)
    with pytest.raises(UserError, match="b is required by a file URL, and no package") as caught:
        graph_of(a).own_edges("a")
    assert caught.value.at == Location("lib/a/pyproject.toml", 5)
    assert caught.value.hint


def test_a_marker_without_a_value_has_its_place() -> None:
    graph = graph_of(project("a", "boto3; os_name ~= 'posix'"))
    with pytest.raises(UserError, match="has no value") as caught:
        graph.closure([Node("a", "")], X86)
    assert caught.value.at == Location("lib/a/pyproject.toml", 5)
