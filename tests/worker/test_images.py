"""Images of an order reach their registry, and count as built only then."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from lambdabuild.configured import ConfiguredLabel
from lambdabuild.label import parse_label
from lambdabuild.oci.registry.client import Client
from lambdabuild.order import MadeFile, MadeLayer, Order, OrderedAction, PushedImage
from lambdabuild.worker.provision import Provision
from tests.oci.registry.asking import Pauses, new_name, repository, settings_of
from tests.oci.registry.real import RealRegistry

from .bench import Bench, image, layer

APP = {"var/task/app.py": b"def main(event, context):\n    return 1\n"}
TAG = "b3-" + "7" * 32


def pushed(label: str, whole: OrderedAction, *layers: OrderedAction, **more: Any) -> PushedImage:
    return PushedImage(
        ConfiguredLabel(parse_label(label), "linux/amd64"),
        more.pop("repository", "app"),
        TAG,
        MadeFile(whole.key, "manifest.json"),
        MadeFile(whole.key, "config.json"),
        tuple(MadeLayer(MadeFile(a.key, "layer.tar.gz"), MadeFile(a.key, "layer.json")) for a in layers),
        **more,
    )


@pytest.fixture
def order(bench: Bench, registry: RealRegistry) -> Order:
    app = layer(bench, "//app:image", APP)
    whole = image("//app:image", app)
    to = f"{registry.host}/{new_name('worker')}"
    return Order((app, whole), images=(pushed("//app:image", whole, app, tags=("v1",)),), destinations=(to,))


def prefix(order: Order) -> str:
    return order.destinations[0].partition("/")[2]


def test_images_are_pushed_and_then_published(bench: Bench, registry: RealRegistry, order: Order) -> None:
    done = bench.run(order)
    assert done.code == 0
    (push,) = done.outcome["pushes"]
    assert (push["status"], push["label"], push["tags"]) == ("pushed", "//app:image", ["v1"])
    there = repository(registry.host, f"{prefix(order)}/app")
    assert {*there.tags()} == {TAG, "v1"}
    assert there.manifest(TAG).data == bench.output(order.actions[1].key, "manifest.json")
    assert [each["event"] for each in done.events][-2:] == ["pushing", "pushed"]


def test_what_is_known_already_is_pushed_as_well(bench: Bench, registry: RealRegistry, order: Order) -> None:
    bench.run(replace(order, images=(), destinations=()))
    app, whole = order.actions
    known = {app.key: app.outputs, whole.key: whole.outputs}
    done = bench.run(Order((), known, order.images, order.destinations))
    assert (done.code, done.outcome["ran"]) == (0, [])
    assert [push["status"] for push in done.outcome["pushes"]] == ["pushed"]


def test_an_image_that_cannot_be_pushed_has_no_result_and_its_layers_have(
    bench: Bench, order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Provision, "client", lambda self: Client(settings_of(), Pauses()))
    unreachable = replace(order, destinations=("127.0.0.1:9/x",))
    done = bench.run(unreachable)
    assert done.code == 3
    assert done.outcome["pushes"][0]["status"] == "failed"
    app, whole = order.actions
    assert bench.result(app.key)
    assert bench.result(whole.key) is None
    assert bench.run(order).outcome["ran"] == [whole.key]
    assert bench.result(whole.key)


def test_an_image_that_lambda_would_refuse_is_not_pushed(bench: Bench, order: Order) -> None:
    (item,) = order.images
    strict = replace(order, images=(replace(item, for_lambda=True, handlers=("nothing.main",)),))
    done = bench.run(strict)
    assert done.code == 1
    assert "no image that Lambda would take" in done.outcome["pushes"][0]["error"]["message"]
    assert bench.result(order.actions[1].key) is None


def test_an_image_on_a_base_mounts_what_the_base_has(
    bench: Bench, registry: RealRegistry, order: Order
) -> None:
    app, base = order.actions
    top = layer(bench, "//top:image", {"var/task/top.py": b"top"})
    whole = image("//top:image", top, base=base)
    images = (
        pushed("//top:image", whole, app, top, repository="top", base=1),
        replace(order.images[0], asked=False),
    )
    done = bench.run(replace(order, actions=(app, base, top, whole), images=images))
    assert done.code == 0
    assert {push["label"]: push["status"] for push in done.outcome["pushes"]} == {
        "//top:image": "pushed",
        "//app:image": "pushed",
    }
    assert done.outcome["pushes"][0]["blobs_mounted"] == 1


def test_parts_that_are_no_image_are_a_push_that_failed(bench: Bench, order: Order) -> None:
    app, whole = order.actions
    (item,) = order.images
    odd = replace(item, config=MadeFile(app.key, "layer.json"))
    done = bench.run(replace(order, images=(odd,)))
    assert done.code == 1
    assert done.outcome["pushes"][0]["error"]["message"]
    assert done.outcome["ran"] == sorted([app.key, whole.key])
    assert bench.result(whole.key) is None


def test_an_image_whose_parts_failed_is_not_pushed(
    bench: Bench, registry: RealRegistry, order: Order
) -> None:
    app, whole = order.actions
    done = bench.run(replace(order, actions=(whole,), known={app.key: app.outputs}))
    assert done.code == 3
    assert done.outcome["pushes"] == []
    assert done.outcome["unknown"] == [app.key]
