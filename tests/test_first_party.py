"""First-party packages: found by name, followed through pyproject.toml, put into images once."""

from __future__ import annotations

from pathlib import Path

import pytest

from lambdabuild.action import ActionOutput
from lambdabuild.configured import ConfiguredLabel, ConfiguredTarget
from lambdabuild.errors import CycleError, UserError
from lambdabuild.label import parse_label
from lambdabuild.python.lock import Lock
from lambdabuild.python.lock_file import print_lock
from lambdabuild.python.locked import LockedFile, LockedPackage
from lambdabuild.third_party import host_combination
from tests.packages import base, lock, package
from tests.project import Project

AMD64 = "linux/amd64"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "w", tmp_path / "cache" / "lambdabuild")


def configured(project: Project, label: str, platform: str = AMD64) -> ConfiguredTarget:
    evaluation = project.session().evaluate(project.question(label, platforms=(platform,)))
    return evaluation.graph.targets[ConfiguredLabel(parse_label(label), platform)]


def own_layers(target: ConfiguredTarget) -> list[list[str]]:
    """Returns which first-party wheels are in each layer that a target makes, bottom first."""
    layers = [sorted(a.inputs) for a in target.actions if a.tool == "wheels"]
    return [
        [path.removeprefix("built/") for path in layer] for layer in layers if layer[0].startswith("built/")
    ]


def fetched(target: ConfiguredTarget) -> set[str]:
    return {str(action.params["project"]) for action in target.actions if action.tool == "fetch"}


def image(more: str, name: str = "image", below: str = ":base") -> str:
    return f'lambda_image(\n    name = "{name}",\n    base = "{below}",\n{more})\n'


def fails(project: Project, *patterns: str) -> UserError:
    with pytest.raises(UserError) as caught:
        project.keys(*patterns)
    return caught.value


CHAIN = {
    **package("libs/low", name="Receipt_Low"),
    **package("libs/mid", ["receipt.low"], name="receipt-mid"),
    **package("libs/high", ["receipt_mid>=1"]),
}


@pytest.fixture
def chain(project: Project) -> Project:
    """Three packages that need one another, whose names are spelt in all ways."""
    project.write({**CHAIN, "BUILD": base() + image('    packages = ["//libs/high"],\n')})
    return project


def test_an_image_holds_what_its_packages_need_dependencies_first(chain: Project) -> None:
    assert own_layers(configured(chain, "//:image")) == [
        ["receipt-low.whl"],
        ["receipt-mid.whl"],
        ["high.whl"],
    ]


def test_an_image_gets_only_what_its_base_lacks(chain: Project) -> None:
    chain.write(
        {"BUILD": base(more='    packages = ["//libs/mid"],\n') + image('    packages = ["//libs/high"],\n')}
    )
    assert own_layers(configured(chain, "//:base")) == [["receipt-low.whl"], ["receipt-mid.whl"]]
    assert own_layers(configured(chain, "//:image")) == [["high.whl"]]


def test_what_a_package_needs_is_loaded_and_nothing_else(chain: Project) -> None:
    chain.write({"broken/BUILD": "no_such_rule()\n", **package("other")})
    labels = {id_.label.package for id_ in chain.graph("//:image").targets}
    assert labels == {"", "libs/low", "libs/mid", "libs/high"}


def test_a_wheel_is_made_once_for_all_platforms(chain: Project) -> None:
    keys = set()
    for platform in ("linux/amd64", "linux/arm64"):
        evaluation, table = chain.keys("//libs/high", platforms=(platform,))
        target = evaluation.graph.targets[ConfiguredLabel(parse_label("//libs/high"), platform)]
        keys.add(table.deep_key(target.actions[0].id))
    assert len(keys) == 1


def test_an_extra_brings_what_it_requires(project: Project) -> None:
    project.write(
        package("more")
        | package("a", extras={"full": ["more", "a[six]"], "six": ["six>=1"]})
        | {
            "BUILD": base()
            + image('    packages = ["//a"],\n', "plain")
            + image('    packages = ["//a[full]"],\n')
        }
        | {"python.lock": lock({"six 1.16": []}, ["six>=1"])}
    )
    assert own_layers(configured(project, "//:plain")) == [["a.whl"]]
    assert fetched(configured(project, "//:plain")) == set()
    full = configured(project, "//:image")
    assert sorted(own_layers(full)) == [["a.whl"], ["more.whl"]]
    assert fetched(full) == {"six"}


def test_an_extra_that_another_package_asks_for_counts(project: Project) -> None:
    project.write(
        package("low", extras={"x": ["six"]})
        | package("high", ["low[x]"])
        | {"BUILD": base() + image('    packages = ["//high"],\n')}
        | {"python.lock": lock({"six 1.16": []}, ["six"])}
    )
    assert fetched(configured(project, "//:image")) == {"six"}


def test_a_marker_is_evaluated_for_the_images_platform(project: Project) -> None:
    project.write(
        package("arm")
        | package("a", ["arm; platform_machine == 'aarch64'"])
        | {"BUILD": base() + image('    packages = ["//a"],\n')}
    )
    assert own_layers(configured(project, "//:image")) == [["a.whl"]]
    assert sorted(own_layers(configured(project, "//:image", "linux/arm64"))) == [["a.whl"], ["arm.whl"]]


def test_an_extra_that_does_not_exist_is_named_with_its_file(project: Project) -> None:
    project.write(
        package("a", extras={"full": []}) | {"BUILD": base() + image('    packages = ["//a[ful]"],\n')}
    )
    error = fails(project, "//:image")
    assert error.message == "//:image asks for a[ful], and a/pyproject.toml has no extra 'ful'"
    assert str(error.at) == "BUILD:10:5"
    assert error.hint == "did you mean 'full'?"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ('"//a[]"', "cannot hold '//a[]'"),
        ('"//a[x"', "cannot hold '//a[x'"),
        ('"//a[x!]"', "cannot hold '//a[x!]'"),
        ('"//a", "//a[x]"', "names '//a:a' twice"),
        ("3", "must be a list of labels"),
    ],
)
def test_malformed_packages_are_refused_where_they_stand(project: Project, value: str, message: str) -> None:
    project.write(package("a") | {"BUILD": base() + image(f"    packages = [{value}],\n")})
    error = fails(project, "//:image")
    assert message in error.message
    assert str(error.at) == "BUILD:10:5"


def test_a_cycle_shows_the_files(project: Project) -> None:
    project.write(package("a", ["b"]) | package("b", ["c"]) | package("c", ["a"]))
    error = fails(project, "//a")
    assert isinstance(error, CycleError)
    assert error.path == ("a", "b", "c")
    assert error.details == tuple(
        f"{one}/pyproject.toml requires {other}" for one, other in ("ab", "bc", "ca")
    )


def test_a_cycle_through_an_extra_that_nobody_asks_for_is_none(project: Project) -> None:
    project.write(package("a", ["b"]) | package("b", extras={"test": ["a"]}))
    assert project.graph("//a")


def test_two_packages_of_one_name_show_both_files(project: Project) -> None:
    project.write(package("one", name="same-name") | package("two", name="Same.Name"))
    error = fails(project, "//one")
    assert "two packages are called same-name" in error.message
    assert "one/pyproject.toml" in error.details[0]
    assert "two/pyproject.toml" in error.details[1]


def test_the_search_for_packages_can_be_bounded(project: Project) -> None:
    project.write(package("one", name="same") | package("old/two", name="same"))
    project.write({"WORKSPACE.toml": '[workspace]\n[python]\npackages = ["//...", "-//old/..."]\n'})
    assert project.graph("//one")


def test_a_package_that_no_target_builds_is_never_taken_from_an_index(project: Project) -> None:
    files = package("low") | package("high", ["low"])
    project.write({**files, "low/BUILD": ""})
    error = fails(project, "//high")
    assert "low is a package of this workspace, but no target builds it" in error.message
    assert str(error.at) == "low/pyproject.toml"
    assert "python_package(" in (error.hint or "")


def test_a_requirement_that_is_a_package_of_the_workspace_is_refused(project: Project) -> None:
    project.write(package("low") | {"BUILD": base() + image('    requirements = ["Low>=1"],\n')})
    error = fails(project, "//:image")
    assert "low is a package of this workspace" in error.message
    assert error.hint == "put '//low' in packages instead"


def test_a_file_url_leads_to_the_package_of_that_name_or_nowhere(project: Project) -> None:
    project.write(package("low") | package("high", ["low @ file:///anywhere/low"]))
    assert project.graph("//high")
    project.write(package("high", ["lost @ file:///anywhere/lost"]))
    assert "requires lost by a file URL" in fails(project, "//high").message


def test_a_version_that_the_workspace_does_not_have_is_refused(project: Project) -> None:
    project.write(package("low", version="1.4") | package("high", ["low>=2"]))
    error = fails(project, "//high")
    assert "low" in error.message
    assert "1.4" in error.message


def test_a_python_that_a_package_does_not_take_is_refused(project: Project) -> None:
    project.write(package("a", more='requires-python = ">=3.13"'))
    project.write({"BUILD": base() + image('    packages = ["//a"],\n')})
    error = fails(project, "//:image")
    assert "a requires Python >=3.13, and the image has 3.12" in error.message
    project.write(package("a", more='requires-python = ">=3.12.5"'))
    assert project.graph("//:image")


def test_a_file_that_pyproject_names_has_to_be_declared(project: Project) -> None:
    project.write(package("a", more='readme = "README.md"\nlicense = {file = "LICENSE"}'))
    project.write({"a/README.md": "# a\n"})
    error = fails(project, "//a")
    assert "attribute 'srcs' lacks README.md, which a/pyproject.toml names as" in error.message
    assert str(error.at) == "a/BUILD:3:5"
    files = package("a", more='readme = "README.md"', attrs='    data = ["README.md"],\n')
    project.write(files)
    assert project.graph("//a")


def test_a_version_from_git_needs_an_attribute(project: Project) -> None:
    files = package("a", more='dynamic = ["version"]')
    files["a/pyproject.toml"] = (
        files["a/pyproject.toml"]
        .replace('version = "1.0"\n', "")
        .replace("requires = []", 'requires = ["setuptools-scm>=8"]')
    )
    project.write(files)
    error = fails(project, "//a")
    assert "setuptools-scm would ask git for the version" in error.message
    assert 'version = "1.2.3"' in (error.hint or "")


@pytest.mark.parametrize(
    ("attrs", "message"),
    [
        ('    version = "1.2",\n', "attribute 'version' is for backends that ask git"),
        ('    data = ["//:elsewhere.json"],\n', "holds elsewhere.json, which is not below a/"),
        ('    pyproject = "pyproject.json",\n', "takes a file ending in .toml"),
        ('    pyproject = "missing.toml",\n', "no target or file //a:missing.toml"),
    ],
)
def test_attributes_of_a_package_are_checked(project: Project, attrs: str, message: str) -> None:
    project.write(package("a", attrs=attrs))
    project.write({"elsewhere.json": "{}", "a/pyproject.json": "{}", "BUILD": ""})
    assert message in fails(project, "//a").message


def test_a_pyproject_without_project_is_an_error_with_its_place(project: Project) -> None:
    project.write(package("a"))
    project.write({"a/pyproject.toml": "[tool.black]\nline-length = 100\n"})
    error = fails(project, "//a")
    assert error.at is not None
    assert error.at.path == "a/pyproject.toml"
    assert "[project]" in error.message


def test_a_native_package_is_for_this_machine_alone(project: Project) -> None:
    project.write(package("a", attrs="    native = True,\n"))
    error = None
    for platform in ("linux/amd64", "linux/arm64"):
        try:
            target = configured(project, "//a", platform)
        except UserError as raised:
            error = raised
            continue
        assert not target.actions[0].shareable
        assert target.actions[0].params["host"]
    assert error is not None
    assert "is native: this machine builds it for" in error.message


def test_everything_made_from_a_native_wheel_stays_here(project: Project) -> None:
    host = host_combination()
    newer = f"glibc 2.{host.libc_version[1] + 1}"
    bases = {
        "same": (host.python, host.libc),
        "newer": (host.python, newer),
        "older": (host.python, "glibc 2.5"),
    }
    text = "".join(
        f'base_image(name = "{name}", base = "scratch", python = "{python}", libc = "{libc}", packages = ["//a"])\n'
        for name, (python, libc) in bases.items()
    )
    project.write(package("a", attrs="    native = True,\n") | {"BUILD": text})
    for name in ("same", "newer"):
        target = configured(project, f"//:{name}", host.platform)
        assert not any(action.shareable for action in target.actions)
    with pytest.raises(UserError, match="is native: built on this machine it is for"):
        configured(project, "//:older", host.platform)


def test_packages_are_wheels_to_look_at(chain: Project) -> None:
    target = configured(chain, "//libs/mid")
    (output,) = target.outputs.values()
    assert [*target.outputs] == ["receipt-mid.whl"]
    assert isinstance(output, ActionOutput)
    assert target.wheel == output


def test_a_source_distribution_that_needs_nothing_to_be_built_is_built_all_the_same(project: Project) -> None:
    host = host_combination()
    entry = LockedPackage.of("six", "1.16", [LockedFile.of("six-1.16.tar.gz", 10, "ab" * 32)])
    attrs = f'base = "scratch", python = "{host.python}", libc = "{host.libc}", requirements = ["six"]'
    project.write({"python.lock": print_lock(Lock.of([host], ["six"], [entry]))})
    project.write({"BUILD": f'base_image(name = "base", {attrs})\n'})
    target = configured(project, "//:base", host.platform)
    (wheel,) = [action for action in target.actions if action.tool == "wheel"]
    assert [*wheel.inputs] == ["sdist/six-1.16.tar.gz"]
    assert wheel.params["host"]
    assert not target.actions[-1].shareable
    older = f"glibc 2.{host.libc_version[1] - 1}"
    project.write({"BUILD": f'base_image(name = "base", {attrs.replace(host.libc, older)})\n'})
    with pytest.raises(UserError, match="was not resolved for"):
        configured(project, "//:base", host.platform)
