"""Pushes that meet what networks, registries and people do."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from lambdabuild.errors import ActionFailed, ExternalError, UserError
from lambdabuild.oci import documents
from lambdabuild.oci.digest import sha256_of
from lambdabuild.oci.image import Image
from lambdabuild.oci.registry.repository import Repository
from lambdabuild.outputs import BuiltImage
from lambdabuild.pushing.plan import plan_push, read_wishes
from tests.oci.registry.asking import docker_config, settings_of
from tests.oci.registry.proxy import Forward, Proxy, change, reply
from tests.oci.registry.real import LOGIN, RealRegistry
from tests.oci.registry.server import Reply, Request, error
from tests.project import Project

from .conftest import BUILD, HANDLER
from .pushes import Place, push, statuses

ECR = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"


def built(project: Project, label: str = "//:one") -> tuple[BuiltImage, str]:
    """Returns an image, and the tag of its hash."""
    (report,) = project.build(label).targets
    assert report.built
    return report.built, f"b3-{project.hashes(label)[label][:32]}"


def recompressed(
    project: Project, image: BuiltImage, there: Repository, tag: str, change: bytes = b""
) -> str:
    """Pushes the image with its last layer compressed by another tool; returns the manifest's digest."""
    data = gzip.decompress(
        project.session().store.verified(image.layers[image.image.layers[-1].digest]).read_bytes()
    )
    manifest, config = json.loads(image.image.manifest), json.loads(image.image.config)
    blob = gzip.compress(data + change, 1)
    manifest["layers"][-1] |= {"digest": sha256_of(blob), "size": len(blob)}
    config["rootfs"]["diff_ids"][-1] = sha256_of(data + change)
    encoded = documents.encode(config)
    manifest["config"] |= {"digest": sha256_of(encoded), "size": len(encoded)}
    blobs = [blob, encoded]
    store = project.session().store
    blobs += [store.verified(image.layers[layer.digest]).read_bytes() for layer in image.image.layers[:-1]]
    for each in blobs:
        there.upload(sha256_of(each), len(each), lambda each=each: [each])  # type: ignore[misc]
    other = Image.parse(documents.encode(manifest), encoded)
    assert there.put_manifest(other.manifest, other.media_type, tag) == ()
    return other.digest


def test_what_another_builder_compressed_is_adopted_and_tagged(project: Project, place: Place) -> None:
    image, tag = built(project)
    there = place.repository("one")
    digest = recompressed(project, image, there, tag)
    result = push(project, place, "//:one", tags=["v1"])["//:one"]
    assert (result.status, result.reference.digest) == ("adopted", digest)
    assert there.manifest("v1").digest == digest != image.image.digest
    assert place.tags("base") == ()


def test_other_contents_under_the_tag_of_a_hash_are_an_error_that_shows_where(
    project: Project, place: Place
) -> None:
    image, tag = built(project)
    digest = recompressed(project, image, place.repository("one"), tag, change=bytes(512))
    result = push(project, place, "//:one")["//:one"]
    assert result.status == "failed"
    assert isinstance(result.error, ActionFailed)
    assert result.error.message.endswith("though both have one hash: they differ from layer 2 on")
    there, here = result.error.details
    assert there.startswith("layer 2 of 2 there: diff_id sha256:")
    assert here == f"layer 2 of 2 here:  diff_id {image.image.diff_ids[1]}"
    assert place.repository("one").manifest(tag).digest == digest


def test_an_index_under_the_tag_of_a_hash_is_an_error(project: Project, place: Place) -> None:
    image, tag = built(project)
    there = place.repository("one")
    push(project, place, "//:one")
    entry = {
        "mediaType": image.image.media_type,
        "digest": image.image.digest,
        "size": len(image.image.manifest),
    }
    media_type = "application/vnd.oci.image.index.v1+json"
    index = documents.encode({"schemaVersion": 2, "mediaType": media_type, "manifests": [entry]})
    assert there.put_manifest(index, media_type, tag) == ()
    result = push(project, place, "//:one")["//:one"]
    assert isinstance(result.error, ActionFailed)
    assert "is there, and is not the image of this hash" in result.error.message
    assert (
        result.error.hint == f"remove the tag, if nobody uses it: skopeo delete docker://{place.to}/one:{tag}"
    )


def test_a_tag_that_another_builder_was_faster_to_set_is_adopted(project: Project, place: Place) -> None:
    """The tag comes between our look and our manifest; the registry's tags cannot be changed."""
    image, tag = built(project)
    there = place.repository("one")

    def faster(request: Request, forward: Forward) -> Reply:
        request.body()
        recompressed(project, image, there, tag)
        return error(400, "TAG_INVALID", "the tag is immutable")

    place.gate.plan("PUT", "/one/manifests/", faster)
    assert push(project, place, "//:one")["//:one"].status == "adopted"


def test_a_registry_that_goes_down_half_way_leaves_no_tag_and_the_rest_is_sent_later(
    project: Project, place: Place
) -> None:
    for method in ("GET", "HEAD", "POST", "PUT"):
        place.gate.plan(method, "/one/blobs/", reply(Reply(cut=-1)), times=1000)
    result = push(project, place, "//:one", jobs=1)
    assert statuses(result) == {"//:one": "failed", "//:base": "pushed"}
    assert isinstance(result["//:one"].error, ExternalError)
    assert f"{place.gate.host} cut the connection" in result["//:one"].error.message
    assert place.tags("one") == ()
    place.gate._plans.clear()
    place.asked()
    again = push(project, place, "//:one")
    assert statuses(again) == {"//:one": "pushed", "//:base": "adopted"}
    assert place.sent() < 10_000


def test_after_a_failure_no_other_image_is_begun_unless_told_to_keep_going(
    project: Project, place: Place
) -> None:
    place.gate.plan("HEAD", "/base/", reply(Reply(404)), times=1)
    place.gate.plan("PUT", "/one/manifests/", reply(error(403, "DENIED", "no")), times=2)
    assert statuses(push(project, place, "//:one", "//:two", jobs=1)) == {
        "//:one": "failed",
        "//:two": "skipped",
    }
    results = push(project, place, "//:one", "//:two", jobs=1, keep_going=True)
    assert statuses(results) == {"//:one": "failed", "//:two": "pushed", "//:base": "pushed"}


def test_a_base_that_fails_fails_the_images_on_it_with_its_own_reason(project: Project, place: Place) -> None:
    place.gate.plan("PUT", "/base/manifests/", reply(error(403, "DENIED", "no")), times=10)
    results = push(project, place, "//:one")
    assert statuses(results) == {"//:one": "failed", "//:base": "failed"}
    assert results["//:one"].error is results["//:base"].error


def test_a_registry_that_forgets_what_it_was_given_is_not_asked_for_ever(
    project: Project, place: Place
) -> None:
    image, _ = built(project)
    forgetful = error(400, "MANIFEST_BLOB_UNKNOWN", "unknown", {"Digest": image.image.config_digest})
    place.gate.plan("PUT", "/one/manifests/", reply(forgetful), times=100)
    result = push(project, place, "//:one")["//:one"]
    assert isinstance(result.error, ExternalError)
    assert f"says that it lacks the blob {image.image.config_digest}, which it has just been" in str(
        result.error
    )


def test_a_registry_that_does_not_say_what_it_lacks_is_asked(project: Project, place: Place) -> None:
    project.write({"BUILD": BUILD.replace("handler =", 'repository = "all", handler =')})
    push(project, place, "//:one")

    def silent(answer: Reply) -> Reply:
        return error(400, "BLOB_UPLOAD_UNKNOWN", "layers are missing") if answer.status >= 400 else answer

    place.gate.plan("PUT", "/manifests/", change(silent), times=100)
    place.asked()
    result = push(project, place, "//:two")["//:two"]
    assert result.delivered
    # The config is certainly new, and the base's layer can be mounted: nobody asks for these.
    assert (result.delivered.uploads, result.delivered.mounted) == (2, 1)
    assert len(place.gate.asked("HEAD", "/blobs/")) == 1
    # Its own layer is found there, and not sent again.
    project.write({"BUILD": project_with("env", '{"A": "1"}')})
    place.asked()
    result = push(project, place, "//:two")["//:two"]
    assert result.delivered
    assert (result.delivered.uploads, result.delivered.mounted) == (1, 1)


def test_a_registry_that_takes_any_manifest_gets_its_blobs_as_well(project: Project, place: Place) -> None:
    place.gate.plan("PUT", "/one/manifests/", reply(Reply(201)))
    result = push(project, place, "//:one")["//:one"]
    assert result.delivered
    assert (result.delivered.uploads, result.delivered.mounted) == (2, 1)
    assert len(place.tags("one")) == 1


def project_with(attribute: str, value: str) -> str:
    return BUILD.replace("handler =", f'repository = "all", {attribute} = {value}, handler =')


class Ecr(Proxy):
    """ECR before a registry: repositories do not come by themselves, and what is missing is not named.

    Asked as the proxy of those who mean `ECR`, without TLS.
    """

    def __init__(self, upstream: str) -> None:
        super().__init__(upstream)
        self.repositories: set[str] = set()

    def _forward(self, request: Request) -> Reply:
        repository = request.path.removeprefix("/v2/").partition("/manifests/")[0].partition("/blobs/")[0]
        if repository not in self.repositories:
            return error(404, "NAME_UNKNOWN", f"The repository with name '{repository}' does not exist")
        answer = super()._forward(request)
        if answer.status == 404 and request.method == "PUT":
            return error(400, "BLOB_UPLOAD_UNKNOWN", "Layers with digests do not exist")
        if "Location" in answer.headers:  # of the registry behind, which is nobody's business
            path = answer.headers["Location"].partition("/v2/")[2]
            return Reply(
                answer.status, answer.body, {**answer.headers, "Location": f"http://{ECR}/v2/{path}"}
            )
        return answer


@pytest.fixture
def ecr(registry: RealRegistry) -> Iterator[Ecr]:
    with Ecr(registry.host) as running:
        yield running


def test_a_repository_that_ecr_lacks_is_named_with_the_command_that_makes_it(
    project: Project, ecr: Ecr, tmp_path: Path
) -> None:
    place = Place(ecr, ECR)
    settings = settings_of(
        docker_config(tmp_path, auths={ECR: {"auth": LOGIN}}),
        insecure=frozenset({ECR}),
        proxies={"http": ecr.url},
    )
    results = push(project, place, "//:one", settings=settings)
    assert statuses(results) == {"//:one": "failed"}
    told = results["//:one"].error
    assert isinstance(told, UserError)
    assert f"it has no repository '{place.prefix}/one'" in told.message
    assert told.hint == f"aws ecr create-repository --region eu-west-1 --repository-name {place.prefix}/one"
    ecr.repositories.add(f"{place.prefix}/one")
    told = push(project, place, "//:one", settings=settings)["//:one"].error
    assert told
    assert told.hint == f"aws ecr create-repository --region eu-west-1 --repository-name {place.prefix}/base"
    ecr.repositories.add(f"{place.prefix}/base")
    assert statuses(push(project, place, "//:one", settings=settings)) == {
        "//:one": "pushed",
        "//:base": "pushed",
    }
    assert place.repository("one").tags() == (built(project)[1],)


def test_what_lambda_refuses_is_not_pushed(project: Project, place: Place) -> None:
    project.write({"BUILD": BUILD.replace('"one.main"', '"one.main", entrypoint = ["/bin/nothing"]')})
    result = push(project, place, "//:one")["//:one"]
    assert isinstance(result.error, ActionFailed)
    assert result.error.message == (
        "//:one (linux/amd64) is no image that Lambda would take, and was not pushed: entrypoint"
    )
    assert result.error.details[0] == "entrypoint: the entrypoint '/bin/nothing' is not in the image"
    assert set(place.asked()) == {"HEAD"}
    # The base is no function, so nobody asks Lambda about it.
    project.write(
        {"BUILD": BUILD.replace('srcs = ["blob"]', 'srcs = ["blob"], entrypoint = ["/bin/nothing"]')}
    )
    assert push(project, place, "//:base")["//:base"].status == "pushed"


def test_what_this_machine_s_python_is_in_stays_here(project: Project, place: Place) -> None:
    project.write(
        {
            "BUILD": 'host_python_image(name = "python")\n'
            'lambda_image(name = "one", base = ":python", srcs = ["one.py"], handler = "one.main")\n',
            "WORKSPACE.toml": '[workspace]\nplatforms = ["host"]\n',
        }
    )
    session = project.session()
    evaluation = session.evaluate(project.question("//:one"))
    with pytest.raises(UserError, match=r"must not leave it: it cannot be pushed to ghcr\.io/me") as caught:
        plan_push(evaluation, read_wishes(session.workspace, ["ghcr.io/me"], []), {})
    assert str(caught.value.at) == "BUILD:2:1"
    for host in ("localhost", "127.0.0.1:5000", "[::1]:5000", "[::1]"):
        plan_push(evaluation, read_wishes(session.workspace, [f"{host}/me"], []), {})
    assert not session.cache_dir.exists()


@pytest.fixture
def held_up(project: Project, place: Place) -> Iterator[tuple[subprocess.Popen[bytes], threading.Event]]:
    """A push in a process of its own whose registry does not answer until the event is set."""
    project.run("build", "//...")
    reached, released = threading.Event(), threading.Event()

    def hang(request: Request, forward: Forward) -> Reply:
        reached.set()
        released.wait(30)
        return Reply(cut=-1)

    place.gate.plan("PUT", "/one/blobs/", hang, times=2)
    process = subprocess.Popen(
        [sys.executable, "-m", "lambdabuild", "push", "//:one", "--to", place.to],
        cwd=project.root,
        env=os.environ | {"XDG_CACHE_HOME": str(project.cache.parent)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert reached.wait(30)
    yield process, released
    released.set()


def test_a_push_killed_half_way_leaves_no_tag_and_the_next_sends_what_is_missing(
    project: Project, place: Place, held_up: tuple[subprocess.Popen[bytes], threading.Event]
) -> None:
    process, released = held_up
    process.send_signal(signal.SIGKILL)
    process.communicate()
    released.set()
    assert place.tags("one") == ()
    place.gate._plans.clear()
    place.asked()
    assert push(project, place, "//:one")["//:one"].status == "pushed"
    assert place.sent() < 10_000
    assert len(place.tags("one")) == 1


def test_an_interrupt_ends_a_push_without_a_tag(
    place: Place, held_up: tuple[subprocess.Popen[bytes], threading.Event]
) -> None:
    process, released = held_up
    process.send_signal(signal.SIGINT)
    released.set()
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err.split()) == (130, b"", [b"interrupted"])
    assert place.tags("one") == ()


def test_an_edit_after_a_push_changes_the_tag(project: Project, place: Place) -> None:
    push(project, place, "//:one")
    project.write({"one.py": HANDLER.replace("1", "2")})
    push(project, place, "//:one")
    assert len(place.tags("one")) == 2
