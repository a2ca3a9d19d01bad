"""Pushes to a real registry: what is sent, what is not, and what is there afterwards."""

from __future__ import annotations

import json

import pytest

from lambdabuild.errors import UserError
from lambdabuild.oci.digest import sha256_of
from lambdabuild.oci.image import Image
from lambdabuild.oci.registry.repository import Repository
from lambdabuild.pushing.result import PushResult
from tests.oci.registry.real import RealRegistry
from tests.project import WORKSPACE, Project

from .conftest import BUILD, HANDLER
from .pushes import Place, push, statuses


def delivered(result: PushResult) -> tuple[int, int, bool]:
    """Returns how many blobs were sent, how many mounted, and whether bytes went with the former."""
    assert result.delivered, result.error
    return result.delivered.uploads, result.delivered.mounted, result.delivered.sent > 0


def read(there: Repository, version: str) -> Image:
    """Returns the image, all bytes verified."""
    found = there.manifest(version)
    config = json.loads(found.data)["config"]
    image = Image.parse(found.data, there.document(config["digest"], config["size"]))
    for layer in image.layers:
        assert sha256_of(b"".join(there.blob(layer.digest, layer.size))) == layer.digest
    return image


def test_what_was_built_is_there_under_the_tag_of_its_hash_and_those_that_were_asked(
    project: Project, place: Place
) -> None:
    results = push(project, place, tags=["v1", "latest"])
    assert statuses(results) == {"//:base": "pushed", "//:one": "pushed", "//:two": "pushed"}
    hashes = project.hashes()
    built = {t.id.label.short: t.built for t in project.build().targets}
    for name, result in results.items():
        there, tag = place.repository(name[3:]), f"b3-{hashes[name][:32]}"
        assert set(place.tags(name[3:])) == {tag, "v1", "latest"}
        image = built[name]
        assert image is not None
        assert [read(there, each).manifest for each in (tag, "v1", "latest")] == [image.image.manifest] * 3
        assert str(result.reference) == f"{place.to}/{name[3:]}:{tag}@{image.image.digest}"


def test_a_base_is_sent_once_and_mounted_by_the_images_on_it(project: Project, place: Place) -> None:
    results = push(project, place)
    assert delivered(results["//:base"]) == (2, 0, True)
    for name in ("//:one", "//:two"):
        assert delivered(results[name]) == (2, 1, True)
    assert sum(r.delivered.sent for r in results.values() if r.delivered) < 320_000


def test_a_base_that_was_not_asked_for_goes_first_where_its_layers_are_needed(
    project: Project, place: Place
) -> None:
    results = push(project, place, "//:one")
    assert statuses(results) == {"//:one": "pushed", "//:base": "pushed"}
    manifests = [r.path for r in place.gate.asked("PUT", "/manifests/")]
    assert ["/base/" in path for path in manifests] == [False, True, True, False]
    # A later push, of another image: the base is found, and its layer mounted.
    place.asked()
    later = push(project, place, "//:two")
    assert statuses(later) == {"//:two": "pushed", "//:base": "adopted"}
    assert delivered(later["//:two"]) == (2, 1, True)


def test_a_second_push_is_one_request_an_image(project: Project, place: Place) -> None:
    push(project, place)
    place.asked()
    assert set(statuses(push(project, place)).values()) == {"adopted"}
    assert place.asked() == ["HEAD"] * 3


def test_an_edited_handler_is_at_most_eight_requests_and_its_own_bytes(
    project: Project, place: Place
) -> None:
    push(project, place)
    project.write({"one.py": HANDLER.replace("1", "2")})
    place.asked()
    results = push(project, place, "//:one")
    assert statuses(results) == {"//:one": "pushed"}
    (report,) = project.build("//:one").targets
    assert report.built
    image = report.built.image
    assert place.sent() < 2 * (image.layers[-1].size + len(image.manifest) + len(image.config))
    assert len(place.asked()) <= 8


def test_an_image_without_base_is_edited_in_at_most_eight_requests_too(
    project: Project, place: Place
) -> None:
    project.write(
        {"BUILD": 'lambda_image(name = "one", base = "scratch", srcs = ["one.py"], handler = "one.main")\n'}
    )
    push(project, place)
    project.write({"one.py": HANDLER.replace("1", "2")})
    place.asked()
    assert delivered(push(project, place)["//:one"]) == (2, 0, True)
    assert len(place.asked()) <= 8


def test_several_registries_get_everything_in_one_go(
    project: Project, place: Place, other_registry: RealRegistry
) -> None:
    both = [place.to, f"{other_registry.host}/elsewhere"]
    results = push(project, both, "//:one")
    assert set(statuses(results).values()) == {"pushed"}
    assert len(results) == 4
    assert set(statuses(push(project, both, "//:one")).values()) == {"adopted"}


def test_each_platform_is_an_image_with_a_tag_of_its_own(project: Project, place: Place) -> None:
    both = 'handler = "one.main", platforms = ["linux/amd64", "linux/arm64"]'
    project.write({"BUILD": BUILD.replace('handler = "one.main"', both)})
    results = push(project, place, "//:one", tags=["v1"])
    assert [r.status for r in results.values() if r.id.label.name == "one"] == ["pushed", "pushed"]
    tags = place.tags("one")
    assert sorted(tag for tag in tags if not tag.startswith("b3-")) == ["v1-amd64", "v1-arm64"]
    assert len(tags) == 4
    for platform in ("amd64", "arm64"):
        assert read(place.repository("one"), f"v1-{platform}").platform == f"linux/{platform}"


def test_images_that_share_a_repository_share_its_blobs(project: Project, place: Place) -> None:
    project.write({"BUILD": BUILD.replace("handler =", 'repository = "team/all", handler =')})
    results = push(project, place, "//:one", "//:two")
    brought = [delivered(results[name]) for name in ("//:one", "//:two")]
    # The base's layer is mounted by one of them, and there for the other.
    assert sorted(mounted for _, mounted, _ in brought) == [0, 1]
    assert len(place.tags("team/all")) == 2


def test_two_images_do_not_take_a_tag_from_one_another(project: Project, place: Place) -> None:
    project.write({"WORKSPACE.toml": f'{WORKSPACE}[registry]\nrepository = "team/shop"\n'})
    with pytest.raises(UserError, match=r"//:one .* and //:two .* would both be team/shop:v1"):
        push(project, place, "//:one", "//:two", tags=["v1"])
    results = push(project, place, "//:one", "//:two")
    assert {result.status for result in results.values()} == {"pushed"}
    assert len(place.tags("team/shop")) == len(results) == 3


def test_the_workspace_says_where_images_go(project: Project, place: Place) -> None:
    project.write(
        {
            "WORKSPACE.toml": f'[workspace]\n[registry]\npush = ["{place.to}"]\nrepository = "fn-{{name}}"\n',
        }
    )
    ran = project.run("push", "//:one", "--tag", "v1")
    assert ran.code == 0, ran.err
    lines = ran.out.splitlines()
    assert [line.split()[0:2] for line in lines[::2]] == [["pushed", "//:one"], ["pushed", "//:base"]]
    assert "mounted" in lines[0]
    assert lines[1].strip().startswith(f"{place.to}/fn-one:b3-")
    assert "2 pushed" in ran.err
    assert "v1" in place.tags("fn-one")
    document = json.loads(project.run("build", "--push", "--json", "//...").out)
    assert [each["status"] for each in document["pushes"]] == ["adopted", "adopted", "pushed"]
    assert [each["status"] for each in document["targets"]] == ["cached", "cached", "built"]
    assert document["pushes"][0]["bytes_sent"] == 0


def test_what_is_no_image_is_built_and_not_pushed(project: Project, place: Place) -> None:
    project.write({"lib/BUILD": 'files(name = "lib", srcs = ["x"])\n', "lib/x": "x"})
    assert "//lib" not in push(project, place, "//...")
    ran = project.run("push", "//lib", "--to", place.to)
    assert (ran.code, "none of the targets is an image" in ran.err) == (2, True)


def test_only_what_can_be_built_is_pushed(project: Project, place: Place) -> None:
    project.write({"BUILD": BUILD.replace('{"two.py": "two.py"}', '["missing.py"]')})
    ran = project.run("push", "//...", "--to", place.to)
    assert (ran.code, ran.out) == (2, "")
    assert place.asked() == []
    ran = project.run("push", "-k", "//...", "--to", place.to)
    assert ran.code == 2
    lines = ran.out.splitlines()
    pushed = [number for number, line in enumerate(lines) if line.startswith("pushed")]
    assert len(pushed) == 2
    assert all(lines[number + 1].strip().startswith(place.to) for number in pushed)
    assert place.tags("one")


@pytest.mark.parametrize("jobs", [1, 8])
def test_the_number_of_jobs_changes_nothing_but_the_time(project: Project, place: Place, jobs: int) -> None:
    results = push(project, place, jobs=jobs)
    assert sorted(delivered(each) for each in results.values()) == [(2, 0, True), (2, 1, True), (2, 1, True)]
