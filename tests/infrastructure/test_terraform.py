"""examples/infrastructure/terraform: planned and applied by Terraform, with its built-in provider alone.

functions.tf wants the provider of AWS, which is not to be had without Terraform's registry: it is parsed,
and what it takes from images.tf is applied.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.require import require

from .conftest import EXAMPLES, Receipts

EXAMPLE = EXAMPLES / "infrastructure" / "terraform"
FILE = "lambda_images.auto.tfvars.json"


class Terraform:
    """A directory that Terraform works in, cut off from whatever this machine has configured."""

    def __init__(self, directory: Path) -> None:
        self.program = require("terraform")
        self.directory = directory
        directory.mkdir()
        shutil.copy(EXAMPLE / "images.tf", directory)
        (directory / "terraformrc").write_text("disable_checkpoint = true\n")
        self.run("init")

    def run(self, *arguments: str) -> str:
        environment = {
            "PATH": os.environ["PATH"],
            "TF_CLI_CONFIG_FILE": str(self.directory / "terraformrc"),
            "TF_IN_AUTOMATION": "1",
        }
        command = [self.program, *arguments, "-no-color"]
        ran = subprocess.run(command, cwd=self.directory, env=environment, capture_output=True, text=True)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout

    def plan(self) -> dict[str, str]:
        """Returns what would be done to each resource."""
        self.run("plan", "-out=plan", "-input=false")
        shown = json.loads(self.run("show", "-json", "plan"))
        return {each["address"]: "/".join(each["change"]["actions"]) for each in shown["resource_changes"]}

    def apply(self) -> Any:
        """Applies the plan; returns the output `images`."""
        self.run("apply", "plan")
        return json.loads(self.run("output", "-json"))["images"]["value"]


@pytest.fixture
def terraform(tmp_path: Path) -> Terraform:
    return Terraform(tmp_path / "terraform")


def test_a_plan_from_hashes_is_applied_and_changes_with_the_code_alone(
    terraform: Terraform, receipts: Receipts
) -> None:
    image = 'terraform_data.image["list-receipts"]'
    receipts.write("tfvars", terraform.directory / FILE)
    assert terraform.plan() == {image: "create"}
    assert terraform.apply() == {"list-receipts": receipts.uri}
    receipts.write("tfvars", terraform.directory / FILE)
    assert terraform.plan() == {image: "no-op"}
    receipts.edit()
    receipts.write("tfvars", terraform.directory / FILE)
    assert terraform.plan() == {image: "update"}
    assert terraform.apply() == {"list-receipts": receipts.uri}


def test_all_files_of_the_example_are_as_terraform_formats_them() -> None:
    program = require("terraform")
    ran = subprocess.run([program, "fmt", "-check", "-diff", str(EXAMPLE)], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr
