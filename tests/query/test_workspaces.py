"""Queries of workspaces on disk: what is loaded, what files are, what every form of the answer says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lambdabuild.errors import UserError
from lambdabuild.query.answer import Query, ask
from lambdabuild.query.outputs import OUTPUTS
from lambdabuild.query.parser import parse, parse_universe
from lambdabuild.workspace import load_workspace
from tests.project import WORKSPACE, Project

FILES = {
    "BUILD": 'files(name = "top", srcs = ["README.md"])\n',
    "README.md": "",
    "app/BUILD": (
        'load("//tools:names.bzl", "NAME")\n'
        'lambda_image(\n    name = NAME,\n    base = "//bases:python",\n'
        '    srcs = ["handler.py", "//lib", "//lib:sub/extra.py"],\n    env = {"A": "1", "B": "2"},\n)\n'
        'files(name = "handlers", srcs = {"handler.py": ["a.py", "b.py"]}, visibility = [":__pkg__"])\n'
    ),
    "app/handler.py": "",
    "app/unnamed.py": "",
    "bases/BUILD": 'base_image(name = "python", base = "scratch")\nbase_image(name = "other", base = "scratch")\n',
    "lib/BUILD": 'files(name = "lib", srcs = glob(["*.py"]), mode = "0644")\n',
    "lib/x.py": "",
    "lib/sub/extra.py": "",
    "tools/BUILD": "",
    "tools/names.bzl": 'load(":more.bzl", "MORE")\nNAME = MORE\n',
    "tools/more.bzl": 'MORE = "image"\n',
}
BROKEN = "nonsense(\n"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "w", tmp_path / "cache", FILES)


def labels(project: Project, text: str, *, universe: str = "", keep_going: bool = False) -> list[str]:
    query = Query(text, parse(text), parse_universe(universe), keep_going)
    answer = ask(load_workspace(project.root, env={}), query, lambda text, at: None)
    return [str(node.label) for node in answer.nodes]


def lines(project: Project, output: str, text: str) -> list[str]:
    form = OUTPUTS[output]
    query = Query(text, parse(text), attributes=form.attributes, edges=form.edges)
    answer = ask(load_workspace(project.root, env={}), query, lambda text, at: None)
    return list(form.lines(answer))


def test_deps_has_targets_and_source_files(project: Project) -> None:
    assert labels(project, "deps(//app:image)") == [
        "//app:handler.py",
        "//app:image",
        "//bases:python",
        "//lib:lib",
        "//lib:sub/extra.py",
        "//lib:x.py",
    ]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("//app:all", "//app:handlers //app:image"),
        ("//app:*", "//app:BUILD //app:handler.py //app:handlers //app:image"),
        ("//lib/...:*", "//lib:BUILD //lib:lib //lib:x.py"),
        ("//app:unnamed.py", "//app:unnamed.py"),
        ("set(//lib //app:handler.py)", "//app:handler.py //lib:lib"),
        ("siblings(//app:handler.py)", "//app:BUILD //app:handler.py //app:handlers //app:image"),
        ("siblings(//lib:sub/extra.py)", "//lib:BUILD //lib:lib //lib:sub/extra.py //lib:x.py"),
        ("buildfiles(//app:image)", "//app:BUILD //tools:BUILD //tools:more.bzl //tools:names.bzl"),
        ("buildfiles(//lib:x.py + //:top)", "//:BUILD //lib:BUILD"),
        ("loadfiles(//app:image)", "//tools:more.bzl //tools:names.bzl"),
        ("loadfiles(//lib)", ""),
        ("deps(buildfiles(//lib))", "//lib:BUILD"),
        ("labels(srcs, //app:image)", "//app:handler.py //lib:lib //lib:sub/extra.py"),
        ("labels(base, //bases:python)", ""),
        ("same_pkg_direct_rdeps(//app:handler.py)", "//app:handlers //app:image"),
        ("same_pkg_direct_rdeps(//lib)", ""),
        ("rdeps(//..., //lib:x.py, 1)", "//lib:lib //lib:x.py"),
        ("rdeps(//bases:all, //lib)", ""),
        ("kind('^files rule$', //...)", "//:top //app:handlers //lib:lib"),
        ("kind('source file', deps(//lib))", "//lib:x.py"),
        ("attr(mode, 0644, //...)", "//lib:lib"),
        ("attr(mode, auto, //...)", "//:top //app:handlers"),
        ("attr(env, 'A=1, B', //...)", "//app:image"),
        ("attr(srcs, '^.//app:handler.py=.a.py, b.py..$', //...)", "//app:handlers"),
        ("attr(visibility, //app, //...)", "//app:handlers"),
        ("attr(nonsense, '', //...)", ""),
        ("filter(//lib:, deps(//app:image))", "//lib:lib //lib:sub/extra.py //lib:x.py"),
        ("some(//bases:all)", "//bases:other"),
        ("somepath(//app:image, //lib:x.py)", "//app:image //lib:lib //lib:x.py"),
        ("somepath(//lib, //app:image)", ""),
        ("allpaths(//app:all, //app:handler.py)", "//app:handler.py //app:handlers //app:image"),
    ],
)
def test_functions(project: Project, text: str, wanted: str) -> None:
    assert labels(project, text) == wanted.split()


def test_the_universe_of_allrdeps_is_everything_or_what_is_said(project: Project) -> None:
    assert labels(project, "allrdeps(//lib)") == ["//app:image", "//lib:lib"]
    assert labels(project, "allrdeps(//lib)", universe="//lib,//bases/...") == ["//lib:lib"]
    assert labels(project, "allrdeps(//app:handler.py, 1)", universe="//app/...,-//app:image") == [
        "//app:handler.py",
        "//app:handlers",
    ]


def test_only_the_packages_that_an_expression_comes_to_are_loaded(project: Project) -> None:
    project.write({"lib/BUILD": BROKEN})
    assert labels(project, "//app:image") == ["//app:image"]
    assert labels(project, "deps(//app:image, 0)") == ["//app:image"]
    assert labels(project, "deps(filter(python, //bases:all))") == ["//bases:python"]
    assert labels(project, "//app/... - set(//bases:python)") == ["//app:handlers", "//app:image"]
    with pytest.raises(UserError) as caught:
        labels(project, "deps(//app:image)")
    assert caught.value.at is not None
    assert caught.value.at.path == "lib/BUILD"


def test_keep_going_leaves_out_what_is_broken(project: Project) -> None:
    project.write({"lib/BUILD": BROKEN})
    ran = project.run("query", "-k", "deps(//...)")
    assert ran.code == 2
    assert ran.out.split() == [
        "//:README.md",
        "//:top",
        "//app:handler.py",
        "//app:handlers",
        "//app:image",
        "//bases:other",
        "//bases:python",
    ]
    assert ran.err.count("error: ") == 1
    assert ran.err.startswith("error: lib/BUILD:")


def test_keep_going_says_in_json_what_is_broken(project: Project) -> None:
    project.write({"bases/BUILD": BROKEN})
    ran = project.run("query", "--keep_going", "--json", "//bases/... + //lib + //nowhere")
    document = json.loads(ran.out)
    assert [target["label"] for target in document["targets"]] == ["//lib:lib"]
    assert [error["at"].split(":")[0] for error in document["errors"] if error["at"]] == ["bases/BUILD"]
    assert len(document["errors"]) == 2


def test_a_cycle_can_be_asked_about(project: Project) -> None:
    project.write(
        {
            "bases/BUILD": 'base_image(name = "python", base = ":b")\nbase_image(name = "b", base = ":python")\n'
        }
    )
    assert labels(project, "deps(//bases:b)") == ["//bases:b", "//bases:python"]
    assert lines(project, "maxrank", "deps(//bases:b)") == ["0 //bases:b", "0 //bases:python"]


def test_all_bases_that_auto_chooses_from_are_dependencies(project: Project) -> None:
    project.write(
        {
            "WORKSPACE.toml": WORKSPACE + '[images]\nauto = ["//bases:python", "//bases:other"]\n',
            "auto/BUILD": 'lambda_image(name = "image", base = "auto")\n',
        }
    )
    assert labels(project, "deps(//auto:image)") == ["//auto:image", "//bases:other", "//bases:python"]
    assert labels(project, "labels(base, //auto:image)") == ["//bases:other", "//bases:python"]
    assert labels(project, "attr(base, auto, //...)") == ["//auto:image"]


def test_what_pyproject_implies_is_a_dependency(project: Project) -> None:
    for name, requires in (("one", ["two"]), ("two", [])):
        project.write(
            {
                f"{name}/pyproject.toml": f'[project]\nname = "{name}"\nversion = "1"\ndependencies = {requires}\n',
                f"{name}/BUILD": f'python_package(name = "{name}", srcs = [])\n',
            }
        )
    assert labels(project, "deps(//one)") == [
        "//one:one",
        "//one:pyproject.toml",
        "//two:pyproject.toml",
        "//two:two",
    ]
    assert labels(project, "rdeps(//..., //two:pyproject.toml)") == [
        "//one:one",
        "//two:pyproject.toml",
        "//two:two",
    ]


def test_external_images_are_targets(project: Project) -> None:
    project.write(
        {
            "WORKSPACE.toml": WORKSPACE + '[images.python]\nref = "example.com/python:3.12"\n',
            "bases/BUILD": 'base_image(name = "python", base = "@python")\n',
        }
    )
    assert labels(project, "deps(//bases:python)") == ["@python", "//bases:python"]
    assert labels(project, "kind(external_image, deps(//...))") == ["@python"]
    assert labels(project, "buildfiles(@python)") == ["//:WORKSPACE.toml"]
    assert labels(project, "//...") == [
        "//:top",
        "//app:handlers",
        "//app:image",
        "//bases:python",
        "//lib:lib",
    ]


def test_a_regular_expression_that_comes_to_no_end_is_stopped(project: Project) -> None:
    name = "a" * 40
    project.write({"app/BUILD": f'files(name = "{name}", srcs = ["handler.py"])\n'})
    text = "filter('(a+)+$', //app/...) + filter('(a+)+[0-9]', //app/...)"
    query = Query(text, parse(text))
    with pytest.raises(UserError, match="takes too much time or memory"):
        ask(load_workspace(project.root, env={}), query, lambda text, at: None, patience=1)


# --- outputs --------------------------------------------------------------------


def test_build_output_is_a_build_file_again(project: Project) -> None:
    before = lines(project, "jsonl", "//app:all + //lib")
    text = "\n".join(lines(project, "build", "//app:all + //lib"))
    assert "\n# app/BUILD:2:1\nlambda_image(\n" in text
    lib, app = text[text.index("# lib/BUILD") :], text[: text.index("# lib/BUILD")]
    project.write({"app/BUILD": app, "lib/BUILD": lib})
    after = lines(project, "jsonl", "//app:all + //lib")
    assert [json.loads(line)["attributes"] for line in after] == [
        json.loads(line)["attributes"] for line in before
    ]
    assert [json.loads(line)["label"] for line in after] == ["//app:handlers", "//app:image", "//lib:lib"]


def test_labels_kinds_places_and_packages(project: Project) -> None:
    text = "//lib:* + //:top + //app:image"
    assert lines(project, "label_kind", text)[:2] == ["files rule //:top", "lambda_image rule //app:image"]
    assert lines(project, "label", text) == labels(project, text)
    assert lines(project, "location", text) == [
        "BUILD:1:1: files rule //:top",
        "app/BUILD:2:1: lambda_image rule //app:image",
        "lib/BUILD:1:1: source file //lib:BUILD",
        "lib/BUILD:1:1: files rule //lib:lib",
        "lib/x.py:1:1: source file //lib:x.py",
    ]
    assert lines(project, "package", text) == [".", "app", "lib"]


def test_ranks_are_the_shortest_and_the_longest_way(project: Project) -> None:
    project.write(
        {
            "app/BUILD": 'files(name = "a", srcs = [":b", "c.py"])\nfiles(name = "b", srcs = ["c.py"])\n',
            "app/c.py": "",
        }
    )
    assert lines(project, "minrank", "deps(//app:a)") == ["0 //app:a", "1 //app:b", "1 //app:c.py"]
    assert lines(project, "maxrank", "deps(//app:a)") == ["0 //app:a", "1 //app:b", "2 //app:c.py"]


def test_drawings_have_the_edges_within_the_answer(project: Project) -> None:
    assert lines(project, "graph", "//app:image + //lib + //lib:x.py") == [
        "digraph targets {",
        "  node [shape=box];",
        '  "//app:image"',
        '  "//lib:lib"',
        '  "//lib:x.py"',
        '  "//app:image" -> "//lib:lib"',
        '  "//lib:lib" -> "//lib:x.py"',
        "}",
    ]
    assert lines(project, "mermaid", "//app:image + //lib") == [
        "graph TD",
        '  n0["//app:image"]',
        '  n1["//lib:lib"]',
        "  n0 --> n1",
    ]


def test_signs_of_drawings_in_a_label_are_escaped(project: Project) -> None:
    project.write({"odd/BUILD": 'files(name = "odd", srcs = ["a\\"#<b"])\n', 'odd/a"#<b': ""})
    assert '  "//odd:a\\"#<b"' in lines(project, "graph", "deps(//odd)")
    assert '  n0["//odd:a#quot;#35;#lt;b"]' in lines(project, "mermaid", "deps(//odd)")


def test_json_tells_attributes_and_dependencies(project: Project) -> None:
    (line,) = lines(project, "jsonl", "//app:handlers")
    assert json.loads(line) == {
        "label": "//app:handlers",
        "kind": "files rule",
        "package": "app",
        "name": "handlers",
        "at": "app/BUILD:8:1",
        "rule": "files",
        "attributes": {
            "name": "handlers",
            "visibility": ["//app:__pkg__"],
            "tags": [],
            "srcs": {"//app:handler.py": ["a.py", "b.py"]},
            "dest": "var/task",
            "strip_prefix": "",
            "mode": "auto",
            "allow": [],
        },
        "dependencies": [{"attribute": "srcs", "label": "//app:handler.py"}],
    }
    (line,) = lines(project, "jsonl", "//app:handler.py")
    assert json.loads(line) == {
        "label": "//app:handler.py",
        "kind": "source file",
        "package": "app",
        "name": "handler.py",
        "at": "app/handler.py:1:1",
    }
