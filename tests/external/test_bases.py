"""Images on an external base: pinned once, then built without any network."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings

from lambdabuild.commands.lock_images import pin_images
from lambdabuild.external.lock_file import parse_pins, print_pins
from lambdabuild.external.pins import ImagePins, Pin
from lambdabuild.python.host import discover
from lambdabuild.report import TargetReport
from lambdabuild.ui import Ui
from tests.external.conftest import BUILD, WORKSPACE, StandIn
from tests.external.test_lock_file import locks
from tests.oci.registry.proxy import Proxy
from tests.oci.registry.server import Reply
from tests.project import Project
from tests.require import require


def pinned(project: Project) -> Pin:
    """Pins @python, as `lambdabuild lock` does; returns what the lock holds."""
    pin_images(project.session(), Ui(), (), everything=False)
    (pin,) = parse_pins((project.root / "WORKSPACE.lock").read_bytes()).by_key.values()
    return pin


def close(gate: Proxy) -> None:
    """From here on every request is an error."""
    for method in ("GET", "HEAD", "POST", "PUT"):
        gate.plan(method, "", lambda request, forward: Reply(503), times=10_000)
    gate.requests.clear()


def built(project: Project, *patterns: str, full: bool = False) -> TargetReport:
    report = project.build(*patterns, full=full)
    assert report.errors == ()
    return report.targets[0]


def layers_of(project: Project) -> list[str]:
    return sorted(path.name for path in (project.root / "lambdabuild-out/app/blobs/sha256").iterdir())


def test_an_image_is_pinned_with_its_documents_and_what_is_inside(
    project: Project, stand_in: StandIn, platform: str
) -> None:
    pin = pinned(project)
    assert (pin.name, pin.platform, pin.ref) == ("python", platform, "public.ecr.aws/lambda/python:3.12")
    assert pin.image.family == "docker"
    assert pin.image.diff_ids == stand_in.image.diff_ids
    host = discover()
    assert (pin.python, pin.libc) == (".".join(host.version.split(".")[:2]), host.libc)


def test_a_base_is_built_upon_without_network_and_without_its_layers(project: Project, gate: Proxy) -> None:
    pin = pinned(project)
    close(gate)
    report = built(project)
    assert gate.requests == []
    assert report.built
    assert report.built.image.layers[:-1] == pin.image.layers
    assert report.absent_layers == tuple(layer.digest for layer in pin.image.layers)
    assert report.to_json()["absent_layers"] == list(report.absent_layers)
    held = layers_of(project)
    assert len(held) == 3  # manifest, config, the image's own layer
    assert not {digest.removeprefix("sha256:") for digest in report.absent_layers} & {*held}


def test_hashes_need_no_registry_and_do_not_depend_on_it(
    project: Project, gate: Proxy, tmp_path: Path
) -> None:
    pinned(project)
    hashes = project.hashes("//...", "@python")
    assert hashes.keys() == {"//:app", "@python"}
    close(gate)
    other = Project(tmp_path / "other", tmp_path / "another", workspace=False)
    for file in ("BUILD", "app.py", "WORKSPACE.lock"):
        other.write({file: (project.root / file).read_bytes()})
    other.write({"WORKSPACE.toml": WORKSPACE.replace("HOST", "elsewhere.invalid/prefix")})
    assert other.hashes("//...", "@python") == hashes
    assert gate.requests == []


def test_the_command_line_says_that_layers_are_left_out(project: Project) -> None:
    pinned(project)
    ran = project.run("build", "//:app")
    assert ran.code == 0, ran.err
    assert "1 layer left out" in ran.err
    document = json.loads(project.run("build", "--json", "//:app").out)
    assert len(document["targets"][0]["absent_layers"]) == 1
    assert document["targets"][0]["status"] == "cached"


def test_bytes_that_are_needed_are_fetched_once_and_kept(project: Project, gate: Proxy) -> None:
    pin = pinned(project)
    gate.requests.clear()
    report = built(project, full=True)
    assert report.absent_layers == ()
    assert len(gate.asked("GET", "/blobs/")) == len(pin.image.layers)
    gate.requests.clear()
    assert built(project, full=True).absent_layers == ()
    assert built(project).absent_layers == ()  # what is held here is used
    assert gate.requests == []
    require_skopeo = require("skopeo")
    subprocess.run(
        [require_skopeo, "inspect", f"oci:{project.root}/lambdabuild-out/app"],
        check=True,
        capture_output=True,
    )


def test_a_layout_keeps_the_layers_that_it_has_and_gets_back_what_it_lost(
    project: Project, gate: Proxy
) -> None:
    pinned(project)
    built(project, full=True)
    everything = layers_of(project)
    close(gate)
    assert project.run("clean", "--cache").code == 0
    assert not project.stored()
    assert len(built(project).absent_layers) == 1
    gate._plans.clear()
    built(project, full=True)
    assert layers_of(project) == everything
    (project.root / "lambdabuild-out/app/blobs/sha256" / everything[0]).unlink()
    close(gate)
    assert built(project).absent_layers == ()
    assert layers_of(project) == everything


def test_an_image_on_an_external_base_answers(project: Project, gate: Proxy) -> None:
    pinned(project)
    ran = project.run("run", "//:app", "--event", '{"n": 41}')
    assert (ran.code, ran.out) == (0, "42\n"), ran.err


def test_an_image_on_an_image_on_an_external_base_answers(project: Project) -> None:
    pinned(project)
    project.write(
        {
            "BUILD": 'base_image(name = "base", base = "@python", srcs = ["lib.py"])\n'
            + BUILD.replace('"@python"', '":base"'),
            "lib.py": "ONE = 1\n",
            "app.py": "import lib\n\n\ndef main(event, context):\n    return event['n'] + lib.ONE\n",
        }
    )
    ran = project.run("run", "//:app", "--event", '{"n": 41}')
    assert (ran.code, ran.out) == (0, "42\n"), ran.err


def test_an_edited_source_moves_nothing_of_the_base(project: Project, gate: Proxy) -> None:
    pinned(project)
    close(gate)
    before = built(project)
    project.write({"app.py": "def main(event, context):\n    return 0\n"})
    after = built(project)
    assert before.built
    assert after.built
    assert after.hash != before.hash
    assert after.built.image.layers[:-1] == before.built.image.layers[:-1]


def test_what_is_inside_decides_which_wheels_fit(project: Project) -> None:
    pinned(project)
    evaluation = project.evaluate("@python")
    assert [str(root.label) for root in evaluation.roots] == ["@python"]
    project.write({"BUILD": BUILD.replace("handler", 'bytecode = "3.99.1", handler')})
    ran = project.run("build", "//:app")
    version = ".".join(map(str, sys.version_info[:2]))
    assert ran.code == 2
    assert f"the image's Python is {version}" in ran.err


@pytest.mark.parametrize(("setting", "value"), [("python", "3.99"), ("libc", "glibc 2.5")])
def test_the_workspace_overrides_what_was_found(project: Project, setting: str, value: str) -> None:
    text = (project.root / "WORKSPACE.toml").read_text()
    project.write({"WORKSPACE.toml": text.replace('3.12"\n', f'3.12"\n{setting} = "{value}"\n', 1)})
    pinned(project)
    project.write({"BUILD": BUILD.replace("handler", 'requirements = ["six"], handler')})
    question = replace(project.question("//..."), without_lock=True)
    (asked,) = project.session().evaluate(question).asked
    assert value in str(asked.combination)


def test_auto_may_choose_an_external_base(project: Project) -> None:
    pinned(project)
    text = (project.root / "WORKSPACE.toml").read_text()
    project.write(
        {
            "WORKSPACE.toml": text.replace(
                "[images.python]", '[images]\nauto = ["@python"]\n\n[images.python]'
            ),
            "BUILD": BUILD.replace("@python", "auto"),
        }
    )
    (note,) = built(project).notes
    assert "@python" in note


def test_an_external_image_is_a_target_of_its_own(project: Project) -> None:
    pin = pinned(project)
    report = built(project, "@python", full=True)
    assert (str(report.id.label), report.kind, report.absent_layers) == ("@python", "external_image", ())
    assert report.built
    assert (report.built.image.manifest, report.built.image.config) == (
        pin.manifest.encode(),
        pin.config.encode(),
    )
    assert (project.root / "lambdabuild-out/@/python/index.json").is_file()


@settings(max_examples=10)
@given(locks.filter(lambda lock: len(lock.by_key) == 1))
def test_documents_come_out_as_they_were_pinned_whatever_is_in_them(
    tmp_path_factory: pytest.TempPathFactory, lock: ImagePins
) -> None:
    (pin,) = lock.by_key.values()
    directory = tmp_path_factory.mktemp("documents")
    workspace = (
        f'[workspace]\nplatforms = ["{pin.platform}"]\n[images."{pin.name}"]\nref = {json.dumps(pin.ref)}\n'
    )
    files: dict[str, str | bytes] = {"WORKSPACE.toml": workspace, "WORKSPACE.lock": print_pins(lock)}
    project = Project(directory / "w", directory / "cache" / "lambdabuild", files, workspace=False)
    report = built(project, f"@{pin.name}")
    assert report.built
    assert report.built.image == pin.image


def test_a_build_on_a_pinned_base_loads_no_http_library(project: Project) -> None:
    pinned(project)
    program = (
        "import sys\nfrom lambdabuild import cli\nassert cli.run(['build', '//:app']) == 0\n"
        "print([name for name in ('urllib3', 'packaging', 'boto3') if name in sys.modules])"
    )
    with project.environment():
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr
