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

from tests.oci.registry.asking import new_name
from tests.oci.registry.real import RealRegistry

from .conftest import EXAMPLES, Receipts

EXAMPLE = EXAMPLES / "infrastructure" / "terraform"
FILE = "lambda_images.auto.tfvars.json"


def terraform_program() -> str:
    """Returns Terraform or OpenTofu. Skips the test where neither is, in CI too: no package brings them."""
    found = shutil.which("terraform") or shutil.which("tofu")
    if found is None:
        pytest.skip("needs terraform or tofu, from their makers: Debian, PyPI and npm have neither")
    return found


class Terraform:
    """A directory that Terraform works in, cut off from whatever this machine has configured."""

    def __init__(self, directory: Path) -> None:
        self.program = terraform_program()
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


def test_a_plan_is_the_same_before_and_after_the_push(
    terraform: Terraform, receipts: Receipts, registry: RealRegistry
) -> None:
    """A map that was predicted, and that of what was pushed: no function has another image for it."""
    to = f"{registry.host}/{new_name('terraform')}"
    receipts.write("tfvars", terraform.directory / FILE, to=to)
    terraform.plan()
    terraform.apply()
    receipts.write("tfvars", terraform.directory / FILE, "--push", to=to)
    assert "@sha256:" in (terraform.directory / FILE).read_text()
    assert set(terraform.plan().values()) == {"no-op"}


def test_all_files_of_the_example_are_as_terraform_formats_them() -> None:
    program = terraform_program()
    ran = subprocess.run([program, "fmt", "-check", "-diff", str(EXAMPLE)], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr
