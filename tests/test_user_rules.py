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


def test_two_generated_files_of_one_name_are_not_confused(tmp_path: Path) -> None:
    body = '    return [DefaultInfo(files = [ctx.actions.write("x", "1"), l1.blob, l2.blob])]'
    layers = '    l1, l2 = [ctx.actions.layer({"opt/a": with_mode(ctx.files.srcs[0], m)}) for m in ["0644", "0755"]]\n'
    project = project_with(tmp_path, layers + body, '{"srcs": attr.label_list(allow_files = True)}')
    project.write({"app/BUILD": 'load(":r.bzl", "r")\n\nr(name = "t", srcs = ["a.txt"])\n'})
    with pytest.raises(UserError, match=r"two outputs are called layer\.tar\.gz"):
        project.build()


def test_one_source_with_two_modes_at_one_place_is_an_error(tmp_path: Path) -> None:
    project = Project(tmp_path / "w", tmp_path / "cache" / "lambdabuild", {"f": ""})
    modes = "".join(f'files(name = "m{mode}", srcs = ["f"], mode = "{mode}")\n' for mode in ("0644", "0755"))
    image = 'base_image(name = "i", base = "scratch", srcs = {":m0644": "/opt/", ":m0755": "/opt/"})\n'
    project.write({"BUILD": modes + image})
    with pytest.raises(UserError, match="puts both f and f at /opt/f"):
        project.hashes("//:i")


def test_the_hash_of_an_image_covers_it_whatever_the_rule_puts_out(tmp_path: Path) -> None:
    body = (
        '    layer = ctx.actions.layer({"var/task/a": ctx.files.srcs[0]})\n'
        "    return [ctx.actions.image(base = None, layers = [layer])]"
    )
    project = project_with(tmp_path, body, '{"srcs": attr.label_list(allow_files = True)}')
    project.write({"app/BUILD": 'load(":r.bzl", "r")\n\nr(name = "t", srcs = ["a.txt"])\n'})
    before = project.hashes()
    project.write({"app/a.txt": "edited\n"})
    assert project.hashes() != before
    both = project.hashes(platforms=("linux/amd64", "linux/arm64"))
    assert len(set(both.values())) == 2


def test_an_image_has_no_more_layers_than_can_be_started(tmp_path: Path) -> None:
    body = (
        '    layers = [ctx.actions.layer({"opt/%d" % i: ctx.actions.write("f%d" % i, str(i))}) for i in range(128)]\n'
        "    return [ctx.actions.image(base = None, layers = layers)]"
    )
    with pytest.raises(UserError, match="would have 128 layers, and at most 127"):
        project_with(tmp_path, body).hashes()


@pytest.mark.parametrize(
    "build",
    [
        'base_image(name = "b", base = "scratch")\n',  # //a:b is an image, and so is //a/b:index.json
        'r(name = "b", files = ["c/x"])\n',
    ],
)
def test_targets_whose_outputs_are_in_each_others_way_are_an_error(tmp_path: Path, build: str) -> None:
    rule = (
        "def _r(ctx):\n"
        '    made = {path: ctx.actions.write(path.replace("/", "_"), ctx.label.package) for path in ctx.attr.files}\n'
        "    return [DefaultInfo(files = made)]\n\n"
        'r = rule(implementation = _r, attrs = {"files": attr.string_list()})\n'
    )
    load = 'load("//rules:r.bzl", "r")\n'
    inner = 'r(name = "index.json", files = ["x"])\nr(name = "c", files = ["x"])\n'
    files = {"rules/BUILD": "", "rules/r.bzl": rule, "a/BUILD": load + build, "a/b/BUILD": load + inner}
    project = Project(tmp_path / "w", tmp_path / "cache" / "lambdabuild", files)
    with pytest.raises(UserError, match="both want lambdabuild-out/a/b/"):
        project.build()
    assert project.stored() == set()


def test_files_for_two_platforms_do_not_overwrite_each_other(tmp_path: Path) -> None:
    project = project_with(
        tmp_path, '    return [DefaultInfo(files = [ctx.actions.write("x", ctx.platform)])]'
    )
    project.write({"WORKSPACE.toml": '[workspace]\nplatforms = ["linux/amd64", "linux/arm64"]\n'})
    project.build()
    found = {path.parent.name: path.read_text() for path in (project.root / OUT).rglob("x")}
    assert found == {"linux-amd64": "linux/amd64", "linux-arm64": "linux/arm64"}


@pytest.mark.parametrize("name", ["a (b)", "ü", "日本", "😀"])
def test_names_of_any_letters_work(tmp_path: Path, name: str) -> None:
    project = Project(tmp_path / "w", tmp_path / "cache" / "lambdabuild", {"f": ""})
    project.write(
        {
            f"{name}/BUILD": f'base_image(name = "{name}", base = "scratch")\n',
            "BUILD": f'lambda_image(name = "i", base = "//{name}", srcs = ["f"])\n',
        }
    )
    assert set(project.statuses().values()) == {"built"}


def test_a_default_label_is_meant_in_the_package_of_its_bzl_file(tmp_path: Path) -> None:
    project = Project(tmp_path / "w", tmp_path / "cache" / "lambdabuild")
    rule = (
        "def _r(ctx):\n    return [DefaultInfo(files = ctx.files.dep)]\n\n"
        'r = rule(implementation = _r, attrs = {"dep": attr.label(default = ":x.txt", allow_files = True)})\n'
    )
    files = {"tools/BUILD": "", "tools/r.bzl": rule, "tools/x.txt": "x"}
    project.write(files | {"app/BUILD": 'load("//tools:r.bzl", "r")\n\nr(name = "t")\n'})
    assert project.hashes()


@pytest.mark.parametrize(
    "forged",
    [
        '["source", "../../../etc/passwd"]',
        '["source", "/etc/passwd"]',
        '["output", "//:zz (linux/amd64)", 0, "x"]',
        '["output", "//app:t (linux/amd64)", 7, "x"]',
    ],
)
def test_forged_files_do_not_leave_the_workspace(tmp_path: Path, forged: str) -> None:
    file = (
        f'struct(_ref = {forged}, mode = "auto", is_source = True, path = "x", name = "x", short_path = "x")'
    )
    project = project_with(tmp_path, f'    return [DefaultInfo(files = {{"x": {file}}})]')
    with pytest.raises(UserError, match=r"is no file of the workspace|is no output of"):
        project.hashes()


@pytest.mark.parametrize(
    "attrs",
    [
        "attr.string(values = [1])",
        "attr.string(values = 5)",
        "attr.label(words = 5)",
        "attr.label(allow_files = [5])",
        "3",
    ],
)
def test_wrong_declarations_of_attributes_are_told(tmp_path: Path, attrs: str) -> None:
    with pytest.raises(UserError, match=r"must be"):
        project_with(tmp_path, "    return []", f'{{"a": {attrs}}}').hashes()
