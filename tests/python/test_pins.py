"""Pins limit what is chosen, and one that cannot be kept is named."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdabuild.errors import ActionFailed, UserError
from lambdabuild.python.locked import LockedPackage
from lambdabuild.python.pins import Pin, PinnedResolver, Pins
from tests.python.memory_index import MemoryIndex, Releases
from tests.python.test_lock import ARM, X86, package

NAMES = "abcdefghij"
RELEASES: Releases = {
    **{name: {"1.0": [], "2.0": []} for name in NAMES},
    "app": {"1.0": list(NAMES)},
    "picky": {"1.0": ["a>=2"]},
}


def resolver(*pins: Pin) -> PinnedResolver:
    return PinnedResolver(MemoryIndex(RELEASES), Pins("uv.lock", pins))


def versions(packages: list[LockedPackage]) -> dict[str, str]:
    return {each.name: each.version for each in packages}


def test_pins_decide_on_versions_and_the_rest_is_told() -> None:
    pinned = resolver(*(Pin.of(name, "1.0") for name in "abc"), Pin.of("unused", "7"))
    assert versions(pinned.packages(X86, ["app"], ["d==1.0"])) == {
        "app": "1.0",
        **dict.fromkeys("abcd", "1.0"),
        **dict.fromkeys("efghij", "2.0"),
    }
    assert pinned.unpinned == {"app", *"defghij"}


def test_build_requirements_are_not_pinned() -> None:
    assert [each.version for each in resolver(Pin.of("a", "1.0")).build_packages(["a"], [])] == ["2.0"]


def test_a_pin_holds_where_its_marker_is_true() -> None:
    pinned = resolver(
        Pin.of("A", "1.0", "platform_machine == 'aarch64'"),
        Pin.of("a", "2.0", "(platform_machine != 'aarch64')"),
        Pin.of("b", "1.0", "'dev' in dependency_groups and python_version >= '3'"),
        Pin.of("c", "1.0", "'dev' in extras and sys_platform == 'win32'"),
    )
    assert versions(pinned.packages(ARM, ["a", "b", "c"], [])) == {"a": "1.0", "b": "1.0", "c": "2.0"}
    assert versions(pinned.packages(X86, ["a", "b", "c"], [])) == {"a": "2.0", "b": "1.0", "c": "2.0"}


def test_two_versions_for_one_combination_are_refused() -> None:
    with pytest.raises(UserError, match=r"uv\.lock pins both a==1\.0 and a==2\.0 for"):
        resolver(Pin.of("a", "1.0"), Pin.of("a", "2.0")).packages(X86, ["a"], [])


def test_a_requirement_that_excludes_a_pin_is_named() -> None:
    with pytest.raises(UserError, match=r"uv\.lock pins a==1\.0, and the workspace requires a>=2"):
        resolver(Pin.of("a", "1.0")).packages(X86, ["a>=2"], [])


@given(st.sets(st.sampled_from(NAMES), min_size=1, max_size=9), st.data())
def test_the_pin_that_cannot_be_kept_is_named(names: set[str], data: st.DataObject) -> None:
    wrong = data.draw(st.sampled_from(sorted(names)))
    pins = [Pin.of(name, "3.0" if name == wrong else "1.0") for name in sorted(names)]
    with pytest.raises(UserError, match=rf"uv\.lock pins {wrong}==3\.0, which cannot be kept for") as caught:
        resolver(*pins).packages(X86, ["app"], [])
    assert caught.value.details


def test_a_pin_that_another_package_excludes_is_named() -> None:
    with pytest.raises(UserError, match=r"uv\.lock pins a==1\.0, which cannot be kept"):
        resolver(Pin.of("a", "1.0"), Pin.of("b", "1.0")).packages(X86, ["app", "picky"], [])


def test_requirements_that_contradict_without_pins_are_not_blamed_on_them() -> None:
    with pytest.raises(ActionFailed):
        resolver(Pin.of("b", "1.0")).packages(X86, ["a<2", "picky"], [])


def test_files_have_to_be_among_the_hashes_that_are_listed() -> None:
    (sha256,) = (file.sha256 for file in package("a").files)
    kept = resolver(Pin.of("a", "1.0", sha256s=["0" * 64, sha256.upper()]))
    assert versions(kept.packages(X86, ["a"], [])) == {"a": "1.0"}
    with pytest.raises(
        UserError, match=r"has a-1\.0-py3-none-any\.whl with a sha256 that uv\.lock does not"
    ) as caught:
        resolver(Pin.of("a", "1.0", sha256s=["0" * 64])).packages(X86, ["a"], [])
    assert sha256 in caught.value.details[0]


def test_hashes_of_a_pin_that_is_there_twice_come_together() -> None:
    pins = Pins("x", (Pin.of("a", "1"), Pin.of("a", "1", sha256s=["0" * 64]), Pin.of("a", "1.0")))
    assert pins.at(X86)["a"].sha256s == ("0" * 64,)


@pytest.mark.parametrize(
    ("name", "version", "marker", "sha256", "message"),
    [
        ("a b", "1", "", "0" * 64, "is not a requirement"),
        ("a", "one", "", "0" * 64, "'one' is not a version of a"),
        ("a", "9" * 5000, "", "0" * 64, "is not a version of a"),
        ("a", "1", "os_name", "0" * 64, "is not a requirement"),
        ("a", "1", "", "0" * 63, "is not 64 hex digits"),
    ],
)
def test_what_is_no_pin_is_refused(name: str, version: str, marker: str, sha256: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        Pin.of(name, version, marker, [sha256])


def test_a_marker_without_a_value_is_refused() -> None:
    with pytest.raises(UserError, match="has no value"):
        resolver(Pin.of("a", "1", "os_name ~= 'x'")).packages(X86, ["a"], [])
