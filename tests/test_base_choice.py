"""base = "auto": which base is chosen, why, and that no edit moves an image to another one."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdabuild.base_choice import Candidate, choose
from lambdabuild.configured import ConfiguredLabel
from lambdabuild.errors import CycleError, UserError
from lambdabuild.evaluation import Evaluation
from lambdabuild.label import parse_label
from tests.packages import base, lock, package
from tests.project import Project

NAMES = st.sampled_from("abcdefgh")
NEEDED = st.dictionaries(NAMES, st.integers(0, 10**7), max_size=6)


@st.composite
def candidates(draw: st.DrawFn) -> list[Candidate]:
    needed = draw(NEEDED)
    holds = draw(st.lists(st.frozensets(NAMES), min_size=1, max_size=5))
    problems = draw(st.lists(st.sampled_from(["", "", "it holds another six"]), min_size=5, max_size=5))
    return [Candidate(f"//:{i}", needed, each, problems[i]) for i, each in enumerate(holds)]


@given(candidates())
def test_no_usable_base_holds_more_than_the_one_that_is_chosen(given: list[Candidate]) -> None:
    usable = {each.label: each for each in given if not each.problem}
    if not usable:
        with pytest.raises(UserError, match="none of the bases"):
            choose(given)
        return
    best = usable[choose(given).label]
    for other in usable.values():
        assert (best.covered, -best.beside) >= (other.covered, -other.beside)


@given(candidates(), NAMES)
def test_a_base_that_learns_a_needed_package_is_chosen_no_less(given: list[Candidate], name: str) -> None:
    if all(each.problem for each in given):
        return
    best = choose(given).label
    more = [
        Candidate(
            each.label,
            each.needed,
            each.holds | ({name} & each.needed.keys() if each.label == best else set()),
        )
        if not each.problem
        else each
        for each in given
    ]
    assert choose(more).label == best


def test_the_reason_names_what_is_missing_and_the_others() -> None:
    needed = {"boto3": 140_000, "botocore": 13_000_000, "six": 11_000}
    one = Candidate("//:small", needed, frozenset({"six"}))
    other = Candidate("//:large", needed, frozenset({"boto3", "botocore", "numpy"}))
    odd = Candidate("//:odd", needed, frozenset(needed), "six 1.16 is needed, and the base holds six 1.15")
    choice = choose([one, other, odd])
    assert choice.label == "//:large"
    assert choice.reason == (
        "//:large holds 13.1 MB of the 13.2 MB that are needed, and lacks six "
        "(//:small: 11 kB; //:odd: six 1.16 is needed, and the base holds six 1.15)"
    )


BUILD = (
    base("one", '    packages = ["//low"],\n')
    + base("two", '    packages = ["//low"],\n    requirements = ["big"],\n')
    + 'lambda_image(name = "image", base = "auto", packages = ["//high"])\n'
    + 'lambda_image(name = "small", base = "auto", packages = ["//low"])\n'
)
FILES: dict[str, str | bytes] = {
    **package("low", ["six"]),
    **package("high", ["low", "big"]),
    "python.lock": lock({"six 1.16": [], "big 2.0": []}, ["six", "big"], size=100_000),
    "BUILD": BUILD,
    "WORKSPACE.toml": '[workspace]\nplatforms = ["linux/amd64"]\n[images]\nauto = ["//:one", "//:two"]\n',
}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "w", tmp_path / "cache" / "lambdabuild", FILES)


def chosen(evaluation: Evaluation, label: str) -> str:
    """Returns the base that an image stands on."""
    id_ = ConfiguredLabel(parse_label(label), "linux/amd64")
    image = evaluation.graph.targets[id_].actions[-1]
    source = image.inputs["base/manifest.json"]
    return str(source[0].label)  # type: ignore[union-attr]


def test_the_base_that_holds_most_is_chosen_and_the_build_says_why(project: Project) -> None:
    evaluation = project.evaluate("//:image", "//:small")
    assert chosen(evaluation, "//:image") == "//:two"
    assert chosen(evaluation, "//:small") == "//:one"
    notes = {str(id_.label): texts for id_, texts in evaluation.notes.items()}
    assert notes["//:image"] == (
        "its base is chosen: //:two holds 266 kB of the 331 kB that are needed, and lacks high (//:one: 166 kB)",
    )


def test_all_candidates_are_dependencies(project: Project) -> None:
    labels = {str(id_.label) for id_ in project.graph("//:small").targets}
    assert {"//:one", "//:two"} <= labels


def test_an_edit_never_moves_an_image_to_another_base(project: Project) -> None:
    before = {label: chosen(project.evaluate(label), label) for label in ("//:image", "//:small")}
    project.write({"low/low/__init__.py": "x" * 1_000_000, "high/high/__init__.py": ""})
    assert {label: chosen(project.evaluate(label), label) for label in before} == before


def test_a_base_that_cannot_be_used_is_passed_over(project: Project) -> None:
    project.write({"BUILD": BUILD + 'base_image(name = "odd", base = "scratch")\n'})
    project.write({"WORKSPACE.toml": '[workspace]\n[images]\nauto = ["//:odd", "//:one"]\n'})
    evaluation = project.evaluate("//:image")
    assert chosen(evaluation, "//:image") == "//:one"
    (notes,) = evaluation.notes.values()
    assert "(//:odd: it does not say which Python it holds)" in notes[0]


def test_auto_without_candidates_says_where_to_name_them(project: Project) -> None:
    project.write({"WORKSPACE.toml": "[workspace]\n"})
    with pytest.raises(UserError, match='says base = "auto", and there is nothing to choose from') as caught:
        project.evaluate("//:image")
    assert str(caught.value.at) == "BUILD:16:30"
    assert "[images] auto" in (caught.value.hint or "")


def test_a_candidate_cannot_choose_among_candidates(project: Project) -> None:
    project.write({"BUILD": BUILD.replace('base = "scratch"', 'base = "auto"')})
    with pytest.raises(CycleError):
        project.evaluate("//:image")


@pytest.mark.parametrize("label", ["nonsense:", "//:missing", "//low"])
def test_a_candidate_has_to_be_an_image(project: Project, label: str) -> None:
    project.write({"WORKSPACE.toml": f'[workspace]\n[images]\nauto = ["{label}"]\n'})
    with pytest.raises(UserError):
        project.evaluate("//:image")
