"""Tags, markers and pex's document follow from a combination alone, and agree with this machine."""

from __future__ import annotations

import os
import platform
import sys
import sysconfig

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging import tags as packaging_tags
from packaging.markers import default_environment

from lambdabuild.errors import UserError
from lambdabuild.python.platforms import (
    MACHINES,
    Combination,
    marker_environment,
    pex_complete_platform,
    tags,
)

combinations: st.SearchStrategy[Combination] = st.builds(
    lambda python, libc, platform: Combination.of(f"3.{python}", libc, platform),
    st.integers(6, 30),
    st.integers(0, 60).map("glibc 2.{}".format) | st.integers(0, 3).map("musl 1.{}".format),
    st.sampled_from(sorted(MACHINES)),
)

close = st.builds(
    Combination,
    st.sampled_from(["3.9", "3.12"]),
    st.sampled_from(["glibc 2.9", "glibc 2.34", "musl 1.2"]),
    st.sampled_from(sorted(MACHINES)),
)


def this_machine() -> Combination:
    if sys.platform != "linux" or platform.libc_ver()[0] != "glibc" or sysconfig.get_config_var("Py_DEBUG"):
        pytest.skip("needs an ordinary build of CPython on Linux with glibc")
    machine = {name: platform for platform, name in MACHINES.items()}[os.uname().machine]
    libc = os.confstr("CS_GNU_LIBC_VERSION")
    assert libc is not None
    return Combination.of(platform.python_version(), libc, machine)


def test_the_tags_of_this_machine_are_those_that_packaging_finds_here() -> None:
    here = tags(this_machine())
    assert set(here) == set(packaging_tags.sys_tags())
    found = [tag for tag in packaging_tags.sys_tags() if not tag.platform.startswith("linux_")]
    assert [tag for tag in here if not tag.platform.startswith("linux_")] == found


def test_the_markers_of_this_machine_are_those_that_packaging_finds_here() -> None:
    here = {**default_environment()}
    unknown = {"platform_release", "platform_version", "python_full_version", "implementation_version"}
    expected = {name: value for name, value in here.items() if name not in unknown}
    ours = marker_environment(this_machine(), "full")
    assert ours.keys() - here.keys() == {"extra"}
    assert ours["extra"] == "full"
    assert {name: ours[name] for name in expected} == expected


@given(combinations)
def test_a_combination_is_what_its_text_says(combination: Combination) -> None:
    assert Combination.parse(str(combination)) == combination


@given(close, close)
def test_combinations_are_ordered_by_version(one: Combination, other: Combination) -> None:
    assert (one < other) + (other < one) + (one == other) == 1
    if (one.version, one.libc_version) < (other.version, other.libc_version):
        assert one < other


@given(combinations)
def test_no_tag_comes_twice_and_the_universal_wheel_fits(combination: Combination) -> None:
    found = list(map(str, tags(combination)))
    assert len(found) == len(set(found))
    assert "py3-none-any" in found
    assert all(tag.endswith((f"_{combination.machine}", "-any")) for tag in found)


@given(combinations, st.integers(0, 60))
def test_a_newer_libc_takes_all_that_an_older_one_takes(combination: Combination, minor: int) -> None:
    series, newest = combination.libc_version
    older = Combination.of(combination.python, f"{series}.{min(minor, newest)}", combination.platform)
    assert set(tags(older)) <= set(tags(combination))


@pytest.mark.parametrize(
    ("libc", "platform", "first", "last"),
    [
        ("glibc 2.34", "linux/amd64", "manylinux_2_34_x86_64", "manylinux1_x86_64"),
        ("glibc 2.34", "linux/arm64", "manylinux_2_34_aarch64", "manylinux2014_aarch64"),
        ("musl 1.2", "linux/arm64", "musllinux_1_2_aarch64", "musllinux_1_0_aarch64"),
    ],
)
def test_levels_run_from_the_libc_down_to_the_oldest(libc: str, platform: str, first: str, last: str) -> None:
    found = [tag for tag in tags(Combination.of("3.12", libc, platform)) if tag.abi == "cp312"]
    assert [found[0].platform, found[-2].platform] == [first, last]
    assert found[-1].platform == f"linux_{MACHINES[platform]}"


def test_tags_and_markers_do_not_depend_on_what_runs_this(monkeypatch: pytest.MonkeyPatch) -> None:
    combination = Combination.of("3.14", "glibc 2.40", "linux/arm64")
    before = pex_complete_platform(combination)
    monkeypatch.setattr(sysconfig, "get_config_var", lambda name: 1)  # a debug, free-threaded build
    monkeypatch.setattr(sys, "version_info", (3, 11, 0))
    assert pex_complete_platform(combination) == before


def test_a_python_and_a_libc_of_the_future_need_no_release() -> None:
    found = set(map(str, tags(Combination.of("3.29", "glibc 2.77", "linux/amd64"))))
    assert {"cp329-cp329-manylinux_2_77_x86_64", "cp312-abi3-manylinux2014_x86_64"} <= found


def test_patch_levels_are_left_out() -> None:
    combination = Combination.of("3.13.0rc1", "glibc 2.36", "linux/amd64")
    assert str(combination) == "python 3.13, glibc 2.36, linux/amd64"
    assert Combination.of("3.12.7", "musl 1.2.5", "linux/arm64").libc == "musl 1.2"


def test_pex_gets_tags_in_order_and_every_marker_but_the_extra() -> None:
    document = pex_complete_platform(Combination.of("3.12", "glibc 2.34", "linux/arm64"))
    assert document.keys() == {"path", "compatible_tags", "marker_environment"}
    assert isinstance(document["compatible_tags"], list)
    assert document["compatible_tags"][0] == "cp312-cp312-manylinux_2_34_aarch64"
    assert isinstance(document["marker_environment"], dict)
    assert document["marker_environment"].keys() == default_environment().keys()


@pytest.mark.parametrize(
    ("python", "libc", "platform"),
    [
        ("2.7", "glibc 2.34", "linux/amd64"),
        ("3", "glibc 2.34", "linux/amd64"),
        ("3.012", "glibc 2.34", "linux/amd64"),
        ("3.٣", "glibc 2.34", "linux/amd64"),
        ("3.99999999", "glibc 2.34", "linux/amd64"),
        ("3.12\n", "glibc 2.34", "linux/amd64"),
        ("3.12", "2.34", "linux/amd64"),
        ("3.12", "glibc 2.999999999", "linux/amd64"),
        ("3.12", "glibc 3.0", "linux/amd64"),
        ("3.12", "glibc 2.34", "linux/x86_64"),
        ("3.12", "glibc 2.34", "host"),
    ],
)
def test_what_is_not_understood_is_refused_with_a_hint(python: str, libc: str, platform: str) -> None:
    with pytest.raises(UserError) as caught:
        Combination.of(python, libc, platform)
    assert caught.value.hint


@pytest.mark.parametrize("text", ["", "python 3.12", "3.12, glibc 2.34, linux/amd64", "python 3.12, x, y, z"])
def test_text_that_is_no_combination_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="does not say for which"):
        Combination.parse(text)
