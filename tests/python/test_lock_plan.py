"""What a lock has to cover, and what it names when it does not."""

from __future__ import annotations

import pytest

from lambdabuild.errors import UserError
from lambdabuild.python.lock import BuildLock, Lock, LockedPackage
from lambdabuild.python.lock_plan import plan_of, uncovered
from lambdabuild.python.platforms import Combination
from tests.python.test_lock import ARM, X86, file, lock_of, package

OLDER = Combination.of("3.12", "glibc 2.28", "linux/amd64")


def test_requirements_of_equal_systems_come_together_in_normal_form() -> None:
    plan = plan_of([(X86, ["B", "a>=1"]), (ARM, ["c"]), (X86, ["A >= 1"])], [], [])
    assert plan.requirements == {X86: ("a>=1", "b"), ARM: ("c",)}
    assert plan.all_requirements == ("a>=1", "b", "c")


def test_a_named_combination_serves_newer_systems_and_has_the_requirements_of_all() -> None:
    plan = plan_of([(X86, ["a"]), (ARM, ["b"])], [], [OLDER])
    assert plan.requirements == {OLDER: ("a", "b"), ARM: ("b",)}


def test_sets_of_build_requirements_are_sorted_and_empty_ones_need_nothing() -> None:
    plan = plan_of([], [["B", "a"], [], ["a", "b"], ["c"]], [])
    assert plan.builds == (("a", "b"), ("c",))


def test_what_a_lock_serves_already_is_resolved_as_the_lock_has_it() -> None:
    lock = Lock.of([OLDER], [], [])
    assert plan_of([(X86, ["a"])], [], []).on(lock) == {OLDER: ("a",)}
    assert plan_of([(X86, ["a"])], [], [X86]).on(lock) == {X86: ("a",)}
    assert plan_of([(X86, ["a"]), (OLDER, ["b"])], [], []).on(lock) == {OLDER: ("a", "b")}


def test_malformed_requirements_are_refused() -> None:
    with pytest.raises(UserError, match="is not a requirement"):
        plan_of([(X86, ["a>"])], [], [])
    with pytest.raises(UserError, match="is not a requirement"):
        plan_of([], [["a>"]], [])


def test_all_that_is_not_covered_is_named() -> None:
    hatchling = BuildLock.of(["hatchling"], [package("hatchling")])
    lock = Lock.of([X86], ["a", "b"], [package("a", "gone")], [hatchling])
    plan = plan_of([(X86, ["a", "c>=1"]), (ARM, ["a"])], [["hatchling"], ["flit-core", "x"]], [OLDER])
    names, reasons = uncovered(lock, plan)
    assert names == (
        str(OLDER),
        str(ARM),
        "c>=1",
        "the build requirements flit-core, x",
    )
    assert reasons == ()
    names, reasons = uncovered(lock, plan_of([(X86, ["a"])], [], []))
    assert names == (f"all that is needed for {X86}",)
    assert "has no gone" in reasons[0]


def test_a_lock_may_cover_more_than_is_wanted() -> None:
    lock = lock_of(["a", "b"], package("a"), package("b"), at=[OLDER, ARM])
    assert uncovered(lock, plan_of([(X86, ["a"])], [], [])) == ((), ())


def test_what_a_source_distribution_is_built_with_has_to_be_covered() -> None:
    source = LockedPackage.of("a", "1", [file("a-1.tar.gz")], build=["hatchling"])
    plan = plan_of([(X86, ["a"])], [], [])
    assert uncovered(lock_of(["a"], source), plan) == (("the build requirements hatchling",), ())
    built = Lock.of([X86], ["a"], [source], [BuildLock.of(["hatchling"], [package("hatchling")])])
    assert uncovered(built, plan) == ((), ())
