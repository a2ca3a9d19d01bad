"""`lambdabuild outputs`: predictions, what a registry has, files, and what is refused."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.oci.registry.asking import new_name
from tests.oci.registry.proxy import Proxy
from tests.oci.registry.real import RealRegistry
from tests.project import Project

FILES: dict[str, str | bytes] = {
    "BUILD": """
base_image(name = "base", base = "scratch", srcs = {"x.txt": "/x.txt"})
lambda_image(name = "one", base = ":base", srcs = ["one.py"], handler = "one.main", functions = {"first": "one.main"})
lambda_image(name = "two", base = ":base", srcs = ["two.py"], handler = "two.main")
""",
    "x.txt": "x",
    "one.py": "def main(event, context):\n    return 1\n",
    "two.py": "def main(event, context):\n    return 2\n",
}
NOWHERE = "127.0.0.1:1/shop"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "w", tmp_path / "cache" / "lambdabuild", FILES)


@pytest.fixture
def gate(registry: RealRegistry) -> Iterator[Proxy]:
    with Proxy(registry.host) as proxy:
        yield proxy


@pytest.fixture
def to(gate: Proxy) -> str:
    return f"{gate.host}/{new_name('outputs')}"


def outputs(project: Project, *arguments: str) -> dict[str, Any]:
    ran = project.run("outputs", *arguments)
    assert ran.code == 0, ran.err
    found: dict[str, Any] = json.loads(ran.out)
    return found


def test_a_prediction_needs_no_network_and_leaves_nothing_behind(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a prediction opened a connection")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    before = project.stored()
    images = outputs(project, "//...", "--predict", "--to", NOWHERE)["images"]
    assert {name: image["uri"] for name, image in images.items()} == {
        name: f"{NOWHERE}/{name}:b3-{project.hashes()[f'//:{name}'][:32]}" for name in ("one", "two")
    }
    assert project.stored() == before


def test_what_was_predicted_is_what_is_pushed(project: Project, to: str) -> None:
    predicted = outputs(project, "//...", "--predict", "--to", to)
    pushed = outputs(project, "//...", "--push", "--to", to)
    assert predicted["predicted"]
    assert not pushed["predicted"]
    for name, image in pushed["images"].items():
        assert image["tag_uri"] == predicted["images"][name]["uri"]
        assert image["uri"] == f"{image['repository']}@{image['digest']}"


def test_digests_are_those_that_the_registry_has(project: Project, to: str, gate: Proxy) -> None:
    pushed = outputs(project, "//:one", "--push", "--to", to)
    gate.requests.clear()
    assert outputs(project, "//:one", "--to", to) == pushed
    assert [request.method for request in gate.requests] == ["HEAD"]


def test_an_image_that_is_not_pushed_is_an_error_with_the_command_that_pushes(
    project: Project, to: str
) -> None:
    ran = project.run("outputs", "//:one", "--to", to)
    assert ran.code == 2
    assert ran.out == ""
    assert f"//:one (linux/amd64) is not in the registry as {to}/one:b3-" in ran.err
    assert f"hint: lambdabuild push //:one --to {to}, or ask with --push or --predict" in ran.err


def test_an_edit_after_the_push_counts_as_not_pushed(project: Project, to: str) -> None:
    outputs(project, "//...", "--push", "--to", to)
    project.write({"two.py": "def main(event, context):\n    return 3\n"})
    ran = project.run("outputs", "//...", "--to", to)
    assert ran.code == 2
    assert "//:two (linux/amd64) is not in the registry" in ran.err


def test_bases_are_in_a_map_only_if_named(project: Project) -> None:
    assert outputs(project, "//...", "--predict", "--to", NOWHERE)["images"].keys() == {"one", "two"}
    named = outputs(project, "//...", "//:base", "--predict", "--to", NOWHERE)["images"]
    assert named.keys() == {"one", "two", "base"}
    ran = project.run("outputs", "//...", "-//:one", "-//:two", "--predict", "--to", NOWHERE)
    assert (ran.code, "none of the targets is a lambda_image" in ran.err) == (2, True)


def test_functions_are_told_with_their_handlers(project: Project) -> None:
    images = outputs(project, "//...", "--predict", "--to", NOWHERE)["images"]
    assert {name: image["functions"] for name, image in images.items()} == {
        "one": {"first": "one.main"},
        "two": {},
    }


def test_a_file_is_written_whole_and_a_failure_leaves_the_old_one(project: Project) -> None:
    place = project.root / "images.env"
    arguments = (
        "outputs",
        "//...",
        "--predict",
        "--to",
        NOWHERE,
        "--format",
        "dotenv",
        "--output",
        "images.env",
    )
    assert project.run(*arguments).out == ""
    before = place.read_text()
    assert before.startswith(f"ONE_URI={NOWHERE}/one:b3-")
    project.write({"BUILD": "lambda_image("})
    assert project.run(*arguments).code == 2
    assert place.read_text() == before
    assert not [path for path in project.root.iterdir() if path.name.startswith("tmp")]


def test_a_context_file_keeps_what_others_wrote(project: Project) -> None:
    project.write({"cdk/cdk.context.json": '{"vpc": "x"}'})
    arguments = ("outputs", "//:one", "--predict", "--to", NOWHERE, "--format", "cdk-context")
    assert project.run(*arguments, "--output", "cdk/cdk.context.json").code == 0
    written = json.loads((project.root / "cdk/cdk.context.json").read_text())
    assert written["vpc"] == "x"
    assert written["lambdabuild:images"].keys() == {"one"}


def test_a_base_of_this_machine_alone_is_refused_in_predictions_too(project: Project) -> None:
    project.write({"h/BUILD": 'host_python_image(name = "python")\n'})
    ran = project.run("outputs", "//h:python", "--predict", "--platform", "host", "--to", "ghcr.io/me")
    assert ran.code == 2
    assert "must not leave it" in ran.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--predict", "--push"], "--predict pushes nothing"),
        (["--predict", "--executor", "local"], "--executor is for what is built"),
        (["--json", "--format", "dotenv"], "--json and --format dotenv are two formats"),
        (["--format", "tfvars", "--output", "x.tfvars"], "x.tfvars holds JSON"),
        (["--output", "no/x.json"], "there is no directory no"),
        (["--output", "."], ". is a directory"),
    ],
)
def test_flags_that_do_not_go_together_are_refused_before_anything(
    project: Project, arguments: list[str], message: str
) -> None:
    ran = project.run("outputs", "//...", "--to", NOWHERE, *arguments)
    assert ran.code == 2
    assert message in ran.err
    assert "hint: " in ran.err


def test_a_map_is_of_one_registry(project: Project) -> None:
    project.write(
        {
            "WORKSPACE.toml": '[workspace]\nname = "x"\nplatforms = ["linux/amd64"]\n'
            '[registry]\npush = ["ghcr.io/a", "ghcr.io/b"]\n'
        }
    )
    ran = project.run("outputs", "//...", "--predict")
    assert ran.code == 2
    assert "a map is of one registry, and here are 2: ghcr.io/a, ghcr.io/b" in ran.err
    assert "hint: say which: --to ghcr.io/a" in ran.err


def test_names_of_functions_are_those_that_a_deploy_would_take(project: Project) -> None:
    build = str(FILES["BUILD"]).replace('"first"', '"first-{stage}"')
    project.write({"BUILD": build})
    arguments = ("//:one", "--predict", "--to", NOWHERE)
    (image,) = outputs(project, *arguments, "--define", "stage=prod")["images"].values()
    assert image["functions"] == {"first-prod": "one.main"}
    ran = project.run("outputs", *arguments)
    assert ran.code == 2
    assert "has the variable 'stage', which has no value" in ran.err
