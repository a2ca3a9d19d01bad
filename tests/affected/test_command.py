"""The command: what it lists, for every kind of edit; what it refuses; what build does with it."""

from __future__ import annotations

import io
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lambdabuild.errors import UserError
from lambdabuild.external.lock_file import print_pins
from lambdabuild.external.pins import ImagePins, Pin
from lambdabuild.oci.digest import sha256_of
from lambdabuild.oci.manifest import Descriptor, Manifest
from lambdabuild.oci.media_types import FAMILIES
from tests.affected.repository import Repository, changes, differing, hashes
from tests.project import Project, Ran

ROOT = Path(__file__).parents[2]
FILES = {
    "WORKSPACE.toml": '[workspace]\nname = "t"\n',
    "lib/BUILD": 'files(name = "lib", srcs = glob(["*.py"]), dest = "opt/python")\n',
    "lib/a.py": "A = 1\n",
    "base/BUILD": 'base_image(name = "base", base = "scratch", srcs = ["//lib"])\n',
    "one/BUILD": 'lambda_image(name = "one", base = "//base", srcs = ["handler.py"])\n',
    "one/handler.py": "def main(event, context): pass\n",
    "two/BUILD": 'lambda_image(name = "two", base = "scratch", srcs = ["handler.py"])\n',
    "two/handler.py": "def main(event, context): pass\n",
}


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    repository = Repository(tmp_path.resolve())
    repository.write(FILES)
    repository.commit()
    return repository


def run(repository: Repository, *arguments: str) -> Ran:
    return repository.project().run(*arguments)


# --- what is listed ----------------------------------------------------------


def test_a_file_moves_what_it_is_in_and_nothing_else(repository: Repository) -> None:
    assert run(repository, "affected", "--since", "HEAD") == Ran(0, "", "0 of 4 targets affected\n")
    repository.write({"lib/a.py": "A = 2\n"})
    ran = run(repository, "affected", "--since", "HEAD")
    assert ran == Ran(0, "//base\n//lib\n//one\n", "3 of 4 targets affected: 3 changed\n")


def test_what_is_new_is_listed_and_what_is_gone_only_counted(repository: Repository) -> None:
    (repository.root / "two").rename(repository.root / "three")
    repository.write({"three/BUILD": FILES["two/BUILD"].replace("two", "three")})
    ran = run(repository, "affected", "--since", "main")
    assert ran == Ran(0, "//three\n", "1 of 5 targets affected: 1 new, 1 removed\n")


def test_json_has_hashes_of_both_sides(repository: Repository) -> None:
    commit = repository.git("rev-parse", "HEAD")
    repository.write({"two/handler.py": "", "lib/BUILD": "", "base/BUILD": "", "one/BUILD": ""})
    document = json.loads(run(repository, "affected", "--since", "main", "--json").out)
    before, _ = hashes(repository.project(repository.checkout(commit)))
    after, _ = hashes(repository.project())
    assert document["since"] == {"revision": "main", "commit": commit}
    assert document["until"] is None
    assert document["compared"] == 4
    assert document["errors"] == []
    assert document["targets"] == [
        {
            "label": "//two:two",
            "kind": "lambda_image",
            "change": "changed",
            "platforms": [
                {
                    "platform": "linux/amd64",
                    "before": before["//two"]["linux/amd64"],
                    "after": after["//two"]["linux/amd64"],
                }
            ],
        }
    ]
    assert [each["label"] for each in document["removed"]] == ["//base:base", "//lib:lib", "//one:one"]
    assert document["removed"][0]["platforms"][0]["after"] is None


def test_until_compares_two_revisions_and_not_the_working_tree(repository: Repository) -> None:
    repository.write({"two/handler.py": "1"})
    repository.commit()
    repository.write({"lib/a.py": "2"})
    ran = run(repository, "affected", "--since", "HEAD~1", "--until", "HEAD", "--json")
    document = json.loads(ran.out)
    assert [each["label"] for each in document["targets"]] == ["//two:two"]
    assert document["until"]["revision"] == "HEAD"


def test_kinds_and_patterns_choose(repository: Repository) -> None:
    repository.write({"lib/a.py": "2", "two/handler.py": "2"})
    assert run(repository, "affected", "--since", "HEAD", "--kind", "lambda_image").out == "//one\n//two\n"
    kinds = ("--kind", "files", "--kind", "base_image")
    assert run(repository, "affected", "--since", "HEAD", *kinds).out == "//base\n//lib\n"
    assert (
        run(repository, "affected", "--since", "HEAD", "//...", "-//base", "-//lib/...").out
        == "//one\n//two\n"
    )
    assert (
        run(repository, "affected", "-C", str(repository.root / "two"), "--since", "HEAD", ":all").out
        == "//two\n"
    )
    assert run(repository, "affected", "--since", "HEAD", "--kind", "python_package").out == ""
    unknown = run(repository, "affected", "--since", "HEAD", "--kind", "lambda_imgae")
    assert unknown.code == 2
    assert "did you mean 'lambda_image'?" in unknown.err


def test_a_pattern_may_name_what_is_on_one_side_only(repository: Repository) -> None:
    repository.write(
        {"new/BUILD": 'files(name = "x", srcs = ["BUILD.txt"], dest = "x")', "new/BUILD.txt": ""}
    )
    shutil.rmtree(repository.root / "two")
    for pattern in ("//new/...", "//new:all", "//new:x"):
        assert changes(repository.affected("HEAD", None, pattern)) == {"//new:x": "new"}
    for pattern in ("//two/...", "//two:all", "//two"):
        assert changes(repository.affected("HEAD", None, pattern)) == {"//two": "removed"}
    for pattern in ("//nowhere/...", "//nowhere:all", "//nowhere", "//lib:lip"):
        with pytest.raises(UserError):
            repository.affected("HEAD", None, pattern)


def test_platforms_are_told_apart(repository: Repository) -> None:
    for platforms in ('"linux/amd64"', '"linux/arm64", "linux/amd64"'):
        build_file = FILES["two/BUILD"].replace(")", f", platforms = [{platforms}])")
        repository.write({"two/BUILD": build_file})
        repository.commit()
    (found,) = repository.affected("HEAD~1").differences
    assert (set(found.before), set(found.after)) == ({"linux/amd64"}, {"linux/arm64", "linux/amd64"})
    assert changes(repository.affected("HEAD~1", None, "//two", platforms=("linux/amd64",))) == {}
    assert changes(repository.affected("HEAD~1", None, "//two", platforms=("linux/arm64",))) == {
        "//two": "new"
    }


def test_what_git_ignores_and_does_not_track_counts_as_it_does_for_a_build(repository: Repository) -> None:
    repository.write({".gitignore": "made.py\n", "lib/made.py": "", "lib/BUILD": FILES["lib/BUILD"]})
    assert set(changes(repository.affected("HEAD"))) == {"//lib", "//base", "//one"}


# --- a real workspace --------------------------------------------------------


@pytest.fixture(scope="module")
def receipts(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    repository = Repository(tmp_path_factory.mktemp("receipts").resolve(), inside="tools/receipts")
    ignored = shutil.ignore_patterns("lambdabuild-out", "__pycache__")
    shutil.copytree(ROOT / "examples/receipts", repository.root, ignore=ignored, dirs_exist_ok=True)
    repository.commit()
    return repository


def replace(path: str, old: str, new: str) -> Callable[[Path], None]:
    def edit(root: Path) -> None:
        text = (root / path).read_text()
        assert old in text
        (root / path).write_text(text.replace(old, new))

    return edit


@pytest.mark.parametrize(
    "edit",
    [
        pytest.param(
            replace("receipt_dynamo/pyproject.toml", "boto3>=1.34", "boto3>=1.30"), id="a requirement"
        ),
        pytest.param(replace("receipt_label/pyproject.toml", 'version = "', 'version = "9'), id="a version"),
        pytest.param(replace("tools/settings.bzl", "settings", "settings"), id="nothing"),
        pytest.param(replace("WORKSPACE.toml", '["host"]', '["linux/amd64", "linux/arm64"]'), id="platforms"),
        pytest.param(replace("WORKSPACE.toml", '"//bases:label"]', "]"), id="the bases to choose from"),
        pytest.param(replace("bases/BUILD", '"receipts"', '"others"'), id="an attribute"),
        pytest.param(lambda root: (root / "infra/list_receipts/handler.py").chmod(0o755), id="a mode"),
        pytest.param(lambda root: shutil.rmtree(root / "infra/create_labels"), id="a package that goes"),
        pytest.param(
            replace("python.lock", "f072f4d804ea359e", "f072f4d804ea3590"), id="a wheel in python.lock"
        ),
    ],
)
def test_edits_of_the_example_affect_what_two_checkouts_differ_in(
    receipts: Repository, edit: Callable[[Path], None]
) -> None:
    base = receipts.git("rev-parse", "main")
    edit(receipts.root)
    try:
        before, broken = hashes(receipts.project(receipts.checkout(base)))
        after, broken_now = hashes(receipts.project())
        found = receipts.affected("main", keep_going=True)
        if broken | broken_now:
            assert differing(before, after).keys() <= changes(found).keys()
        else:
            assert changes(found) == differing(before, after)
    finally:
        receipts.git("checkout", "-q", "-f", "main")
        receipts.git("clean", "-qfd")


def test_the_lock_of_images_is_that_of_the_revision(repository: Repository) -> None:
    def lock(author: str) -> str:
        config = json.dumps(
            {
                "os": "linux",
                "architecture": "amd64",
                "author": author,
                "rootfs": {"type": "layers", "diff_ids": []},
            }
        ).encode()
        family = FAMILIES["oci"]
        manifest = Manifest(family, Descriptor(family.config, sha256_of(config), len(config)), ()).encode()
        pin = Pin.of("far", "linux/amd64", "a/b:c", manifest.decode(), config.decode(), "3.12", "glibc 2.34")
        return print_pins(ImagePins.of([pin])).decode()

    repository.write(
        {
            "WORKSPACE.toml": FILES["WORKSPACE.toml"] + '[images.far]\nref = "a/b:c"\n',
            "WORKSPACE.lock": lock("one"),
            "two/BUILD": 'lambda_image(name = "two", base = "@far", srcs = ["handler.py"])\n',
        }
    )
    commit = repository.commit()
    assert changes(repository.affected("HEAD")) == {}
    repository.write({"WORKSPACE.lock": lock("other")})
    assert changes(repository.affected("HEAD")) == {"//two": "changed"}
    assert changes(repository.affected("HEAD", None, "@far")) == {"@far": "changed"}
    assert changes(repository.affected("HEAD~1", commit, "@far", "//two")) == {
        "//two": "changed",
        "@far": "new",
    }


# --- what is broken ----------------------------------------------------------


@pytest.fixture
def broken(repository: Repository) -> Repository:
    """Its last commit has a BUILD file that does not parse, and a source that is not there."""
    repository.write(
        {"two/BUILD": "lambda_image(\n", "one/BUILD": FILES["one/BUILD"].replace("handler.py", "gone.py")}
    )
    repository.commit()
    repository.git("tag", "broken")
    repository.git("revert", "--no-edit", "HEAD")
    return repository


def test_what_is_broken_at_the_revision_is_said_with_the_revision(broken: Repository) -> None:
    ran = run(broken, "affected", "--since", "broken", "//two")
    assert ran.code == 2
    assert ran.err.startswith("error: broken:two/BUILD:")
    assert "what is broken there counts as different with -k" in ran.err


def test_keep_going_counts_what_is_broken_as_different(broken: Repository) -> None:
    ran = run(broken, "affected", "--since", "broken", "-k")
    assert (ran.code, ran.out) == (0, "//one\n//two\n")
    assert "error: broken:two/BUILD:" in ran.err
    assert "error: broken:one/BUILD:" in ran.err
    assert "2 of 4 targets affected: 2 changed" in ran.err
    back = run(broken, "affected", "--since", "HEAD", "--until", "broken", "-k", "--json")
    assert back.code == 2
    assert [each["label"] for each in json.loads(back.out)["targets"]] == ["//one:one", "//two:two"]
    assert len(json.loads(back.out)["errors"]) == 2


def test_what_a_broken_target_stands_on_is_still_hashed(repository: Repository) -> None:
    no_package = {"x/a.txt": "", "x/BUILD": 'files(name = "x", srcs = ["a.txt"], dest = "../x")\n'}
    on_both = 'base_image(name = "base", base = "scratch", srcs = ["//x", "//lib"])\n'
    repository.write({**no_package, "base/BUILD": on_both})
    found = repository.affected("HEAD", keep_going=True)
    assert changes(found) == {"//base": "changed", "//one": "changed", "//x": "new"}
    assert found.failures[0] == ()
    assert found.failures[1]


def test_a_broken_workspace_file_is_said_with_the_revision(repository: Repository) -> None:
    repository.write({"WORKSPACE.toml": "[workspace\n"})
    repository.commit()
    repository.write({"WORKSPACE.toml": FILES["WORKSPACE.toml"]})
    ran = run(repository, "affected", "--since", "main")
    assert ran.code == 2
    assert ran.err.startswith("error: main:WORKSPACE.toml:1")


def test_a_revision_without_the_workspace_is_refused(repository: Repository) -> None:
    repository.git("rm", "-q", "WORKSPACE.toml")
    repository.git("commit", "-qm", "x")
    repository.write({"WORKSPACE.toml": FILES["WORKSPACE.toml"]})
    ran = run(repository, "affected", "--since", "HEAD")
    assert (ran.code, ran.out) == (2, "")
    assert "at HEAD: there is no WORKSPACE.toml in the top of the repository" in ran.err


def test_what_is_not_here_is_exit_3_with_the_command_that_fetches_it(repository: Repository) -> None:
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 5\n"
    repository.write({".gitattributes": "*.py filter=lfs\n", "two/handler.py": pointer})
    repository.commit()
    ran = run(repository, "affected", "--since", "HEAD", "-k")
    assert ran.code == 3
    assert ran.err == (
        "error: HEAD:two/handler.py is in Git LFS, and its bytes are not here\n  hint: git lfs fetch origin HEAD\n"
    )


@pytest.mark.parametrize("name", ["nowhere", "-x", "", "HEAD:lib", "HEAD~7"])
def test_a_revision_that_does_not_exist_is_refused(repository: Repository, name: str) -> None:
    for arguments in (["--since", name], ["--since", "HEAD", "--until", name]):
        ran = run(repository, "affected", *arguments)
        assert (ran.code, ran.out) == (2, "")
        assert "revision" in ran.err or "commit" in ran.err
        assert "hint: " in ran.err


def test_a_workspace_outside_of_git_is_refused(tmp_path: Path) -> None:
    project = Project(tmp_path / "w", tmp_path / "cache/lambdabuild", FILES, workspace=False)
    ran = project.run("affected", "--since", "HEAD")
    assert ran.code == 2
    assert "is not in a git repository" in ran.err


# --- build - -----------------------------------------------------------------


def piped(repository: Repository, monkeypatch: pytest.MonkeyPatch, data: bytes | str, *arguments: str) -> Ran:
    raw = io.BytesIO(data.encode() if isinstance(data, str) else data)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(raw))
    return run(repository, *arguments)


def test_build_takes_labels_from_standard_input(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.write({"lib/a.py": "2"})
    listed = run(repository, "affected", "--since", "HEAD").out
    ran = piped(repository, monkeypatch, listed, "build", "-")
    assert ran.code == 0
    assert [line.split()[1] for line in ran.out.splitlines()] == ["//base", "//lib", "//one"]
    ran = piped(repository, monkeypatch, f"\n {listed}\n\n", "build", "-", "-//base", "//two")
    assert [line.split()[1] for line in ran.out.splitlines()] == ["//lib", "//one", "//two"]


@pytest.mark.parametrize("more", [(), ("-//one",)])
def test_an_empty_list_builds_nothing_and_says_so(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, more: tuple[str, ...]
) -> None:
    ran = piped(repository, monkeypatch, "", "build", "-", *more)
    assert (ran.code, ran.out) == (0, "")
    assert ran.err.startswith("nothing to build in ")
    assert {Path(each).name for each in repository.project().stored()} <= {".gitignore"}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"//one\n\xff\n", "-:2: standard input is not UTF-8"),
        (b"//one:\n", "is not a target pattern"),
        (b"//nowhere\n", "no package //nowhere"),
    ],
)
def test_standard_input_that_holds_no_labels_is_refused(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, data: bytes, message: str
) -> None:
    ran = piped(repository, monkeypatch, data, "build", "-")
    assert (ran.code, ran.out) == (2, "")
    assert message in ran.err
