"""examples/infrastructure/cdk: synthesised by the real CDK, from a context file that lambdabuild wrote."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.require import require, unavailable

from .conftest import EXAMPLES, Receipts

EXAMPLE = EXAMPLES / "infrastructure" / "cdk"


@pytest.fixture
def app(tmp_path: Path) -> Path:
    require("npm")
    modules = Path(os.environ.get("LAMBDABUILD_TEST_CDK") or EXAMPLE) / "node_modules"
    if not (modules / ".bin/cdk").exists():
        unavailable(f"needs CDK: npm install --no-package-lock --prefix {EXAMPLE}")
    directory = tmp_path / "cdk"
    directory.mkdir()
    for name in ("app.js", "cdk.json", "package.json"):
        shutil.copy(EXAMPLE / name, directory)
    (directory / "node_modules").symlink_to(modules)
    return directory


def synth(app: Path) -> subprocess.CompletedProcess[str]:
    environment = {
        **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
        "CDK_DISABLE_CLI_TELEMETRY": "true",
    }
    command = ["node_modules/.bin/cdk", "synth", "--json", "--no-notices", "--no-version-reporting"]
    return subprocess.run(command, cwd=app, env=environment, capture_output=True, text=True)


def functions(template: dict[str, Any]) -> list[dict[str, Any]]:
    resources = template["Resources"].values()
    return [each["Properties"] for each in resources if each["Type"] == "AWS::Lambda::Function"]


def test_a_synthesis_takes_the_images_of_the_map_and_no_asset(app: Path, receipts: Receipts) -> None:
    (app / "cdk.context.json").write_text('{"acknowledged-issue-numbers": []}')
    receipts.write("cdk-context", app / "cdk.context.json")
    ran = synth(app)
    assert ran.returncode == 0, ran.stderr
    (function,) = functions(json.loads(ran.stdout))
    assert function["FunctionName"] == "list-receipts"
    assert function["PackageType"] == "Image"
    assert function["Code"] == {"ImageUri": receipts.uri}
    assert function["ImageConfig"] == {"Command": ["handler.lambda_handler"]}
    assert function["Architectures"] == ["arm64"]
    assets = json.loads((app / "cdk.out/Receipts.assets.json").read_text())
    assert assets["dockerImages"] == {}


def test_a_context_without_images_says_so(app: Path) -> None:
    ran = synth(app)
    assert ran.returncode != 0
    assert "cdk.context.json has no lambdabuild:images" in ran.stderr
