"""Rules of a workspace: what they can do, what they cannot, and what is left when they change."""

from __future__ import annotations

from pathlib import Path

import pytest

from lambdabuild.errors import UserError
from tests.project import Project

OUT = "lambdabuild-out/app/t"


def project_with(tmp_path: Path, body: str, attrs: str = "{}") -> Project:
    rule = f"def _r(ctx):\n{body}\n\nr = rule(implementation = _r, attrs = {attrs})\n"
    project = Project(tmp_path / "w", tmp_path / "cache" / "lambdabuild")
    project.write(
        {"app/r.bzl": rule, "app/BUILD": 'load(":r.bzl", "r")\n\nr(name = "t")\n', "app/a.txt": "a\n"}
    )
    return project


def files_below(directory: Path) -> set[str]:
    return {str(p.relative_to(directory)) for p in directory.rglob("*") if p.is_file()} - {
        ".lambdabuild-files"
    }


@pytest.mark.parametrize("path", ["../evil", "../../../evil", "/evil", "a//b", "a/./b", ""])
def test_outputs_never_leave_their_directory(tmp_path: Path, path: str) -> None:
    project = project_with(
        tmp_path, f'    return [DefaultInfo(files = {{"{path}": ctx.actions.write("x", "y")}})]'
    )
    before = files_below(tmp_path)
    with pytest.raises(UserError, match="cannot be the path of an output"):
        project.build()
    assert files_below(tmp_path) == before


def test_an_image_can_be_returned_without_default_outputs(tmp_path: Path) -> None:
    project = project_with(tmp_path, "    return [ctx.actions.image(base = None, layers = [])]")
    (report,) = project.build().targets
    assert report.built is not None
    assert (project.root / OUT / "index.json").is_file()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            'ctx.actions.image(base = None, layers = [], env = {"A": 1})',
            "env must be a dict from string to string",
        ),
        (
            'ctx.actions.image(base = None, layers = [], labels = ["a"])',
            "labels must be a dict from string to",
        ),
        ('ctx.actions.image(base = None, layers = [], cmd = "a")', "cmd must be a list of strings, not 'a'"),
        ("ctx.actions.image(base = None, layers = [], user = 3)", "user must be a string, not '3'"),
        ('ctx.actions.image(base = None, layers = [], env = {"A=B": ""})', "'A=B' cannot be the name"),
        ('ctx.actions.write("x", 3)', "content must be a string, not '3'"),
        ('ctx.actions.write("../x", "")', "leaves its directory"),
        ('[ctx.actions.write("x", "") for _ in range(2)]', "there is one already"),
        ("with_mode(ctx, 3)", "a mode is one of auto, 0644, 0755"),
    ],
)
def test_wrong_arguments_of_actions_are_told_before_anything_runs(
    tmp_path: Path, call: str, message: str
) -> None:
    project = project_with(tmp_path, f"    {call}\n    return []")
    with pytest.raises(UserError) as caught:
        project.build()
    assert message in caught.value.message
    assert str(caught.value.at).startswith("app/BUILD:3")
    assert project.stored() == set()


def test_actions_cannot_be_declared_after_the_implementation_returned(tmp_path: Path) -> None:
    project = Project(tmp_path / "w", tmp_path / "cache" / "lambdabuild")
    rule = (
        'Info = provider(fields = ["actions"])\n\n'
        "def _give(ctx):\n    return [Info(actions = ctx.actions)]\n\n"
        'def _take(ctx):\n    ctx.attr.dep[Info].actions.write("x", "y")\n    return []\n\n'
        "give = rule(implementation = _give)\n"
        'take = rule(implementation = _take, attrs = {"dep": attr.label(providers = [Info])})\n'
    )
    build = 'load(":r.bzl", "give", "take")\n\ngive(name = "g")\n\ntake(name = "t", dep = ":g")\n'
    project.write({"app/r.bzl": rule, "app/BUILD": build})
    with pytest.raises(UserError, match="had returned"):
        project.build()


def test_files_that_are_no_longer_made_are_removed(tmp_path: Path) -> None:
    make = '    f = ctx.actions.write("x", "y")\n    return [DefaultInfo(files = {"%s": f, "%s": f})]'
    project = project_with(tmp_path, make % ("a", "b/c"))
    project.build()
    assert files_below(project.root / OUT) == {"a", "b/c"}
    (project.root / OUT / "inner").mkdir()
    (project.root / OUT / "inner" / "other").write_text("of another package's target")
    project.write({"app/r.bzl": (project.root / "app/r.bzl").read_text().replace('"b/c"', '"b"')})
    project.build()
    assert files_below(project.root / OUT) == {"a", "b", "inner/other"}


def test_a_target_that_stops_being_an_image_leaves_no_layout(tmp_path: Path) -> None:
    image = "    return [ctx.actions.image(base = None, layers = [])]"
    file = '    return [DefaultInfo(files = [ctx.actions.write("x", "y")])]'
    project = project_with(tmp_path, image)
    text = (project.root / "app/r.bzl").read_text()
    project.build()
    project.write({"app/r.bzl": text.replace(image, file)})
    project.build()
    assert files_below(project.root / OUT) == {"x"}
    project.write({"app/r.bzl": text})
    project.build()
    assert "x" not in files_below(project.root / OUT)
    assert "index.json" in files_below(project.root / OUT)


def test_values_of_attributes_arrive_in_the_implementation(tmp_path: Path) -> None:
    body = (
        "    a = ctx.attr\n"
        "    print(a.s, a.i, a.b, a.l, a.d, [f.path for f in ctx.files.srcs], ctx.label.name, ctx.platform)\n"
        "    return []"
    )
    attrs = (
        '{"s": attr.string(default = "x"), "i": attr.int(default = 3), "b": attr.bool(default = True), '
        '"l": attr.string_list(), "d": attr.string_dict(), "srcs": attr.label_list(allow_files = [".txt"])}'
    )
    project = project_with(tmp_path, body, attrs)
    project.write(
        {"app/BUILD": 'load(":r.bzl", "r")\n\nr(name = "t", srcs = ["a.txt"], l = ["p"], d = {"k": "v"})\n'}
    )
    project.build()
    (said,) = project.said
    assert said[0] == 'x 3 True ["p"] {"k": "v"} ["app/a.txt"] t linux/amd64'
    project.write({"app/BUILD": 'load(":r.bzl", "r")\n\nr(name = "t", srcs = ["r.bzl"])\n'})
    with pytest.raises(UserError, match=r"takes a file ending in \.txt"):
        project.build()


def test_the_output_directory_is_never_a_source(tmp_path: Path) -> None:
    project = Project(tmp_path / "w", tmp_path / "cache" / "lambdabuild")
    project.write(
        {
            "WORKSPACE.toml": '[workspace]\nignore = ["other"]\n',
            "BUILD": 'base_image(name = "t", base = "scratch", srcs = glob(["**"]))\n',
            "a.txt": "",
        }
    )
    project.build()
    assert set(project.statuses().values()) == {"cached"}
