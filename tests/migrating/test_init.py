"""`lambdabuild init` on small monorepos: what it writes, and what it leaves alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.migrating.monorepo import CMD, FROM, HANDLER, build_file, init, library, monorepo, snapshot
from tests.project import WORKSPACE

INSTALL = "COPY lib /tmp/lib\nRUN pip install /tmp/lib\n"


def image(*lines: str) -> str:
    return FROM + "".join(f"{line}\n" for line in lines) + CMD


def written(tmp_path: Path, files: dict[str, str], path: str = "app/BUILD") -> str:
    """Returns the BUILD file that init writes, after it has said that all is well."""
    project = monorepo(tmp_path, {"app/handler.py": HANDLER, **files})
    init(project)
    return build_file(project, path)


def test_an_image_that_copies_and_installs_is_assembled(tmp_path: Path) -> None:
    dockerfile = image("COPY lib /tmp/lib", "RUN pip install '/tmp/lib[x]' 'six>=1'", "COPY app/handler.py .")
    files = {**library("lib", extras={"x": []}), "app/Dockerfile": dockerfile}  # type: ignore[arg-type]
    assert written(tmp_path, files) == (
        'lambda_image(\n    name = "image",\n    base = "@python",\n    srcs = ["handler.py"],\n'
        '    handler = "handler.lambda_handler",\n    packages = ["//lib[x]"],\n'
        '    requirements = ["six>=1"],\n)\n'
    )


def test_a_renaming_copy_is_a_dict(tmp_path: Path) -> None:
    files = {"app/combine.py": HANDLER, "app/Dockerfile": image("COPY app/combine.py ./handler.py")}
    assert '    srcs = {"combine.py": "handler.py"},\n' in written(tmp_path, files)


def test_a_file_in_two_places_has_a_list_of_them(tmp_path: Path) -> None:
    lines = ("COPY app/handler.py .", "COPY app/handler.py /opt/h.py", "COPY app/a.json .")
    text = written(tmp_path, {"app/a.json": "{}", "app/Dockerfile": image(*lines)})
    assert '        "a.json": "a.json",\n        "handler.py": ["/opt/h.py", "handler.py"],\n' in text


def test_what_is_copied_later_replaces_what_was_there(tmp_path: Path) -> None:
    lines = ("COPY app/old.py handler.py", "COPY app/handler.py handler.py")
    assert '    srcs = ["handler.py"],\n' in written(
        tmp_path, {"app/old.py": "", "app/Dockerfile": image(*lines)}
    )


def test_a_file_that_a_glob_gives_is_not_named_again(tmp_path: Path) -> None:
    lines = ("COPY app/ ./", "COPY app/handler.py ./")
    text = written(tmp_path, {"app/a.json": "", "app/Dockerfile": image(*lines)})
    assert '    srcs = glob(\n        ["**"],\n        exclude = ["Dockerfile"],\n    ),\n' in text


def test_a_file_of_another_directory_is_named_by_its_label(tmp_path: Path) -> None:
    files = {"other/util.py": "", "app/Dockerfile": image("COPY app/handler.py other/util.py ./")}
    assert '        "handler.py",\n        "//other:util.py",\n' in written(tmp_path, files)
    assert build_file(monorepo(tmp_path, {}), "other/BUILD").startswith("# Files of this package are named")


def test_a_file_of_a_python_package_is_named_by_its_label(tmp_path: Path) -> None:
    files = {**library("lib"), "app/Dockerfile": image("COPY app/handler.py lib/lib/__init__.py ./")}
    text = written(tmp_path, files)
    # Its own place would be /var/task/lib/__init__.py, so both have one said.
    assert '        "//lib:lib/__init__.py": "__init__.py",\n        "handler.py": "handler.py",\n' in text


def test_a_directory_beside_the_dockerfile_is_a_glob(tmp_path: Path) -> None:
    files = {"app/data/a.json": "{}", "app/Dockerfile": image("COPY app/handler.py .", "COPY app/data data")}
    assert '    srcs = glob(["data/**"]) + ["handler.py"],\n' in written(tmp_path, files)


def test_a_directory_elsewhere_is_a_files_target(tmp_path: Path) -> None:
    files = {
        "shared/deep/x.py": "",
        "shared/inner/Dockerfile": image("COPY app/handler.py ."),
        "shared/inner/y.py": "",
        "app/Dockerfile": image("COPY app/handler.py main.py", "COPY app/handler.py .", "COPY shared lib"),
    }
    text = written(tmp_path, files)
    assert (
        '    srcs = [\n        ":image_renamed",\n        "//shared/inner:files",\n        "//shared:files",\n'
        in text
    )
    assert 'srcs = {"handler.py": ["handler.py", "main.py"]},' in text
    shared = build_file(monorepo(tmp_path, {}), "shared/BUILD")
    assert 'dest = "var/task/lib",\n    strip_prefix = "shared",\n' in shared
    inner = build_file(monorepo(tmp_path, {}), "shared/inner/BUILD")
    assert 'dest = "var/task/lib/inner",\n    strip_prefix = "shared/inner",\n' in inner


def test_what_dockerignore_leaves_out_the_glob_leaves_out(tmp_path: Path) -> None:
    files = {
        "app/.dockerignore": "# no\n.git\n.env\n**/*.md\nnotes/\n",
        "app/.env": "SECRET=1",
        "app/Dockerfile": image("COPY . ."),
    }
    text = written(tmp_path, files)
    excluded = text.split("exclude = [")[1].split("]")[0].split('"')[1::2]
    assert excluded == [
        *("**/*.md", "**/*.md/**", ".dockerignore", ".env", ".env/**", "Dockerfile", "notes", "notes/**"),
    ]


def test_a_dockerfile_that_runs_programs_is_kept_and_the_reason_said(tmp_path: Path) -> None:
    project = monorepo(
        tmp_path,
        {
            **library("lib"),
            "app/handler.py": HANDLER,
            "app/data/a.json": "{}",
            "app/Dockerfile": image(
                "RUN dnf install -y poppler",
                *INSTALL.splitlines(),
                "COPY app/handler.py .",
                "COPY app/data data",
            ),
        },
    )
    ran = init(project)
    assert build_file(project, "app/BUILD") == (
        'lambda_image(\n    name = "image",\n    dockerfile = "Dockerfile",\n'
        '    srcs = glob(["data/**"]) + ["handler.py"],\n    packages = ["//lib"],\n)\n'
    )
    assert (
        "//app:image keeps its Dockerfile\n  app/Dockerfile:2: RUN dnf install … needs a system package manager\n"
        in ran.err
    )
    assert "[images.python]" in build_file(project, "WORKSPACE.toml")


def test_every_dockerfile_can_be_kept(tmp_path: Path) -> None:
    files = {"app/handler.py": HANDLER, "app/Dockerfile": image("COPY app/handler.py .")}
    project = monorepo(tmp_path, files)
    ran = init(project, "--keep-dockerfiles")
    assert build_file(project, "app/BUILD") == (
        'lambda_image(\n    name = "image",\n    dockerfile = "Dockerfile",\n    srcs = ["handler.py"],\n)\n'
    )
    assert "keeps its Dockerfile" not in ran.err


def test_a_kept_dockerfile_with_lines_relative_to_itself_is_left_out_with_the_lines_to_write(
    tmp_path: Path,
) -> None:
    dockerfile = image("RUN make", "COPY --chown=1 handler.py a.json ./")
    project = monorepo(tmp_path, {"app/handler.py": HANDLER, "app/a.json": "", "app/Dockerfile": dockerfile})
    ran = init(project)
    assert not (project.root / "app/BUILD").exists()
    assert "    3: COPY --chown=1 app/handler.py app/a.json ./\n" in ran.err
    assert "made either\n    app/Dockerfile:2: RUN make runs a program" in ran.err


def test_several_dockerfiles_in_a_directory_are_several_targets(tmp_path: Path) -> None:
    copied = image("COPY app/handler.py .")
    names = ("Dockerfile", "Dockerfile.worker", "nightly.Dockerfile", "Dockerfile.a b")
    text = written(tmp_path, {f"app/{name}": copied for name in names})
    assert [line for line in text.split("\n") if "name =" in line] == [
        f'    name = "{name}",' for name in ("image", "image_a_b", "image_worker", "image_nightly")
    ]


def test_a_target_is_not_called_like_a_file(tmp_path: Path) -> None:
    text = written(tmp_path, {"app/image": "", "app/Dockerfile": image("COPY app/handler.py app/image ./")})
    assert '    name = "image_2",\n' in text


def test_a_dockerfile_without_a_command_makes_a_base(tmp_path: Path) -> None:
    text = written(tmp_path, {**library("lib"), "app/Dockerfile": FROM + INSTALL})
    assert text == 'base_image(\n    name = "image",\n    base = "@python",\n    packages = ["//lib"],\n)\n'


def test_images_that_install_the_same_packages_share_a_base(tmp_path: Path) -> None:
    files = {f"{name}/handler.py": HANDLER for name in "abc"} | library("lib") | library("more")
    for name in "ab":
        files[f"{name}/Dockerfile"] = image(*INSTALL.splitlines(), f"COPY {name}/handler.py .")
    more = "COPY more /tmp/more\nRUN pip install /tmp/more"
    files["c/Dockerfile"] = image(*INSTALL.splitlines(), *more.splitlines(), "COPY c/handler.py .")
    project = monorepo(tmp_path, files)
    ran = init(project)
    assert build_file(project, "bases/BUILD") == (
        'base_image(\n    name = "lib",\n    base = "@python",\n    packages = ["//lib"],\n)\n'
    )
    for name in "ab":
        assert '    base = "//bases:lib",\n    srcs = ["handler.py"],\n    handler' in build_file(
            project, f"{name}/BUILD"
        )
    assert '    base = "@python",\n' in build_file(project, "c/BUILD")
    assert "//bases:lib holds what 2 images install: //lib\n" in ran.err


def test_packages_that_others_bring_are_not_named(tmp_path: Path) -> None:
    files = library("low") | library("mid", "low") | library("high", "mid")
    names = ("low", "mid", "high")
    lines = [f"COPY {name} /tmp/{name}" for name in names]
    lines += [f"RUN pip install {' '.join(f'/tmp/{name}' for name in names)}", "COPY app/handler.py ."]
    files |= {"app/Dockerfile": image(*lines), "app/Dockerfile.kept": image("RUN make", *lines)}
    text = written(tmp_path, files)
    assert text.count('    packages = ["//high"],\n') == 2


def test_a_base_that_is_there_and_holds_just_the_packages_is_taken(tmp_path: Path) -> None:
    bases = '[images.aws]\nref = "public.ecr.aws/lambda/python:3.12"\n'
    more = '    env = {"A": "1"},\n'
    base = 'base_image(\n    name = "%s",\n    base = "@aws",\n    packages = ["//lib"],\n%s)\n'
    files = {
        **{f"{name}/handler.py": HANDLER for name in "ab"},
        **library("lib"),
        "WORKSPACE.toml": WORKSPACE + bases,
        "lib/BUILD": 'python_package(\n    name = "lib",\n    srcs = glob(["**/*.py"]),\n)\n',
        "a/Dockerfile": image(*INSTALL.splitlines(), "COPY a/handler.py ."),
        "common/BUILD": base % ("more", more),
    }
    project = monorepo(tmp_path, files)
    init(project)
    assert 'base = "@aws",' in build_file(project, "a/BUILD")
    (project.root / "a/BUILD").unlink()
    project.write({"common/BUILD": (base % ("more", more)) + (base % ("plain", ""))})
    assert "//common:plain holds what 1 image installs: //lib\n" in init(project).err
    assert 'base = "//common:plain",\n    srcs = ["handler.py"],\n    handler' in build_file(
        project, "a/BUILD"
    )


def test_images_of_registries_are_declared_once_by_what_they_are_called(tmp_path: Path) -> None:
    lines = "COPY app/handler.py .\n" + CMD
    files = {
        "app/Dockerfile": FROM + lines,
        "app/Dockerfile.new": FROM.replace("3.12", "3.13") + lines,
        "app/Dockerfile.sh": "FROM debian:12 AS made\nRUN make\n" + FROM + "COPY --from=made /x /x\n" + lines,
    }
    assert 'base = "@python-3.13"' in written(tmp_path, files)
    text = build_file(monorepo(tmp_path, {}), "WORKSPACE.toml")
    assert text == (
        '[workspace]\nname = "mono"\n\n[images.debian]\nref = "debian:12"\n\n'
        '[images."python-3.12"]\nref = "public.ecr.aws/lambda/python:3.12"\n\n'
        '[images."python-3.13"]\nref = "public.ecr.aws/lambda/python:3.13"\n'
    )


def test_an_image_that_is_declared_keeps_its_name_and_others_are_added(tmp_path: Path) -> None:
    start = WORKSPACE + '\n[images.aws]\nref = "public.ecr.aws/lambda/python:3.12"'
    lines = "COPY app/handler.py .\n" + CMD
    project = monorepo(tmp_path, {"WORKSPACE.toml": start, "app/handler.py": HANDLER})
    project.write({"app/Dockerfile": FROM + lines, "app/Dockerfile.b": FROM.replace("3.12", "3.13") + lines})
    init(project)
    assert build_file(project, "WORKSPACE.toml") == (
        start + '\n\n[images.python]\nref = "public.ecr.aws/lambda/python:3.13"\n'
    )
    assert 'base = "@aws"' in build_file(project, "app/BUILD")


def test_a_platform_that_from_names_is_the_targets(tmp_path: Path) -> None:
    start = image("COPY app/handler.py .").replace("FROM ", "FROM --platform=linux/arm64 ")
    assert '    platforms = ["linux/arm64"],\n' in written(tmp_path, {"app/Dockerfile": start})


def test_a_dockerfile_within_a_packages_code_is_declared_by_the_package(tmp_path: Path) -> None:
    files = {
        **library("lib"),
        "lib/lib/fn/handler.py": HANDLER,
        "lib/lib/fn/Dockerfile": image("COPY handler.py ."),
    }
    text = written(tmp_path, files, "lib/BUILD")
    assert '    name = "image_lib_fn",\n' in text
    assert 'srcs = {"lib/fn/handler.py": "handler.py"}' in text
    assert not (tmp_path / "mono/lib/lib/fn/BUILD").exists()


def test_beside_a_build_directory_the_file_is_called_build_lambda(tmp_path: Path) -> None:
    files = {"app/build/x": "", "app/Dockerfile": image("COPY app/handler.py .")}
    assert "lambda_image(" in written(tmp_path, files, "app/BUILD.lambda")


def test_a_dry_run_writes_nothing_and_its_diff_is_what_a_run_writes(tmp_path: Path) -> None:
    files = {"app/handler.py": HANDLER, "app/Dockerfile": image("COPY app/handler.py ."), **library("lib")}
    project = monorepo(tmp_path, files)
    before = snapshot(project)
    shown = init(project, "--dry-run").out
    assert snapshot(project) == before
    init(project)
    new = {path: data.decode() for path, data in snapshot(project).items() if path not in before}
    assert new.keys() == {"WORKSPACE.toml", "app/BUILD", "lib/BUILD"}
    for path, text in new.items():
        added = shown.split(f"+++ b/{path}\n")[1].split("--- ")[0].split("\n")[1:]
        assert [line[1:] for line in added if line] == text.rstrip("\n").split("\n")


def test_a_second_run_changes_nothing_and_says_so(tmp_path: Path) -> None:
    files = {"app/handler.py": HANDLER, "b/handler.py": HANDLER, **library("lib"), "x/util.py": ""}
    for name in ("app", "b"):
        lines = (*INSTALL.splitlines(), f"COPY {name}/handler.py x/util.py ./")
        files[f"{name}/Dockerfile"] = image(*lines)
    project = monorepo(tmp_path, files)
    init(project)
    before = snapshot(project)
    ran = init(project)
    assert snapshot(project) == before
    assert (ran.out, ran.err) == ("", "nothing to write: 3 targets declared already\n")


def test_a_build_file_that_is_there_stays_and_what_it_lacks_is_said(tmp_path: Path) -> None:
    own = 'files(\n    name = "mine",\n    srcs = ["handler.py"],\n)\n'
    files = {"app/BUILD": own, "app/handler.py": HANDLER, "app/Dockerfile": image("COPY app/handler.py .")}
    project = monorepo(tmp_path, files, workspace=True)
    ran = init(project)
    assert build_file(project, "app/BUILD") == own
    assert "app/BUILD is there, and stays as it is; it lacks\n    lambda_image(\n" in ran.err
    assert snapshot(project).keys() == {*files, "WORKSPACE.toml"}


def test_a_new_build_file_takes_no_files_from_a_target_that_is_there(tmp_path: Path) -> None:
    files = {
        "BUILD": 'files(\n    name = "everything",\n    srcs = glob(["app/**"]),\n)\n',
        "app/handler.py": HANDLER,
        "app/Dockerfile": image("COPY app/handler.py ."),
    }
    project = monorepo(tmp_path, files, workspace=True)
    ran = init(project)
    assert not (project.root / "app/BUILD").exists()
    assert "a BUILD file in app would take app/Dockerfile from BUILD" in ran.err


def test_a_package_that_is_declared_under_another_name_is_found(tmp_path: Path) -> None:
    files = {
        **library("lib"),
        "lib/BUILD": 'python_package(\n    name = "wheel",\n    srcs = glob(["**/*.py"]),\n)\n',
        "app/handler.py": HANDLER,
        "app/Dockerfile": image(*INSTALL.splitlines(), "COPY app/handler.py ."),
    }
    project = monorepo(tmp_path, files, workspace=True)
    init(project)
    assert 'packages = ["//lib:wheel"]' in build_file(project, "app/BUILD")


def test_what_is_broken_is_said_with_its_place_and_the_rest_goes_on(tmp_path: Path) -> None:
    files = {
        "bad/pyproject.toml": "[project\n",
        "odd/Dockerfile": "FROM x\nFRUN make\n",
        "odd/Dockerfile.latin": "FROM x\n# \udce9\n",
        "app/handler.py": HANDLER,
        "app/Dockerfile": image("COPY app/handler.py ."),
    }
    text = {path: value.encode(errors="surrogateescape") for path, value in files.items()}
    project = monorepo(tmp_path, {})
    project.write(text)
    ran = init(project, code=2)
    assert "error: bad/pyproject.toml:1:" in ran.err
    assert "error: odd/Dockerfile:2: there is no instruction FRUN\n  hint: did you mean 'RUN'?" in ran.err
    assert "error: odd/Dockerfile.latin:2: not UTF-8" in ran.err
    assert "lambda_image(" in build_file(project, "app/BUILD")


def test_what_would_not_build_is_not_written(tmp_path: Path) -> None:
    files = {
        "app/handler.py": HANDLER,
        "app/Dockerfile": image("COPY app/handler.py main.py"),
        "ok/handler.py": HANDLER,
        "ok/Dockerfile": image("COPY ok/handler.py ."),
    }
    project = monorepo(tmp_path, files)
    ran = init(project, code=2)
    assert (
        "app/BUILD:5:5: //app:image: attribute 'handler' names the module 'handler', but the image has no"
        in ran.err
    )
    assert snapshot(project).keys() == {*files, "WORKSPACE.toml", "ok/BUILD"}


def test_what_copy_takes_and_nobody_has_is_said_at_its_line(tmp_path: Path) -> None:
    project = monorepo(tmp_path, {"app/Dockerfile": image("COPY app/gone.py .")})
    ran = init(project)
    assert "error: app/Dockerfile:2: COPY takes app/gone.py, and no one directory has all" in ran.err


def test_other_workspaces_hidden_directories_and_links_out_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/Dockerfile").write_text(image())
    copied = image()
    files = {
        **{f"{name}/Dockerfile": copied for name in (".git", ".venv", "node_modules", "skip", "inner/app")},
        "inner/WORKSPACE.toml": "",
        "WORKSPACE.toml": '[workspace]\nignore = ["node_modules", "skip"]\n',
    }
    project = monorepo(tmp_path, files)
    (project.root / "linked").symlink_to(tmp_path / "elsewhere")
    ran = init(project)
    assert (ran.out, ran.err) == ("", "there is no pyproject.toml of a package and no Dockerfile\n")
    (project.root / "Dockerfile").symlink_to(tmp_path / "elsewhere/Dockerfile")
    assert "error: Dockerfile: Dockerfile leads out of the workspace" in init(project, code=2).err


def test_a_directory_below_a_workspace_means_the_workspace(tmp_path: Path) -> None:
    files = {"app/handler.py": HANDLER, "app/Dockerfile": image("COPY app/handler.py .")}
    project = monorepo(tmp_path, files, workspace=True)
    init(project, "-C", "app")
    assert (project.root / "app/BUILD").exists()
    assert not (project.root / "app/WORKSPACE.toml").exists()


def test_json_has_files_targets_and_reasons(tmp_path: Path) -> None:
    files = {"app/handler.py": HANDLER, "app/Dockerfile": image("RUN make", "COPY app/handler.py .")}
    found = json.loads(init(monorepo(tmp_path, files), "--json").out)
    assert [(each["path"], each["change"]) for each in found["files"]] == [
        ("WORKSPACE.toml", "new"),
        ("app/BUILD", "new"),
    ]
    (target,) = found["targets"]
    assert (target["label"], target["assembled"], target["context"]) == ("//app:image", False, "")
    assert target["reason"]["at"] == "app/Dockerfile:2"
    assert found["next"] == ["lambdabuild lock", "lambdabuild build //..."]


@pytest.mark.parametrize("name", ["Dockerfile.", "Dockerfile.dockerignore", "MyDockerfile", "Dockerfiles/x"])
def test_what_is_only_called_like_a_dockerfile_is_none(tmp_path: Path, name: str) -> None:
    ran = init(monorepo(tmp_path, {f"app/{name}": image()}))
    assert ran.err == "there is no pyproject.toml of a package and no Dockerfile\n"


def test_images_in_a_form_to_which_nothing_can_be_added_are_refused(tmp_path: Path) -> None:
    files = {
        "WORKSPACE.toml": "images = {}\n",
        "app/handler.py": HANDLER,
        "app/Dockerfile": image("COPY app/handler.py ."),
    }
    project = monorepo(tmp_path, files)
    before = snapshot(project)
    ran = init(project, code=2)
    assert "error: WORKSPACE.toml:1:1: [images] is written in a form to which nothing can be added" in ran.err
    assert snapshot(project) == before
