"""What pex resolves, from a package index on disk, and what is added to it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from lambdabuild.errors import ActionFailed
from lambdabuild.python.lock import BuildLock
from lambdabuild.python.locked import LockedPackage
from lambdabuild.python.platforms import Combination
from lambdabuild.python.resolve import PexResolver
from lambdabuild.python.selection import select_for_host
from lambdabuild.workspace import host_machine_platform
from tests.python.tiny_index import TinyIndex
from tests.require import unavailable

pytestmark = pytest.mark.once

MACHINE = host_machine_platform()
HERE = Combination.of("{}.{}".format(*sys.version_info), "glibc 2.28", MACHINE)
NEWER = Combination.of(HERE.python, "glibc 2.39", MACHINE)
OTHER = Combination.of("3.13", "glibc 2.28", MACHINE)


@pytest.fixture
def tiny(tmp_path: Path) -> TinyIndex:
    return TinyIndex(tmp_path / "index")


def resolver(tiny: TinyIndex, host: Combination | None = None) -> PexResolver:
    return PexResolver(tiny.index(), host=lambda: host, environ=tiny.environ)


def told(packages: list[LockedPackage]) -> list[tuple[str, list[str]]]:
    return sorted((str(each), [file.name for file in each.files]) for each in packages)


def test_each_combination_gets_its_wheel_and_what_its_markers_say(tiny: TinyIndex) -> None:
    machine = HERE.machine
    tiny.wheel("app", "1.0", "fast; sys_platform == 'linux'", "gone; sys_platform == 'win32'")
    for level in ("2_17", "2_28", "2_34"):
        tiny.wheel("fast", "1.0", tag=f"py3-none-manylinux_{level}_{machine}")
    found = resolver(tiny).packages(HERE, ["app"], [])
    assert told(found) == [
        ("app 1.0", ["app-1.0-py3-none-any.whl"]),
        ("fast 1.0", [f"fast-1.0-py3-none-manylinux_2_28_{machine}.whl"]),
    ]
    app = next(each for each in found if each.name == "app")
    assert app.files[0].size == (tiny.directory / app.files[0].name).stat().st_size


def test_constraints_are_kept_and_contradictions_are_told_in_pip_s_words(tiny: TinyIndex) -> None:
    for version in ("1.0", "2.0"):
        tiny.wheel("a", version)
    assert told(resolver(tiny).packages(HERE, ["a"], ["a==1.0", "unused==7"]))[0][0] == "a 1.0"
    with pytest.raises(ActionFailed, match="cannot be resolved for python") as caught:
        resolver(tiny).packages(HERE, ["a>=2"], ["a==1.0"])
    assert "a>=2" in "".join(caught.value.details)


def test_versions_fit_together_even_if_the_newest_do_not(tiny: TinyIndex) -> None:
    for version in ("1.0", "2.0"):
        tiny.wheel("b", version)
    tiny.wheel("a", "1.0", "b")
    tiny.wheel("c", "1.0", "b<2")
    assert ("b 1.0", ["b-1.0-py3-none-any.whl"]) in told(resolver(tiny).packages(HERE, ["a", "c"], []))


def test_extras_that_bring_nothing_are_read_from_the_wheel(tiny: TinyIndex) -> None:
    tiny.wheel("moto", "1.0", "b; extra == 's3'", extras=["s3", "SQS", "all"])
    tiny.wheel("b", "1.0", extras=["unseen"])
    found = {each.name: each for each in resolver(tiny).packages(HERE, ["moto[sqs]", "b"], [])}
    assert found["moto"].extras == ("all", "sqs")
    assert found["moto"].provides == {"all", "s3", "sqs"}
    assert found["b"].extras == ()


def test_a_source_distribution_is_locked_with_its_build_requirements_on_such_a_system(
    tiny: TinyIndex,
) -> None:
    tiny.backend()
    tiny.sdist("tiny_source", "1.0", "tiny-leaf")
    tiny.wheel("tiny_leaf", "1.0")
    tiny.sdist("tiny_leaf", "2.0")
    # pex fetches what its pip builds with.
    on_the_host = PexResolver(tiny.index(), host=lambda: NEWER, environ=tiny.environ_beside_others)
    try:
        found = on_the_host.packages(HERE, ["tiny-source"], [])
    except ActionFailed as error:
        unavailable(f"needs a package index that has what pex builds with: {error.details}")
    assert told(found) == [
        ("tiny-leaf 1.0", ["tiny_leaf-1.0-py3-none-any.whl"]),
        ("tiny-source 1.0", ["tiny_source-1.0.tar.gz"]),
    ]
    assert {each.name: each.build for each in found} == {
        "tiny-leaf": (),
        "tiny-source": ("tiny-backend>=1",),
    }


@pytest.mark.parametrize("host", [None, OTHER])
def test_for_other_systems_nothing_is_built(tiny: TinyIndex, host: Combination | None) -> None:
    tiny.backend()
    tiny.sdist("tiny_source", "1.0")
    with pytest.raises(ActionFailed) as caught:
        resolver(tiny, host=host).packages(HERE, ["tiny-source"], [])
    assert "No matching distribution found for tiny-source" in "".join(caught.value.details)


def test_build_requirements_are_resolved_for_all_machines_and_to_wheels_alone(tiny: TinyIndex) -> None:
    tags = ["manylinux_2_17_x86_64", "manylinux_2_17_aarch64", "macosx_11_0_arm64", "win_amd64"]
    for tag in tags:
        tiny.wheel("fast", "1.0", tag=f"py3-none-{tag}")
    tiny.sdist("fast", "1.0")
    tiny.wheel("back", "1.0", "fast", "mac; sys_platform == 'darwin'", extras=["toml"])
    tiny.wheel("mac", "1.0")
    found = resolver(tiny).build_packages(["back[toml]"], [])
    assert told(found) == [
        ("back 1.0", ["back-1.0-py3-none-any.whl"]),
        ("fast 1.0", sorted(f"fast-1.0-py3-none-{tag}.whl" for tag in tags[:3])),
        ("mac 1.0", ["mac-1.0-py3-none-any.whl"]),
    ]
    chosen = select_for_host(BuildLock.of(["back[toml]"], found))
    assert [each.name for each in chosen] == ["back", "fast", *["mac"] * (sys.platform == "darwin")]


def test_build_requirements_that_cannot_be_are_an_error(tiny: TinyIndex) -> None:
    with pytest.raises(ActionFailed, match="the build requirements none>=1 cannot be resolved"):
        resolver(tiny).build_packages(["none>=1"], [])
