"""The laws of selection: the smallest closed set, whatever the order, with the best wheel of each."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import Requirement
from packaging.tags import sys_tags
from packaging.utils import parse_wheel_filename

from lambdabuild.errors import UserError
from lambdabuild.python.lock import BuildLock, Lock, LockedPackage
from lambdabuild.python.platforms import Combination, marker_environment, tags
from lambdabuild.python.selection import LockedWheel, Selector, select, select_for_host
from tests.python.test_lock import (
    ARM,
    COMBINATIONS,
    X86,
    Resolved,
    fewer,
    file,
    lock_of,
    locks,
    package,
    resolutions,
)


@st.composite
def questions(draw: st.DrawFn) -> tuple[Lock, list[str], Combination]:
    lock = draw(locks)
    asked = draw(st.lists(st.sampled_from(lock.requirements), max_size=4))
    return lock, asked, draw(st.sampled_from(lock.combinations))


Question = tuple[Lock, list[str], Combination]


def names(selected: tuple[LockedWheel, ...]) -> list[str]:
    return [each.name for each in selected]


def smallest_closed_set(lock: Lock, asked: list[str], combination: Combination) -> set[str]:
    """Returns the least fixed point, from the definition and not fast."""
    packages = lock.at(combination)

    def reached(text: str, extra: str) -> set[tuple[str, str]]:
        requirement = Requirement(text)
        if requirement.marker and not requirement.marker.evaluate({**marker_environment(combination, extra)}):
            return set()
        return {(requirement.name, each) for each in ("", *requirement.extras)}

    found = {pair for text in asked for pair in reached(text, "")}
    while True:
        more = {
            pair
            for name, extra in found
            if not extra or extra in packages[name].provides
            for text in packages[name].requires
            for pair in reached(text, extra)
        }
        if more <= found:
            return {name for name, _ in found}
        found |= more


@fewer
@given(questions())
def test_the_selection_is_the_smallest_closed_set(question: Question) -> None:
    assert set(names(select(*question))) == smallest_closed_set(*question)


@fewer
@given(questions())
def test_the_selection_is_closed(question: Question) -> None:
    lock, _, combination = question
    selected = set(names(select(*question)))
    for name in selected:
        for text in lock.at(combination)[name].requires:
            edge = Requirement(text)
            if edge.marker is None or edge.marker.evaluate({**marker_environment(combination)}):
                assert edge.name in selected


@fewer
@given(questions(), st.data())
def test_the_selection_is_monotone(question: Question, data: st.DataObject) -> None:
    lock, asked, combination = question
    more = data.draw(st.lists(st.sampled_from(lock.requirements)))
    assert {*select(lock, asked, combination)} <= {*select(lock, asked + more, combination)}


@fewer
@given(questions())
def test_the_selection_is_idempotent(question: Question) -> None:
    lock, asked, combination = question
    selected = select(lock, asked, combination)
    assert select(lock, [*asked, *names(selected)], combination) == selected


@fewer
@given(questions(), st.randoms())
def test_the_selection_does_not_depend_on_order_or_repetition(
    question: Question, random: random.Random
) -> None:
    lock, asked, combination = question
    shuffled = random.sample(asked * 2, len(asked) * 2)
    assert select(lock, iter(shuffled), combination) == select(lock, asked, combination)


@fewer
@given(locks, st.data())
def test_a_selector_answers_alike_whatever_it_was_asked_before(lock: Lock, data: st.DataObject) -> None:
    combination = data.draw(st.sampled_from(lock.combinations))
    selector = Selector(lock, combination)
    for asked in data.draw(st.lists(st.lists(st.sampled_from(lock.requirements), max_size=2), max_size=3)):
        assert selector.select(asked) == select(lock, asked, combination)


@fewer
@given(resolutions)
def test_a_merged_lock_selects_what_each_resolution_alone_selects(made: tuple[list[str], Resolved]) -> None:
    requirements, resolved = made
    for combination, packages in resolved.items():
        alone = Lock.of([combination], requirements, packages)
        merged = select(Lock.merged(requirements, resolved), requirements, combination)
        versions = [(each.name, each.version) for each in merged]
        assert versions == [(each.name, each.version) for each in select(alone, requirements, combination)]


@fewer
@given(questions())
def test_every_selected_wheel_is_the_best_there_is(question: Question) -> None:
    lock, _, combination = question
    order = tags(combination)

    def rank(name: str) -> tuple[int, tuple[int, str]]:
        _, _, build, its_tags = parse_wheel_filename(name)
        ranks = [order.index(tag) for tag in its_tags if tag in order]
        return -min(ranks, default=len(order)), build or (0, "")

    selected = select(*question)
    assert names(selected) == sorted(names(selected))
    for each in selected:
        held = lock.at(combination)[each.name]
        assert (each.version, each.file in held.files) == (held.version, True)
        assert rank(each.file.name) == max(rank(file.name) for file in held.files if file.is_wheel)


def test_extras_bring_their_edges_and_self_extras_too() -> None:
    lock = lock_of(
        ["app[all]", "app"],
        package("app", "App[One,two]; extra == 'all'", "b; extra == 'one'", "c[x]; extra == 'two'"),
        *(package("b"), package("c", "d; extra == 'x'", "e; extra == 'y'"), package("d"), package("e")),
    )
    selector = Selector(lock, X86)
    assert names(selector.select(["APP[All]"])) == ["app", "b", "c", "d"]
    assert names(selector.select(["app"])) == ["app"]


def test_an_extra_takes_nothing_away() -> None:
    lock = lock_of(["a[x]"], package("a", "b; extra != 'x'", "c; extra == 'x'"), package("b"), package("c"))
    assert names(select(lock, ["a[x]"], X86)) == ["a", "b", "c"]
    assert names(select(lock_of(["d"], package("d", "e[none]"), package("e")), ["d"], X86)) == ["d", "e"]


def test_cycles_are_fine() -> None:
    lock = lock_of(["a"], package("a", "b"), package("b", "c[x]"), package("c", "a; extra == 'x'", "c"))
    assert names(select(lock, ["a"], X86)) == ["a", "b", "c"]


def test_a_requirement_whose_marker_is_false_needs_nothing_of_the_lock() -> None:
    lock = lock_of(["winreg>=1; sys_platform == 'win32'"])
    assert select(lock, ["winreg>=1; sys_platform == 'win32'"], X86) == ()


def test_each_combination_gets_its_own_version_and_wheel() -> None:
    wheels = ["cp312-cp312-manylinux_2_17_x86_64", "cp312-cp312-manylinux_2_17_aarch64"]
    new, old = package("a", files=wheels), package("a", version="0.9", files=["cp39-abi3-manylinux1_x86_64"])
    lock = Lock.merged(["a"], {COMBINATIONS[0]: [old], X86: [new], ARM: [new]})
    chosen = [select(lock, ["a"], combination)[0].file.name for combination in COMBINATIONS]
    assert chosen == [
        "a-0.9-cp39-abi3-manylinux1_x86_64.whl",
        *(f"a-1.0-{wheel}.whl" for wheel in wheels),
    ]


def test_the_narrower_tag_and_then_the_higher_build_number_win() -> None:
    files = ["py3-none-any", "9-py3-none-any", "cp38-abi3-manylinux_2_17_x86_64", "cp312-cp312-linux_x86_64"]
    lock = lock_of(["a"], package("a", files=[*files, "cp312-cp312-manylinux_2_30_x86_64"]))
    assert select(lock, ["a"], X86)[0].file.name == "a-1.0-cp312-cp312-manylinux_2_30_x86_64.whl"
    twofold = "cp312-cp312-manylinux_2_31_x86_64.manylinux_2_5_x86_64"
    levels = package("a", files=[twofold, "cp312-cp312-manylinux_2_30_x86_64"])
    assert select(lock_of(["a"], levels), ["a"], X86)[0].file.name == f"a-1.0-{twofold}.whl"
    builds = package("a", files=["py3-none-any", "9-py3-none-any", "10-py3-none-any", "10a-py3-none-any"])
    assert select(lock_of(["a"], builds), ["a"], X86)[0].file.name == "a-1.0-10a-py3-none-any.whl"


# --- what goes wrong ---------------------------------------------------------


@pytest.mark.parametrize(
    ("lock", "asked", "message", "hint"),
    [
        (lock_of(["a"], package("a")), "b", "does not cover the requirement b", "lambdabuild lock"),
        (lock_of(["a"], package("a")), "a>=1", "does not cover the requirement a>=1", "lambdabuild lock"),
        (lock_of(["a"], package("a")), "a>>1", "is not a requirement", "PEP 508"),
        (lock_of(["a"], package("a")), "a; os_name", "is not a requirement", "PEP 508"),
        (lock_of(["a"], package("a")), "a[", "is not a requirement", "PEP 508"),
        (
            lock_of(["a>=2"], package("a")),
            "a>=2",
            "has a 1.0, and the workspace requires a>=2",
            "lambdabuild lock",
        ),
        (lock_of(["a"]), "a", "has no a for python 3.12, glibc 2.34, linux/amd64", "lambdabuild lock"),
        (lock_of(["a"], package("a", "b>1"), package("b")), "a", "has b 1.0, and a 1.0 requires b>1", "lock"),
        (lock_of(["a"], package("a", "b")), "a", "has no b for", "lambdabuild lock"),
        (lock_of(["a[fulll]"], package("a", "a; extra == 'full'")), "a[fulll]", "no extra 'fulll'", "'full'"),
        (lock_of(["a[x]"], package("a")), "a[x]", "a 1.0 has no extra 'x'", "drop [x] from a[x]"),
        (lock_of(["a"], package("a", "a; os_name ~= 'x'")), "a", "has no value", None),
    ],
)
def test_what_cannot_be_selected_says_why_and_what_to_do(
    lock: Lock, asked: str, message: str, hint: str | None
) -> None:
    with pytest.raises(UserError) as caught:
        select(lock, [asked], X86)
    assert message in caught.value.message
    if hint:
        assert hint in (caught.value.hint or "")


def test_a_combination_that_was_not_locked_is_refused() -> None:
    with pytest.raises(
        UserError, match=r"was not resolved for python 3\.12, glibc 2\.34, linux/arm64"
    ) as caught:
        select(lock_of(["a"], package("a")), ["a"], ARM)
    assert caught.value.hint == "lambdabuild lock"
    assert caught.value.details == ("it was resolved for python 3.12, glibc 2.34, linux/amd64",)


def test_a_newer_c_library_gets_what_was_resolved_for_the_older_one() -> None:
    newer = Combination.of("3.12", "glibc 2.100", "linux/amd64")
    files = ["cp312-cp312-manylinux_2_34_x86_64", "cp312-cp312-manylinux_2_35_x86_64"]
    lock = lock_of(["a"], package("a", files=files))
    assert select(lock, ["a"], newer) == select(lock, ["a"], X86)
    apart = Lock.merged(["a"], {X86: [package("a")], ARM: [package("a", version="2.0")]})
    assert select(apart, ["a"], newer) == select(apart, ["a"], X86)


# --- build environments ------------------------------------------------------


def test_the_host_gets_its_own_wheels_of_a_build_environment() -> None:
    own = str(next(tag for tag in sys_tags() if tag.platform != "any"))
    build = BuildLock.of(
        ["a[x]", "never; python_version < '3'"],
        [
            package("a", "b; extra == 'x'", "c; extra == 'y'", "never; sys_platform == 'none'", "d"),
            package("b", files=["py3-none-any", own, "cp310-cp310-win32"]),
            package("c"),
            package("d", files=["py2.py3-none-any"]),
        ],
    )
    files = [each.file.name for each in select_for_host(build)]
    assert files == ["a-1.0-py3-none-any.whl", f"b-1.0-{own}.whl", "d-1.0-py2.py3-none-any.whl"]
    assert select_for_host(BuildLock.of([], [])) == ()


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (BuildLock.of(["a"], []), "has no a for the Python"),
        (BuildLock.of(["a>=2"], [package("a")]), r"a 1\.0, and \[build-system\] requires a>=2"),
        (BuildLock.of(["a[x]"], [package("a")]), "no extra 'x'"),
        (
            BuildLock.of(["a"], [package("a", files=["cp310-cp310-win32"])]),
            r"no wheel of a 1\.0 fits the Python",
        ),
        (
            BuildLock.of(["a"], [LockedPackage.of("a", "1", [file("a-1.zip")])]),
            "a 1 has no wheel, and build requirements need wheels",
        ),
    ],
)
def test_a_build_environment_that_cannot_be_says_why(build: BuildLock, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        select_for_host(build)
    assert caught.value.hint


def test_no_matching_wheel_names_the_package_the_combination_and_the_nearest_wheels() -> None:
    files = ["cp311-cp311-manylinux_2_17_x86_64", "cp312-cp312-manylinux_2_39_x86_64"]
    files += ["cp312-cp312-macosx_11_0_arm64", "cp312-cp312-manylinux_2_41_x86_64", "cp310-cp310-win32"]
    with pytest.raises(UserError) as caught:
        select(lock_of(["numpy"], package("numpy", files=files)), ["numpy"], X86)
    assert caught.value.message == "no wheel of numpy 1.0 fits python 3.12, glibc 2.34, linux/amd64"
    assert caught.value.details == (
        "the nearest there are:",
        "numpy-1.0-cp312-cp312-manylinux_2_39_x86_64.whl needs glibc 2.39",
        "numpy-1.0-cp312-cp312-manylinux_2_41_x86_64.whl needs glibc 2.41",
        "numpy-1.0-cp311-cp311-manylinux_2_17_x86_64.whl is for cp311-cp311",
        "and 2 more",
    )
    assert caught.value.hint


def test_a_source_distribution_is_taken_only_for_the_host_and_only_without_a_wheel() -> None:
    source = LockedPackage.of("a", "1.0", [file("a-1.0.tar.gz")])
    with pytest.raises(UserError, match="built for the host's own platform only") as caught:
        select(lock_of(["a"], source), ["a"], X86)
    assert caught.value.details == ("a-1.0.tar.gz",)
    selector = Selector(lock_of(["a"], source), X86, sdists=True)
    assert selector.select(["a"]) == (LockedWheel("a", "1.0", file("a-1.0.tar.gz")),)
    both = LockedPackage.of("a", "1.0", [*source.files, *package("a").files])
    assert Selector(lock_of(["a"], both), X86, sdists=True).select(["a"])[0].file.is_wheel
