"""The example, as people use it: built, built again, edited, invoked, handed to other tools."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from lambdabuild.execution import Event, Finished
from tests.project import Project
from tests.require import require

EXAMPLE = Path(__file__).parents[2] / "examples" / "receipts"
IMAGES = {
    "//bases:packages",
    "//bases:python",
    "//bases:dynamo",
    "//bases:label",
    "//infra/create_labels:image",
    "//infra/process_receipt:image",
    "//infra/list_receipts:image",
}
LAYOUT = "lambdabuild-out/infra/create_labels/image"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The example, built once; tests take copies with a cache that is warm."""
    directory = tmp_path_factory.mktemp("receipts")
    shutil.copytree(EXAMPLE, directory / "w", ignore=shutil.ignore_patterns("lambdabuild-out", "__pycache__"))
    project = Project(directory / "w", directory / "cache" / "lambdabuild", workspace=False)
    assert set(project.statuses().values()) == {"built"}
    return project


@pytest.fixture
def receipts(built: Project, tmp_path: Path) -> Project:
    shutil.copytree(built.root, tmp_path / "w", ignore=shutil.ignore_patterns("lambdabuild-out"))
    return Project(tmp_path / "w", built.cache, workspace=False)


def edit(project: Project, path: str, old: str, new: str) -> None:
    text = (project.root / path).read_text()
    assert old in text
    project.write({path: text.replace(old, new)})


def built_images(project: Project) -> set[str]:
    return {label for label, status in project.statuses().items() if status == "built"} & IMAGES


def test_a_second_build_says_cached_for_everything(receipts: Project) -> None:
    assert set(receipts.statuses().values()) == {"cached"}


def test_an_edit_of_one_handler_rebuilds_exactly_that_image(receipts: Project) -> None:
    edit(receipts, "infra/create_labels/handler.py", "Labels the words", "Names the words")
    assert built_images(receipts) == {"//infra/create_labels:image"}


def test_an_edit_of_a_bases_package_rebuilds_exactly_the_images_with_it(receipts: Project) -> None:
    edit(receipts, "receipt_label/receipt_label/labels.py", "Says what", "Tells what")
    assert built_images(receipts) == {
        "//bases:label",
        "//bases:packages",
        "//infra/create_labels:image",
        "//infra/process_receipt:image",
    }


def test_an_edit_of_data_in_the_lowest_package_rebuilds_all_that_stands_on_it(receipts: Project) -> None:
    edit(receipts, "receipt_dynamo/receipt_dynamo/items.json", "Corner Market", "Corner Shop")
    assert built_images(receipts) == IMAGES - {"//bases:python"}


def test_one_edited_line_costs_one_wheel_one_layer_a_setting_and_the_images(receipts: Project) -> None:
    edit(receipts, "receipt_dynamo/receipt_dynamo/table.py", "Returns all receipts", "Returns every receipt")
    events: list[Event] = []
    receipts.build(on_event=events.append)
    ran = [each.action for each in events if isinstance(each, Finished) and each.ran]
    assert sorted(each.tool for each in ran if each.tool != "image") == ["wheel", "wheels"]
    assert {str(each.id.label) for each in ran if each.tool == "wheel"} == {"//receipt_dynamo:receipt_dynamo"}
    assert {each.id.label.short for each in ran if each.tool == "image"} == IMAGES - {"//bases:python"}


def test_the_image_that_chooses_its_base_takes_the_one_that_holds_most(receipts: Project) -> None:
    edit(receipts, "infra/process_receipt/process_receipt_handler.py", "Checks that", "Tells whether")
    (report,) = receipts.build("//infra/process_receipt:image").targets
    (note,) = report.notes
    assert note.startswith("its base is chosen: //bases:label holds")
    assert "(//bases:dynamo: " in note
    (label,) = receipts.build("//bases:label").targets
    assert report.built is not None
    assert label.built is not None
    assert report.built.image.layers[:-1] == label.built.image.layers


def test_packages_are_assembled_for_processors_that_this_machine_has_not(receipts: Project) -> None:
    reports = receipts.build("//bases:packages").targets
    assert {report.id.platform for report in reports} == {"linux/amd64", "linux/arm64"}
    machines = {"linux/amd64": "x86_64", "linux/arm64": "aarch64"}
    for report in reports:
        assert report.built is not None
        binaries = set()
        for blob in report.built.layers.values():
            with tarfile.open(fileobj=io.BytesIO(b"".join(receipts.session().store.pieces(blob)))) as layer:
                binaries |= {name for name in layer.getnames() if name.endswith(".so")}
        assert binaries
        assert all(f"-{machines[report.id.platform]}-linux-gnu.so" in name for name in binaries)


def test_an_edit_back_is_a_hit(receipts: Project) -> None:
    edit(receipts, "infra/list_receipts/handler.py", "Lists all", "Lists the")
    receipts.build()
    edit(receipts, "infra/list_receipts/handler.py", "Lists the", "Lists all")
    assert set(receipts.statuses().values()) == {"cached"}


def test_deleted_outputs_are_put_back_without_building(receipts: Project) -> None:
    receipts.build()
    index = (receipts.root / LAYOUT / "index.json").read_bytes()
    shutil.rmtree(receipts.root / "lambdabuild-out")
    assert set(receipts.statuses().values()) == {"cached"}
    assert (receipts.root / LAYOUT / "index.json").read_bytes() == index


def test_one_deleted_blob_of_a_layout_is_put_back(receipts: Project) -> None:
    receipts.build()
    blobs = sorted((receipts.root / LAYOUT / "blobs/sha256").iterdir())
    blobs[0].unlink()
    receipts.build()
    assert sorted((receipts.root / LAYOUT / "blobs/sha256").iterdir()) == blobs


def test_layers_are_shared_with_the_base_as_hard_links(receipts: Project) -> None:
    receipts.build()
    layers = {path.name: path.stat().st_ino for path in (receipts.root / LAYOUT / "blobs/sha256").iterdir()}
    base = {
        path.name: path.stat().st_ino
        for path in (receipts.root / "lambdabuild-out/bases/label/blobs/sha256").iterdir()
    }
    shared = layers.keys() & base.keys()
    assert len(shared) >= 10
    assert all(layers[name] == base[name] for name in shared)


def test_the_host_python_image_says_what_it_is(receipts: Project) -> None:
    (report,) = receipts.build("//bases:python").targets
    assert report.built is not None
    assert "not for AWS" in report.built.image.labels["dev.lambdabuild.host-python"]


@pytest.mark.parametrize("place", ["/var/runtime/bootstrap", "/etc/passwd", "/var/lang/bin/python3"])
def test_a_file_of_the_host_python_cannot_be_replaced(receipts: Project, place: str) -> None:
    edit(
        receipts,
        "infra/list_receipts/BUILD",
        '["handler.py"]',
        f'{{"handler.py": ["handler.py", "{place}"]}}',
    )
    ran = receipts.run("build", "//infra/list_receipts:image")
    assert ran.code == 2
    assert f"two things want to be at {place} in the image" in ran.err


def test_the_handlers_answer(receipts: Project) -> None:
    ran = receipts.run("run", "//infra/create_labels:image", "--event", '{"receipt_id": 7}')
    assert (ran.code, json.loads(ran.out)["labels"]["total"]) == (0, ["6.48"])
    receipts.write({"event.json": '{"receipt_id": 8}'})
    ran = receipts.run("run", "//infra/process_receipt:image", "--event", "@event.json")
    assert json.loads(ran.out) == {"receipt_id": 8, "total": 400, "adds_up": True}
    ran = receipts.run("run", "//infra/list_receipts:image", "-e", "RECEIPTS_TABLE=other", "--json")
    assert json.loads(json.loads(ran.out)["payload"])["table"] == "other"


def test_a_handlers_error_arrives_with_its_traceback(receipts: Project) -> None:
    ran = receipts.run("run", "//infra/create_labels:image", "--event", '{"receipt_id": 99}')
    assert ran.code == 1
    assert "error: //infra/create_labels:image: handler error: KeyError: 'no receipt 99'" in ran.err
    assert 'File "/opt/python/receipt_dynamo/table.py", line' in ran.err
    assert "in load_receipt" in ran.err


def test_an_import_error_arrives_with_its_traceback(receipts: Project) -> None:
    edit(receipts, "infra/list_receipts/handler.py", "import os", "import nonexistent")
    ran = receipts.run("run", "//infra/list_receipts:image")
    assert ran.code == 1
    assert "init error" in ran.err
    assert "No module named 'nonexistent'" in ran.err


def test_another_handler_can_be_called(receipts: Project) -> None:
    ran = receipts.run("run", "//infra/list_receipts:image", "--handler", "handler.nothing")
    assert ran.code == 1
    assert "nothing" in ran.err


def test_skopeo_reads_the_layout_and_makes_a_docker_image(receipts: Project, tmp_path: Path) -> None:
    require("skopeo")
    receipts.build("//infra/create_labels:image")
    source = f"oci:{receipts.root / LAYOUT}"
    inspected = json.loads(subprocess.check_output(["skopeo", "inspect", source]))
    assert inspected["Os"] == "linux"
    archive = tmp_path / "image.tar"
    subprocess.run(["skopeo", "copy", "-q", source, f"docker-archive:{archive}:receipts:test"], check=True)
    assert archive.stat().st_size > 1_000_000


def test_a_users_own_rule_works_like_a_bundled_one(receipts: Project) -> None:
    (report,) = receipts.build("//infra/create_labels:settings").targets
    assert report.output is not None
    settings = receipts.root / report.output / "var/task/settings.json"
    assert json.loads(settings.read_text()) == {"greeting": "labels for", "version": "1"}
    edit(receipts, "infra/create_labels/BUILD", "labels for", "words of")
    ran = receipts.run("run", "//infra/create_labels:image", "--event", '{"receipt_id": 7}')
    assert json.loads(ran.out)["title"] == "words of Corner Market"
    edit(receipts, "infra/create_labels/BUILD", 'version": "1"', 'version": 1')
    ran = receipts.run("build", "//infra/create_labels:image")
    assert ran.code == 2
    assert "attribute 'values' must be a dict from string to string" in ran.err
