"""What `lambdabuild init` writes builds, on a base of a real registry."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from lambdabuild.engines.choice import AUTO, choose_engine
from lambdabuild.errors import ExternalError
from lambdabuild.sources import BUILD_FILES
from tests.docs.markdown import ROOT
from tests.external.conftest import StandIn
from tests.migrating.monorepo import CMD, FROM, build_file, init, library, monorepo
from tests.project import Project, Ran
from tests.require import unavailable

INSTALL = "COPY {0} /tmp/{0}\nRUN pip install /tmp/{0}\n"
EXAMPLE = ROOT / "examples/receipts"


@pytest.fixture
def _mirrored(stand_in: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAMBDABUILD_REGISTRY_MIRRORS", f"public.ecr.aws={stand_in.host}")
    monkeypatch.setenv("LAMBDABUILD_WORKSPACE_PLATFORMS", "host")


def done(project: Project, *arguments: str) -> Ran:
    ran = project.run(*arguments)
    assert ran.code == 0, ran.out + ran.err
    return ran


def config(project: Project, package: str) -> dict[str, object]:
    """Returns the run config of the image of `package`."""
    layout = project.root / "lambdabuild-out" / package / "image"
    blobs = layout / "blobs/sha256"
    index = json.loads((layout / "index.json").read_text())
    manifest = json.loads((blobs / index["manifests"][0]["digest"][7:]).read_text())
    found: dict[str, object] = json.loads((blobs / manifest["config"]["digest"][7:]).read_text())["config"]
    return found


@pytest.mark.usefixtures("_mirrored")
def test_assembled_images_and_their_shared_base_build(tmp_path: Path) -> None:
    files = library("low") | library("high", "low") | {"shared/words.json": "[]", "shared/x/y.json": "[]"}
    for name, copied in (("one", "handler.py"), ("two", "main.py")):
        files[f"{name}/{copied}"] = (
            "import high, low\n\n\ndef lambda_handler(event, context):\n    return 1\n"
        )
        lines = f"COPY {name}/{copied} ./handler.py\nCOPY shared data\n"
        files[f"{name}/Dockerfile"] = FROM + INSTALL.format("low") + INSTALL.format("high") + lines + CMD
    project = monorepo(tmp_path, files)
    init(project)
    done(project, "lock")
    done(project, "build", "//...")
    assert config(project, "one")["Cmd"] == ["handler.lambda_handler"]
    both = [project.hashes(f"//{name}:image")[f"//{name}:image"] for name in ("one", "two")]
    assert both[0] != both[1]
    assert "//bases:high" in build_file(project, "two/BUILD")


def example(tmp_path: Path, *, workspace: bool) -> Project:
    """Returns a copy of the example without its BUILD files."""
    left_out = {"lambdabuild-out", "__pycache__", *BUILD_FILES, *(() if workspace else ("WORKSPACE.toml",))}
    target = tmp_path / "receipts"
    shutil.copytree(EXAMPLE, target, ignore=lambda _, names: left_out & set(names))
    return Project(target, tmp_path / "cache" / "lambdabuild", workspace=False)


@pytest.mark.once
@pytest.mark.usefixtures("_mirrored")
@pytest.mark.parametrize("workspace", [True, False], ids=["with WORKSPACE.toml", "without"])
def test_the_example_builds_from_what_is_written(tmp_path: Path, workspace: bool) -> None:
    project = example(tmp_path, workspace=workspace)
    ran = init(project)
    assert (
        "//infra/print_labels:image keeps its Dockerfile\n  infra/print_labels/Dockerfile:6: RUN echo"
        in ran.err
    )
    assert '    dockerfile = "Dockerfile",\n    srcs = ["handler.py"],\n' in build_file(
        project, "infra/print_labels/BUILD"
    )
    done(project, "lock")
    done(project, "build", "//receipt_dynamo", "//receipt_label")
    try:
        choose_engine(AUTO, os.environ)
    except ExternalError:
        unavailable("needs something that builds Dockerfiles: apt-get install buildah")
    done(project, "build", "//...")
