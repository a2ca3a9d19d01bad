"""lambdabuild.pulumi, and examples/infrastructure/pulumi: run by the real SDK with its mocks for the engine."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.infrastructure.conftest import EXAMPLES, Receipts
from tests.oci.registry.asking import new_name, repository
from tests.oci.registry.real import RealRegistry
from tests.require import unavailable

ROOT = Path(__file__).parents[2]
LABEL = "//infra/list_receipts:image"
TYPE = "lambdabuild:index:Image"
PROGRAM = """
import pulumi
from lambdabuild.pulumi import Image

config = pulumi.Config()
image = Image(
    "receipts",
    config.require("label"),
    workspace=config.require("workspace"),
    to=config.require("registry"),
    platform=config.get("platform"),
    define={"stage": config.get("stage") or "dev"},
)
for name in ("uri", "digest_uri", "digest", "hash", "architecture", "functions"):
    pulumi.export(name, getattr(image, name))
"""


class Stack:
    """A Pulumi program and its configuration."""

    def __init__(self, program: Path, receipts: Receipts, to: str, path: str = "") -> None:
        self.program = program
        self.config = {"label": LABEL, "workspace": str(receipts.project.root), "registry": to}
        self.environment = {
            **os.environ,
            "XDG_CACHE_HOME": str(receipts.project.cache.parent),
            "PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), path))),
            "GRPC_VERBOSITY": "ERROR",
        }

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        arguments = [str(self.program), command, json.dumps(self.config)]
        return subprocess.run(
            [sys.executable, "-m", "tests.infrastructure.pulumi_program", *arguments],
            cwd=self.program.parent,
            env=self.environment,
            capture_output=True,
            text=True,
        )

    def told(self, command: str) -> Any:
        ran = self.run(command)
        assert ran.returncode == 0, ran.stderr
        return json.loads(ran.stdout)


@pytest.fixture
def stack(tmp_path: Path, receipts: Receipts, registry: RealRegistry) -> Stack:
    (tmp_path / "program.py").write_text(PROGRAM)
    return Stack(tmp_path / "program.py", receipts, f"{registry.host}/{new_name('pulumi')}")


def digest_of(uri: str) -> str | None:
    """Returns what the registry has under a URI's tag."""
    name, _, tag = uri.rpartition(":")
    host, _, path = name.partition("/")
    head = repository(host, path).head(tag)
    return head.digest if head else None


def test_a_preview_says_the_uri_that_the_update_pushes_and_pushes_nothing(
    stack: Stack, receipts: Receipts
) -> None:
    previewed = stack.told("preview")["outputs"]
    assert previewed["digest"] is None
    assert previewed["digest_uri"] is None
    assert digest_of(previewed["uri"]) is None
    assert not (receipts.project.root / "lambdabuild-out").exists()
    updated = stack.told("up")["outputs"]
    for name in ("uri", "hash", "architecture", "functions"):
        assert updated[name] == previewed[name], name
    assert updated["digest"] == digest_of(updated["uri"])
    assert updated["digest_uri"] == f"{updated['uri'].rpartition(':')[0]}@{updated['digest']}"
    assert updated["functions"] == {"list-receipts": "handler.lambda_handler"}


def test_variables_in_names_of_functions_are_the_programs_to_set(stack: Stack, receipts: Receipts) -> None:
    build = receipts.project.root / "infra/list_receipts/BUILD"
    build.write_text(build.read_text().replace('"list-receipts"', '"list-receipts-{stage}"'))
    stack.config["stage"] = "prod"
    told = stack.told("preview")["outputs"]
    assert told["functions"] == {"list-receipts-prod": "handler.lambda_handler"}


def test_an_edit_shows_in_the_next_preview(stack: Stack, receipts: Receipts) -> None:
    before = stack.told("preview")["outputs"]["uri"]
    receipts.edit()
    assert stack.told("preview")["outputs"]["uri"] != before


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"label": "//infra/list_receipts:imag"}, "no target //infra/list_receipts:imag"),
        ({"label": "//..."}, "'//...' is not a label"),
        (
            {"label": "//infra/list_receipts:all"},
            "'//infra/list_receipts:all' names all targets of a package",
        ),
        ({"label": "--help"}, "'--help' is not an absolute label"),
        ({"registry": "https://x"}, "'https://x' is no registry to push to"),
        ({"workspace": "/nowhere"}, "there is no directory /nowhere"),
    ],
)
def test_a_mistake_is_told_without_a_traceback(stack: Stack, changes: dict[str, str], message: str) -> None:
    stack.config |= changes
    ran = stack.run("preview")
    assert ran.returncode == 1
    assert message in ran.stderr
    assert "Traceback" not in ran.stderr


def test_of_several_platforms_one_has_to_be_chosen(stack: Stack, receipts: Receipts) -> None:
    receipts.project.write(
        {"WORKSPACE.toml": '[workspace]\nname = "receipts"\nplatforms = ["linux/amd64", "linux/arm64"]\n'}
    )
    ran = stack.run("preview")
    assert f"{LABEL} is built for several platforms" in ran.stderr
    stack.config["platform"] = "linux/amd64"
    assert stack.told("preview")["outputs"]["architecture"] == "x86_64"


def test_the_example_gives_its_function_the_image(receipts: Receipts, registry: RealRegistry) -> None:
    """With the real pulumi-aws, which may be a wheel that is not unpacked: unpacking takes most of a minute."""
    wheel = os.environ.get("LAMBDABUILD_TEST_PULUMI_AWS", "")
    if not wheel and importlib.util.find_spec("pulumi_aws") is None:
        unavailable(
            "needs pulumi-aws: pip download --no-deps it, and name its wheel in LAMBDABUILD_TEST_PULUMI_AWS"
        )
    program = EXAMPLES / "infrastructure/pulumi/__main__.py"
    stack = Stack(program, receipts, f"{registry.host}/{new_name('pulumi')}", wheel)
    for command in ("preview", "up"):
        told = stack.told(command)
        function = told["asked"]["aws:lambda/function:Function"]
        assert function["imageUri"] == told["outputs"]["image"]
        assert function["architectures"] == ["arm64"]
        assert function["role"].startswith("arn:")
    assert told["outputs"]["digest"] == digest_of(function["imageUri"])


def test_a_program_finds_the_map_in_its_configuration(receipts: Receipts, tmp_path: Path) -> None:
    """As `pulumi config set-all --json` keeps it: the text of an object."""
    receipts.write("pulumi-config", tmp_path / "config.json")
    ((key, entry),) = json.loads((tmp_path / "config.json").read_text()).items()
    assert json.loads(entry["value"]) == entry["objectValue"]
    assert not entry["secret"]
    script = (
        "import pulumi, sys; pulumi.runtime.set_all_config({sys.argv[1]: sys.argv[2]});"
        "print(pulumi.Config('lambdabuild').require_object('images')['infra_list_receipts_image']['tag_uri'])"
    )
    ran = subprocess.run([sys.executable, "-c", script, key, entry["value"]], capture_output=True, text=True)
    assert ran.stdout.strip() == receipts.uri, ran.stderr
