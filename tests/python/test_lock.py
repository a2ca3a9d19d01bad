"""A lock is a value in one canonical form; and the vocabulary of the laws about locks."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambdabuild.digest import encode
from lambdabuild.errors import UserError
from lambdabuild.python.lock import BuildLock, Lock, LockedFile, LockedPackage
from lambdabuild.python.platforms import Combination

COMBINATIONS = (
    Combination.of("3.9", "glibc 2.26", "linux/amd64"),
    Combination.of("3.12", "glibc 2.34", "linux/amd64"),
    Combination.of("3.12", "glibc 2.34", "linux/arm64"),
)
X86, ARM = COMBINATIONS[1:]
Resolved = Mapping[Combination, list[LockedPackage]]


def file(name: str, size: int = 1) -> LockedFile:
    return LockedFile.of(name, size, sha256(name.encode()).hexdigest())


def package(name: str, *requires: str, version: str = "1.0", files: Iterable[str] = ()) -> LockedPackage:
    """Returns a package with the wheels that `files` tells the tags of; one for every system by default."""
    stem = f"{name.replace('-', '_')}-{version}"
    wheels = [file(f"{stem}-{tag}.whl") for tag in files or ["py3-none-any"]]
    return LockedPackage.of(name, version, wheels, requires=requires)


def lock_of(
    requirements: Iterable[str], *packages: LockedPackage, at: Iterable[Combination] = (X86,)
) -> Lock:
    return Lock.of(at, requirements, packages)


# --- strategies --------------------------------------------------------------

_NAMES = ("a", "b", "c-c", "d", "e", "f")
_TAGS = (
    "py3-none-any",
    "cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64",
    "cp312-cp312-manylinux_2_28_aarch64",
    "1-py3-none-any",
    "cp38-abi3-manylinux_2_5_x86_64.manylinux1_x86_64",
    "cp39-cp39-manylinux_2_39_x86_64",
    "cp312-cp312-win_amd64",
)
_MARKERS = (
    *('extra == "x"', 'extra == "y"', 'extra == "x" and python_version < "3.10"', 'extra == "z"'),
    *('platform_machine == "aarch64"', 'sys_platform == "win32"', 'extra != "x"', "", ""),
)
_SPECIFIERS = ("", "", ">=1", "<9,!=3.*", ">=1.0rc1")
_VERSIONS = (("1.0",), ("2.1",), ("1.0", "2.1"), ("1.5rc1", "1.5"))


def _resolution(random: random.Random, count: int) -> tuple[list[str], Resolved]:
    def texts(extras: str, most: int) -> list[str]:
        return [
            f"{random.choice(names)}[{','.join(random.sample(extras, random.randint(0, 2)))}]"
            f"{random.choice(_SPECIFIERS)}{f'; {marker}' if marker else ''}"
            for marker in random.choices(_MARKERS, k=random.randint(0, most))
        ]

    def versions(name: str) -> Iterable[LockedPackage]:
        for version in random.choice(_VERSIONS):
            wheels = package(name, version=version, files=[_TAGS[0], *random.sample(_TAGS, 2)]).files
            sdist = [file(f"{name}-{version}.tar.gz")][: random.randint(0, 1)]
            yield LockedPackage.of(
                name, version, [*wheels, *sdist], requires=texts("xyw", 3), extras=["x", "y"]
            )

    def resolved(versions: list[LockedPackage]) -> LockedPackage:
        """Like some tools, each time lists only some of the files."""
        each = random.choice(versions)
        return replace(
            each, files=tuple(one for one in each.files if "py3" in one.name or random.random() < 0.5)
        )

    names = random.sample(_NAMES, count)
    held = [[*versions(name)] for name in names]
    combinations = random.sample(COMBINATIONS, random.randint(1, 3))
    return [*names, *texts("xy", 3)], {each: list(map(resolved, held)) for each in combinations}


resolutions: st.SearchStrategy[tuple[list[str], Resolved]] = st.builds(
    _resolution, st.integers(0, 1 << 32).map(random.Random), st.integers(1, len(_NAMES))
)
"""Requirements, and what they were resolved to for each of some combinations.

Every package is required on its own too, offers the extras x and y, and has a
wheel for every system. Edges also ask for an extra that nobody has. Drawn as a
seed, which is ten times faster than drawing every part.
"""

fewer = settings(max_examples=settings().max_examples // 2)
"""For laws about locks, which take long to make."""


def _build(random: random.Random, count: int) -> BuildLock:
    names = random.sample(_NAMES, count)
    packages = [package(name, *random.sample(_NAMES, 1), files=random.sample(_TAGS, 3)) for name in names]
    return BuildLock.of([f"{name}{random.choice(_SPECIFIERS)}" for name in names[:2]], packages)


build_locks: st.SearchStrategy[BuildLock] = st.builds(
    _build, st.integers(0, 1 << 32).map(random.Random), st.integers(1, len(_NAMES))
)

locks: st.SearchStrategy[Lock] = st.builds(
    lambda made, builds: Lock.merged(made[0], made[1], builds),
    resolutions,
    st.lists(build_locks, max_size=2, unique_by=lambda build: build.requires),
)


# --- laws --------------------------------------------------------------------


@fewer
@given(resolutions)
def test_a_merged_lock_says_for_each_combination_what_was_resolved_for_it(
    made: tuple[list[str], Resolved],
) -> None:
    lock = Lock.merged(*made)
    assert set(lock.combinations) == made[1].keys()
    for combination, packages in made[1].items():
        held = lock.at(combination)
        assert {each.name for each in packages} == held.keys()
        for each in packages:
            ours = held[each.name]
            assert (ours.version, ours.requires, ours.provides) == (
                each.version,
                each.requires,
                each.provides,
            )
            assert {*each.files} <= {*ours.files}


@fewer
@given(locks, st.randoms())
def test_a_lock_does_not_depend_on_the_order_of_its_parts(lock: Lock, random: random.Random) -> None:
    def shuffled(items: tuple[str, ...]) -> list[str]:
        return random.sample(items, len(items))

    packages = [
        LockedPackage.of(
            each.name.upper(),
            each.version,
            random.sample(each.files, len(each.files)),
            requires=shuffled(each.requires),
            extras=shuffled((*each.extras, *each.provides)),
            combinations=random.sample(lock.combinations, len(lock.combinations))
            if not each.combinations
            else each.combinations[::-1],
        )
        for each in random.sample(lock.packages, len(lock.packages))
    ]
    builds = [
        BuildLock.of(shuffled(each.requires), random.sample(each.packages, len(each.packages)))
        for each in random.sample(lock.builds, len(lock.builds))
    ]
    assert Lock.of(lock.combinations[::-1], shuffled(lock.requirements), packages, builds) == lock


@fewer
@given(build_locks)
def test_a_build_lock_comes_back_from_its_document(build: BuildLock) -> None:
    document = build.document()
    assert BuildLock.from_document(document) == build
    assert BuildLock.from_document(json.loads(encode(document))) == build


@given(build_locks, st.data())
def test_no_part_of_a_build_lock_s_document_can_be_left_out_or_be_another(
    build: BuildLock, data: st.DataObject
) -> None:
    document = json.loads(encode(build.document()))
    place = document
    while isinstance(place, dict | list) and place:
        above, key = (
            place,
            data.draw(st.sampled_from([*(place if isinstance(place, dict) else range(len(place)))])),
        )
        place = above[key]
    above[key] = data.draw(st.sampled_from([None, True, 0, "", {}, [[]], -1.5]))
    with pytest.raises(UserError):
        BuildLock.from_document(document)


def test_a_build_lock_is_found_by_its_requirements_however_they_are_written() -> None:
    build = BuildLock.of(["hatchling>=1", "hatch-vcs"], [package("hatchling"), package("hatch-vcs")])
    lock = Lock.of([X86], [], [], [build, build])
    assert lock.builds == (build,)
    assert lock.build(["Hatch_VCS", "hatchling >= 1"]) == build
    with pytest.raises(UserError, match="does not cover the build requirements hatchling, wheel") as caught:
        lock.build(["wheel", "hatchling"])
    assert caught.value.hint == "lambdabuild lock"


# --- which systems a lock serves ---------------------------------------------


def test_a_lock_serves_newer_c_libraries_of_the_series_and_nothing_else() -> None:
    def combination(python: str, libc: str, platform: str = "linux/amd64") -> Combination:
        return Combination.of(python, libc, platform)

    old, new = combination("3.12", "glibc 2.9"), combination("3.12", "glibc 2.28")
    lock = Lock.of([old, new, combination("3.12", "musl 1.1")], [], [])
    assert lock.serving(old) == old
    assert lock.serving(combination("3.12", "glibc 2.27")) == old
    assert lock.serving(combination("3.12", "glibc 2.28")) == new
    assert lock.serving(combination("3.12", "glibc 2.100")) == new
    assert lock.serving(combination("3.12", "musl 1.2")) == combination("3.12", "musl 1.1")
    for other in (
        combination("3.12", "glibc 2.8"),
        combination("3.11", "glibc 2.28"),
        combination("3.12", "glibc 2.28", "linux/arm64"),
        combination("3.12", "musl 1.0"),
    ):
        assert lock.serving(other) is None


@fewer
@given(locks)
def test_a_lock_covers_its_own_requirements_however_they_are_written(lock: Lock) -> None:
    assert lock.uncovered([]) == ()
    assert (
        lock.uncovered(text.upper() for text in lock.requirements if ";" not in text and "rc" not in text)
        == ()
    )
    assert lock.uncovered(["new>=1", *lock.requirements, "A>=77"]) == ("a>=77", "new>=1")


def test_a_package_for_all_combinations_does_not_list_them() -> None:
    merged = Lock.merged(["a"], {X86: [package("a")], ARM: [package("a")]})
    assert [each.combinations for each in merged.packages] == [()]
    apart = Lock.merged(["a"], {X86: [package("a")], ARM: [package("a", version="2.0")]})
    assert [(each.version, each.combinations) for each in apart.packages] == [
        ("1.0", (X86,)),
        ("2.0", (ARM,)),
    ]


def test_what_is_built_for_one_combination_is_a_wheel_for_another() -> None:
    source = LockedPackage.of("a", "1.0", [file("a-1.0.tar.gz")], build=["hatchling"])
    for order in ([X86, ARM], [ARM, X86]):
        merged = Lock.merged(["a"], {order[0]: [source], order[1]: [package("a")]})
        (held,) = merged.packages
        assert ([each.name for each in held.files], held.build) == (
            ["a-1.0-py3-none-any.whl", "a-1.0.tar.gz"],
            ("hatchling",),
        )


def test_versions_are_sorted_as_versions() -> None:
    versions = ("10.0", "9.0", "9.0rc1")
    merged = Lock.merged(
        ["a"],
        {at: [package("a", version=version)] for at, version in zip(COMBINATIONS, versions, strict=True)},
    )
    assert [each.version for each in merged.packages] == ["9.0rc1", "9.0", "10.0"]


def test_an_extra_without_requirements_is_kept_and_one_with_them_is_seen() -> None:
    moto = LockedPackage.of(
        "moto",
        "5.0",
        [file("moto-5.0-py3-none-any.whl")],
        requires=["x; extra == 'S3'"],
        extras=["SQS", "s3"],
    )
    assert moto.extras == ("sqs",)
    assert moto.provides == {"s3", "sqs"}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LockedFile.of("../a-1-py3-none-any.whl", 1, "0" * 64), "not the file name"),
        (lambda: LockedFile.of("a-1-py3-none-any.whl\n", 1, "0" * 64), "not the file name"),
        (lambda: LockedFile.of("a-1.egg", 1, "0" * 64), "not the file name"),
        (lambda: LockedFile.of("a-1-py3-none-any.whl", 0, "0" * 64), "not a size"),
        (lambda: LockedFile.of("a-1-py3-none-any.whl", 1 << 60, "0" * 64), "not a size"),
        (lambda: LockedFile.of("a-1-py3-none-any.whl", 1, "A" * 64), "not 64 lower-case"),
        (lambda: LockedPackage.of("a b", "1", [file("a-1.zip")]), "not the name of a package"),
        (lambda: package("a", version="one"), "not a version of a"),
        (lambda: package("a", "b @ https://example.org/b"), "names a place"),
        (lambda: LockedPackage.of("a", "1", []), "has no files"),
        (lambda: LockedPackage.of("a", "1", [file("b-1-py3-none-any.whl")]), "not a wheel of a 1"),
        (lambda: LockedPackage.of("a", "1", [file("a-2-py3-none-any.whl")]), "not a wheel of a 1"),
        (lambda: LockedPackage.of("a", "1", [file("a-1-any.whl")]), "not the file name of a wheel"),
        (lambda: LockedPackage.of("a", "1", [file("a-1.zip", 1), file("a-1.zip", 2)]), "there twice"),
        (lambda: LockedPackage.of("a", "1", [file("a-1.zip")], extras=["x]"]), "not the name of an extra"),
        (
            lambda: BuildLock.of([], [package("a"), package("a", version="2")]),
            "both a 1.0 and a 2 are locked",
        ),
        (
            lambda: BuildLock.of([], [LockedPackage.of("a", "1", [file("a-1.zip")], build=["b"])]),
            "built from sources",
        ),
        (
            lambda: Lock.of([], [], [], [BuildLock.of(["a"], [package("a")]), BuildLock.of(["a"], [])]),
            "the build requirements a are locked twice",
        ),
        (lambda: lock_of(["a>"], package("a")), "is not a requirement"),
        (lambda: lock_of([], package("a"), package("a", version="2")), "both a 1.0 and a 2 are locked"),
        (
            lambda: Lock.of([X86], [], [LockedPackage.of("a", "1", [file("a-1.zip")], combinations=[ARM])]),
            "and the lock is not",
        ),
    ],
)
def test_what_makes_no_lock_is_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        make()
