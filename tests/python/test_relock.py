"""A lock moves when somebody wants it to, and then no further than it has to."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdabuild.errors import ActionFailed, UserError
from lambdabuild.python.lock import Lock, LockedPackage
from lambdabuild.python.lock_plan import Plan, held, plan_of, uncovered
from lambdabuild.python.platforms import Combination
from lambdabuild.python.relock import Upgrade, update
from tests.python.memory_index import MemoryIndex, Releases
from tests.python.test_lock import ARM, X86, fewer, file, package

EMPTY = Lock.of((), (), ())


def plan(
    *requirements: str, at: Iterable[Combination] = (X86,), builds: Iterable[Iterable[str]] = ()
) -> Plan:
    return plan_of([(combination, requirements) for combination in at], builds, [])


def versions(lock: Lock, combination: Combination = X86) -> dict[str, str]:
    return {name: each.version for name, each in lock.at(combination).items()}


def newer(releases: Releases) -> Releases:
    """Returns the index when all have published once more."""
    return {
        name: {**held, "9.0": [*held.values()][-1], "3.1": next(iter(held.values()))}
        for name, held in releases.items()
    }


# --- laws --------------------------------------------------------------------

_NAMES = ("a", "b", "c", "d")


def _releases(random: random.Random) -> Releases:
    """Every release requires anything of packages that come later, so there are always solutions."""
    return {
        name: {
            version: random.sample([f"{each}>=1" for each in _NAMES[number + 1 :]], min(1, 3 - number))
            for version in random.sample(["1.0", "2.0", "2.1"], random.randint(1, 3))
        }
        for number, name in enumerate(_NAMES)
    }


def _plan(random: random.Random) -> Plan:
    asked = [
        (combination, random.sample([*_NAMES, "a>=1", "b<3"], random.randint(0, 3)))
        for combination in random.sample([X86, ARM], random.randint(1, 2))
    ]
    builds = [random.sample(_NAMES, random.randint(1, 2)) for _ in range(random.randint(0, 2))]
    return plan_of(asked, builds, [])


def drawn(make: object) -> st.SearchStrategy[object]:
    return st.integers(0, 1 << 32).map(random.Random).map(make)  # type: ignore[arg-type]


indexes: st.SearchStrategy[Releases] = drawn(_releases)  # type: ignore[assignment]
plans: st.SearchStrategy[Plan] = drawn(_plan)  # type: ignore[assignment]


@fewer
@given(indexes, plans, plans)
def test_what_was_updated_covers_the_plan_and_holds_nothing_else(
    releases: Releases, before: Plan, after: Plan
) -> None:
    index = MemoryIndex(releases)
    lock = update(update(EMPTY, before, index), after, index)
    assert uncovered(lock, after) == ((), ())
    assert lock.requirements == after.all_requirements
    assert tuple(build.requires for build in lock.builds) == after.builds
    wanted = after.on(lock)
    assert lock.combinations == tuple(wanted)
    for combination, requirements in wanted.items():
        needed = {each.name for each in held(lock, combination, requirements)}
        assert lock.at(combination).keys() == needed


@fewer
@given(indexes, plans)
def test_a_lock_that_covers_everything_stays_whatever_the_index_has(releases: Releases, wanted: Plan) -> None:
    lock = update(EMPTY, wanted, MemoryIndex(releases))
    moved = MemoryIndex(newer(releases))
    assert update(lock, wanted, moved) == lock
    assert moved.calls == []


@fewer
@given(indexes, plans, plans)
def test_what_stays_required_keeps_its_version_when_others_are_added(
    releases: Releases, first: Plan, second: Plan
) -> None:
    lock = update(EMPTY, first, MemoryIndex(releases))
    asked = [*first.requirements.items(), *second.requirements.items()]
    after = update(lock, plan_of(asked, [], []), MemoryIndex(newer(releases)))
    for combination in first.requirements:
        before = versions(lock, combination)
        assert (
            before.items() <= {n: v for n, v in versions(after, combination).items() if n in before}.items()
        )


@fewer
@given(indexes, plans)
def test_upgrading_all_gives_what_a_lock_without_a_past_has(releases: Releases, wanted: Plan) -> None:
    lock = update(EMPTY, wanted, MemoryIndex(releases))
    moved = MemoryIndex(newer(releases))
    everything = Upgrade.of([], lock, everything=True)
    assert update(lock, wanted, moved, upgrade=everything) == update(EMPTY, wanted, moved)


# --- cases -------------------------------------------------------------------

OLD: Releases = {
    "boto": {"1.0": ["core==1.0"]},
    "core": {"1.0": ["six"]},
    "six": {"1.0": []},
    "tool": {"1.0": []},
    "hatch": {"1.0": ["six"]},
}
NEW: Releases = {
    "boto": {"1.0": ["core==1.0"], "2.0": ["core==2.0"]},
    "core": {"1.0": ["six"], "2.0": ["six"]},
    "six": {"1.0": [], "2.0": []},
    "tool": {"1.0": [], "2.0": []},
    "hatch": {"1.0": ["six"], "2.0": ["six"]},
}


def locked(*requirements: str, builds: Iterable[Iterable[str]] = ()) -> Lock:
    return update(EMPTY, plan(*requirements, builds=builds), MemoryIndex(OLD))


def test_a_new_requirement_moves_nothing_that_is_locked() -> None:
    after = update(locked("boto"), plan("boto", "tool"), MemoryIndex(NEW))
    assert versions(after) == {"boto": "1.0", "core": "1.0", "six": "1.0", "tool": "2.0"}


def test_a_new_combination_gets_the_versions_of_the_others() -> None:
    after = update(locked("boto"), plan("boto", at=[X86, ARM]), index := MemoryIndex(NEW))
    assert versions(after, ARM) == versions(after, X86) == versions(locked("boto"))
    assert index.calls == [(str(ARM), "boto")]


def test_a_requirement_that_excludes_what_is_locked_moves_that_and_what_hangs_on_it() -> None:
    said: list[str] = []
    after = update(locked("boto", "tool"), plan("boto>=2", "tool"), MemoryIndex(NEW), say=said.append)
    assert versions(after) == {"boto": "2.0", "core": "2.0", "six": "2.0", "tool": "1.0"}
    assert said == [
        f"resolving for {X86}",
        "the locked versions cannot all be kept: fewer of them are",
        f"resolving for {X86}",
    ]


def test_locked_versions_that_contradict_a_new_package_are_given_up() -> None:
    said: list[str] = []
    index = MemoryIndex({**NEW, "new": {"1.0": ["six>=2"]}})
    after = update(locked("six", "tool"), plan("six", "tool", "new"), index, say=said.append)
    assert versions(after) == {"new": "1.0", "six": "2.0", "tool": "2.0"}
    assert "the locked versions cannot all be kept: none of them are" in said


def test_requirements_that_contradict_each_other_are_an_error_and_not_tried_for_ever() -> None:
    index = MemoryIndex(NEW)
    with pytest.raises(ActionFailed):
        update(locked("boto"), plan("boto", "six>=3"), index)
    assert len(index.calls) == 2


def test_an_upgrade_moves_the_package_alone_if_it_can() -> None:
    lock = locked("tool", "six", "hatch")
    after = update(lock, plan("tool", "six", "hatch"), MemoryIndex(NEW), upgrade=Upgrade.of(["Hatch"], lock))
    assert versions(after) == {"hatch": "2.0", "six": "1.0", "tool": "1.0"}


def test_an_upgrade_takes_along_what_holds_the_package_back() -> None:
    lock = locked("boto", "tool")
    after = update(lock, plan("boto", "tool"), MemoryIndex(NEW), upgrade=Upgrade.of(["boto"], lock))
    assert versions(after) == {"boto": "2.0", "core": "2.0", "six": "2.0", "tool": "1.0"}


def test_an_upgrade_of_what_is_newest_moves_nothing() -> None:
    releases = {**NEW, "boto": OLD["boto"]}
    lock = locked("boto")
    assert update(lock, plan("boto"), MemoryIndex(releases), upgrade=Upgrade.of(["boto"], lock)) == lock


def test_an_upgrade_resolves_only_what_holds_the_package() -> None:
    lock = update(
        EMPTY, plan_of([(X86, ["tool"]), (ARM, ["six"])], [["hatch"], ["tool"]], []), MemoryIndex(OLD)
    )
    wanted = plan_of([(X86, ["tool"]), (ARM, ["six"])], [["hatch"], ["tool"]], [])
    after = update(lock, wanted, index := MemoryIndex(NEW), upgrade=Upgrade.of(["six"], lock))
    assert index.calls == [(str(ARM), "six"), ("hatch",)]
    assert versions(after, ARM) == {"six": "2.0"}
    assert versions(after, X86) == {"tool": "1.0"}
    assert {each.name: each.version for each in after.build(["hatch"]).packages} == {
        "hatch": "1.0",
        "six": "2.0",
    }


def test_an_upgrade_of_a_package_that_is_not_locked_is_refused() -> None:
    with pytest.raises(UserError, match="no botto that could be upgraded") as caught:
        Upgrade.of(["Botto"], locked("boto"))
    assert "boto" in (caught.value.hint or "")
    assert Upgrade.of(["hatch"], locked("tool", builds=[["hatch"]])).names == {"hatch"}


def test_a_new_set_of_build_requirements_gets_the_versions_of_the_others() -> None:
    lock = locked(builds=[["hatch"]])
    after = update(lock, plan(builds=[["hatch"], ["hatch", "tool"]]), index := MemoryIndex(NEW))
    assert index.calls == [("hatch", "tool")]
    assert {each.name: each.version for each in after.build(["tool", "hatch"]).packages} == {
        "hatch": "1.0",
        "six": "1.0",
        "tool": "2.0",
    }


def test_a_file_that_one_combination_found_is_taken_by_all_that_it_fits_best() -> None:
    older = Combination.of("3.12", "glibc 2.28", "linux/amd64")

    class OneFileEach(MemoryIndex):
        """Like an index that published a wheel between two resolutions."""

        def packages(
            self, combination: Combination, requirements: Sequence[str], constraints: Sequence[str]
        ) -> list[LockedPackage]:
            self.calls.append(tuple(requirements))
            tags = ["py3-none-any"] if combination == X86 else ["cp312-cp312-manylinux_2_28_x86_64"]
            return [package("a", files=tags)]

    wanted = plan("a", at=[X86, older])
    lock = update(EMPTY, wanted, index := OneFileEach({}))
    (held_package,) = lock.packages
    assert [file.name for file in held_package.files] == ["a-1.0-cp312-cp312-manylinux_2_28_x86_64.whl"]
    assert update(lock, wanted, index) == lock
    assert len(index.calls) == 2


def test_what_source_distributions_are_built_with_is_locked_too() -> None:
    class Sources(MemoryIndex):
        """Has source distributions only, but for build requirements."""

        def packages(
            self, combination: Combination, requirements: Sequence[str], constraints: Sequence[str]
        ) -> list[LockedPackage]:
            found = super().packages(combination, requirements, constraints)
            return [
                LockedPackage.of(
                    each.name, each.version, [file(f"{each}.zip".replace(" ", "-"))], build=["hatch"]
                )
                for each in found
            ]

    lock = update(EMPTY, plan("tool"), Sources(OLD))
    assert [each.name for each in lock.build(["hatch"]).packages] == ["hatch", "six"]
    moved = Sources(NEW)
    assert update(lock, plan("tool"), moved) == lock
    assert moved.calls == []
    assert update(lock, plan(), moved).builds == ()


def test_an_extra_that_a_package_does_not_have_is_found_when_it_is_locked() -> None:
    index = MemoryIndex({"moto": {"1.0": ["six; extra == 'sqs'"]}})
    with pytest.raises(UserError, match=r"moto 1\.0 has no extra 'sq'") as caught:
        update(EMPTY, plan("moto[sq]"), index)
    assert "sqs" in (caught.value.hint or "")


def test_a_machine_with_a_newer_c_library_does_not_move_the_lock() -> None:
    newer_machine = Combination.of("3.12", "glibc 2.39", "linux/amd64")
    lock = locked("boto")
    assert update(lock, plan("boto", at=[newer_machine]), MemoryIndex(NEW)) == lock
    after = update(lock, plan("boto", "tool", at=[newer_machine]), MemoryIndex(NEW))
    assert after.combinations == (X86,)
