"""A layer that does not come, or comes wrong, fails what needs it and is kept nowhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from lambdabuild.action import ToolCall
from lambdabuild.digest import Digest
from lambdabuild.errors import ExternalError
from lambdabuild.oci.digest import OciDigest
from lambdabuild.oci.layer import Layer
from lambdabuild.tools.pull import PullTool
from tests.external.conftest import BUILD
from tests.external.test_bases import pinned
from tests.oci.blobs import Blobs
from tests.oci.registry.proxy import Fault, Proxy, change, cut_answer, reply
from tests.oci.registry.server import Reply, error
from tests.project import Project


def other_bytes(answer: Reply) -> Reply:
    return replace(answer, body=answer.body[:-1] + bytes([answer.body[-1] ^ 1]))


def truncated(answer: Reply) -> Reply:
    headers = {name: value for name, value in answer.headers.items() if name.lower() != "content-length"}
    return replace(answer, body=answer.body[:-5], headers=headers)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (change(other_bytes), "gave other bytes, with the digest sha256:"),
        (change(truncated), "instead of"),
        (reply(error(404, "BLOB_UNKNOWN")), "read the blob sha256:"),
        (reply(error(403, "DENIED")), "read the blob sha256:"),
    ],
    ids=["other bytes", "truncated", "gone", "forbidden"],
)
def test_wrong_bytes_are_an_error_and_never_kept(
    project: Project, gate: Proxy, fault: Fault, said: str
) -> None:
    pin = pinned(project)
    (layer,) = pin.image.layers
    gate.plan("GET", layer.digest, fault, times=100)
    for _ in range(2):
        report = project.build(full=True)
        (failure,) = report.errors
        assert said in failure.message
        assert layer.digest in failure.message
        assert not [path for path in project.stored() if Path(path).is_file() and blob_of(path, layer.size)]
    gate._plans.clear()
    assert project.build(full=True).errors == ()


def blob_of(path: str, size: int) -> bool:
    """Tells whether a file is as long as the layer, or nearly so."""
    return abs(Path(path).stat().st_size - size) < 10


def test_a_connection_that_is_cut_is_taken_up_again(project: Project, gate: Proxy) -> None:
    pin = pinned(project)
    gate.plan("GET", pin.image.layers[0].digest, cut_answer(100_000))
    assert project.build(full=True).errors == ()


def test_only_what_needs_the_bytes_fails(project: Project, gate: Proxy) -> None:
    pinned(project)
    gate.plan("GET", "/blobs/", reply(error(404, "BLOB_UNKNOWN")), times=100)
    other = BUILD.replace('"app"', '"other"').replace("@python", "scratch")
    project.write({"BUILD": BUILD + other})
    report = project.build(full=True, keep_going=True)
    assert {each.id.label.short: each.status for each in report.targets} == {
        "//:app": "failed",
        "//:other": "built",
    }
    assert project.statuses() == {"//:app": "cached", "//:other": "cached"}


# --- the tool alone ----------------------------------------------------------------


def call(scratch: Path, digest: str, size: int, check: Callable[[], None] = lambda: None) -> ToolCall:
    def contents(digest: Digest) -> list[bytes]:
        raise AssertionError("it has no inputs")

    return ToolCall({"digest": digest, "size": size}, {}, "any", contents, lambda: scratch, check)


def test_the_tool_describes_the_layer_as_the_layer_tool_would(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path / "blobs")
    layer = blobs.layer({"a": bytes(1_000_000), "b": b"x"})
    data = blobs.path(layer.digest).read_bytes()
    made = PullTool(lambda digest, size: [data[:7], data[7:]]).run(call(tmp_path, layer.digest, layer.size))
    assert isinstance(made["layer.json"].content, bytes)
    assert Layer.from_json(made["layer.json"].content) == layer
    assert isinstance(made["layer.tar.gz"].content, Path)
    assert made["layer.tar.gz"].content.read_bytes() == data


def test_a_blob_that_is_cut_short_within_its_gzip_is_refused(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path / "blobs")
    layer = blobs.layer({"a": bytes(1_000_000)})
    data = blobs.path(layer.digest).read_bytes()[:-20]
    with pytest.raises(ExternalError, match="gzip stream"):
        PullTool(lambda digest, size: [data]).run(call(tmp_path, OciDigest(layer.digest), len(data)))


def test_a_build_that_is_stopped_stops_the_download(tmp_path: Path) -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        PullTool(lambda digest, size: [b"x"]).run(call(tmp_path, "sha256:" + "0" * 64, 1, stop))
