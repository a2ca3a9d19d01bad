"""A wheel's proper file name is inside it."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.tags import Tag
from packaging.utils import parse_wheel_filename

from lambdabuild.python.pep517.wheel_name import name_from_inside
from tests.python.real_wheels import MARKUPSAFE, SIX, Published, real_wheel
from tests.python.wheels import INFO, Member, make_wheel

WORDS = st.lists(
    st.sampled_from(["py2", "py3", "cp312", "none", "abi3", "any", "linux_x86_64"]),
    min_size=1,
    max_size=3,
    unique=True,
)


def renamed(directory: Path, *tags: str, more: str = "") -> Path:
    """Returns a wheel under another name, whose WHEEL has `tags`."""
    text = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\n" + more + "".join(f"Tag: {tag}\n" for tag in tags)
    wheel = make_wheel(directory, [Member("demo.py", b"")], info={"WHEEL": text.encode()})
    return wheel.rename(directory / "package.whl")


@pytest.mark.parametrize("published", [SIX, MARKUPSAFE], ids=lambda published: str(published.project))
def test_a_published_wheel_has_the_name_that_is_inside(published: Published) -> None:
    wheel = real_wheel(published)
    assert parse_wheel_filename(name_from_inside(wheel)) == parse_wheel_filename(wheel.name)


@given(WORDS, WORDS, WORDS)
def test_all_tags_of_a_name_come_back(pythons: list[str], abis: list[str], platforms: list[str]) -> None:
    tags = [f"{python}-{abi}-{platform}" for python in pythons for abi in abis for platform in platforms]
    with tempfile.TemporaryDirectory() as directory:
        name = name_from_inside(renamed(Path(directory), *tags))
    assert parse_wheel_filename(name)[3] == {Tag(*tag.split("-")) for tag in tags}


def test_a_build_number_is_part_of_the_name(tmp_path: Path) -> None:
    assert (
        name_from_inside(renamed(tmp_path, "py3-none-any", more="Build: 2b\n"))
        == "demo-1.0-2b-py3-none-any.whl"
    )


@pytest.mark.parametrize(
    ("tags", "said"),
    [
        ([], "has tags that no file name can express"),
        (["py2-none-any", "py3-abi3-any"], "has tags that no file name can express"),
        (["py3-none"], "has a malformed tag"),
        (["x/y-none-any"], "has a malformed tag|which is no name"),
        (["x y-none-any"], "has a malformed tag|which is no name"),
    ],
)
def test_tags_that_make_no_name_are_refused(tags: list[str], said: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=said):
        name_from_inside(renamed(tmp_path, *tags))


def test_what_is_no_zip_is_refused(tmp_path: Path) -> None:
    (tmp_path / "package.whl").write_bytes(b"not a zip")
    with pytest.raises(ValueError, match="is no wheel: "):
        name_from_inside(tmp_path / "package.whl")


def test_a_wheel_without_its_description_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="has no WHEEL file"):
        name_from_inside(make_wheel(tmp_path, info={"WHEEL": None}))
    with pytest.raises(ValueError, match="has a WHEEL file that is not UTF-8"):
        name_from_inside(make_wheel(tmp_path, info={"WHEEL": b"\xff"}))
    with pytest.raises(ValueError, match="has 2 dist-info directories instead of one"):
        name_from_inside(make_wheel(tmp_path, [Member(INFO.replace("demo", "other") + "/METADATA")]))
    with pytest.raises(ValueError, match="has a WHEEL file that is too large"):
        name_from_inside(make_wheel(tmp_path, info={"WHEEL": bytes(2 << 20)}))
