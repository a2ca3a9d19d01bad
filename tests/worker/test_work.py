"""An order becomes results in the store, and an outcome says what did not."""

from __future__ import annotations

import json

import pytest

from lambdabuild.action import ActionKey, ActionResult
from lambdabuild.digest import Canonical, Digest, digest_of
from lambdabuild.oci.image import Image
from lambdabuild.order import MadeInput, Order
from lambdabuild.store.s3.store import S3Store
from lambdabuild.tools import tool_version
from lambdabuild.tree import FileNode, directory_of

from .bench import IMAGE, LAYER, Bench, Files, action, image, layer

APP: Files = {"var/task/app.py": b"def main(event, context): pass\n", "var/task/run": (b"#!/bin/sh\n", True)}


def test_an_order_is_run_and_its_results_are_published(bench: Bench) -> None:
    app = layer(bench, "//app:image", APP)
    whole = image("//app:image", app)
    done = bench.run(Order((app, whole)))
    assert done.code == 0
    assert done.outcome == {
        "version": 1,
        "order": Order((app, whole)).digest.hash,
        "build": done.outcome["build"],
        "failures": [],
        "lost": [],
        "unknown": [],
        "refused": None,
        "pushes": [],
        "ran": sorted([app.key, whole.key]),
    }
    parts = [bench.output(whole.key, name) for name in IMAGE]
    blob = bench.output(app.key, "layer.tar.gz")
    assert [each.size for each in Image.parse(*parts).layers] == [len(blob)]
    assert [(each["event"], each.get("tool")) for each in done.events] == [
        ("note", None),
        ("started", "layer"),
        ("finished", "layer"),
        ("started", "image"),
        ("finished", "image"),
    ]
    assert {each["label"] for each in done.told("finished")} == {"//app:image"}


def test_keys_are_published_with_their_documents(bench: Bench) -> None:
    app = layer(bench, "//app:image", APP)
    bench.run(Order((app,)))
    document = bench.new_cache().document(app.key)
    assert document is not None
    assert json.loads(document)["tool"] == "layer"
    result = bench.result(app.key)
    assert result is not None
    assert result.executor == "codebuild"


def test_what_is_known_by_now_is_neither_run_nor_published_again(bench: Bench) -> None:
    app = layer(bench, "//app:image", APP)
    bench.run(Order((app,)))
    before = bench.names("results"), bench.names("cas")
    again = bench.run(Order((app,)))
    assert (again.code, again.outcome["ran"]) == (0, [])
    assert (bench.names("results"), bench.names("cas")) == before


def test_an_equal_result_under_another_deep_key_is_adopted(bench: Bench) -> None:
    app = layer(bench, "//app:image", APP)
    first = image("//app:image", app)
    bench.run(Order((app, first)))
    other = action("//app:image", "layer", {"bytecode": ""}, LAYER, tree=bench.sources(APP))
    second = image("//app:image", other)
    done = bench.run(Order((other, second)))
    assert done.outcome["ran"] == [other.key]  # the same layer: so the image is the same
    assert bench.output(second.key, "config.json") == bench.output(first.key, "config.json")


def test_inputs_that_the_order_does_not_make_come_from_the_action_cache(bench: Bench) -> None:
    app = layer(bench, "//app:image", APP)
    bench.run(Order((app,)))
    whole = image("//app:image", app)
    done = bench.run(Order((whole,), {app.key: LAYER}))
    assert (done.code, done.outcome["ran"]) == (0, [whole.key])


def test_a_known_key_without_result_is_told_and_fails_what_stands_on_it(bench: Bench) -> None:
    app, free = layer(bench, "//app:image", APP), layer(bench, "//free", {"var/task/free.py": b"free"})
    whole = image("//app:image", app)
    done = bench.run(Order((whole, free), {app.key: LAYER}))
    assert done.code == 3
    assert done.outcome["unknown"] == [app.key]
    assert [each["key"] for each in done.outcome["failures"]] == [whole.key]
    assert done.outcome["ran"] == [free.key]


def test_a_known_output_that_is_gone_is_told(bench: Bench) -> None:
    app, free = layer(bench, "//app:image", APP), layer(bench, "//free", {"var/task/free.py": b"free"})
    outputs = {name: FileNode(digest_of(name.encode())) for name in LAYER}
    bench.new_cache().record(app.key, ActionResult(outputs, 1.0, "x").to_json(), b"{}")
    done = bench.run(Order((image("//app:image", app), free), {app.key: LAYER}))
    assert done.code == 3
    assert done.outcome["lost"] == [str(outputs["layer.json"].digest)]  # nobody takes the other
    assert done.outcome["ran"] == [free.key]


def test_a_failure_leaves_what_does_not_depend_on_it_alone(bench: Bench) -> None:
    params: dict[str, Canonical] = {
        "project": "a",
        "backend": "x",
        "backend_path": [],
        "variables": {},
        "host": None,
    }
    bad = action("//bad", "wheel", params, ("package.whl",))
    above = action("//above", "layer", {}, LAYER, made=(MadeInput("var/task/a.whl", bad.key, "package.whl"),))
    app = layer(bench, "//app:image", APP)
    done = bench.run(Order((bad, above, app)))
    assert done.code == 1
    assert [(each["key"], each["label"]) for each in done.outcome["failures"]] == [(bad.key, "//bad:bad")]
    assert done.outcome["ran"] == [app.key]
    assert bench.result(bad.key) is None


def lose(bench: Bench, digest: Digest) -> None:
    """Removes all objects that hold a blob."""
    for place in bench.new_store()._index.places(digest):
        assert bench.bucket.delete(f"cas/{place.name}")


def damage(bench: Bench, digest: Digest) -> None:
    """Changes a byte in the middle of a blob, wherever it is stored."""
    for place in bench.new_store()._index.places(digest):
        stored = bench.bucket.read(f"cas/{place.name}", limit=1 << 20)
        assert stored is not None
        data = bytearray(stored.data)
        data[place.offset + place.length // 2] ^= 1
        assert bench.bucket.replace(f"cas/{place.name}", bytes(data), stored.etag)


@pytest.mark.parametrize("spoil", [lose, damage])
def test_a_source_that_is_not_there_is_told_and_fails_its_action_alone(bench: Bench, spoil: object) -> None:
    assert callable(spoil)
    app = layer(bench, "//app:image", APP)
    bench.store = bench.new_store()  # so that the others are in a pack of their own
    free = layer(bench, "//free", {"var/task/free.py": b"free"})
    source = digest_of(b"def main(event, context): pass\n")
    spoil(bench, source)
    done = bench.run(Order((app, free)))
    assert done.code == 3
    assert str(source) in done.outcome["lost"]
    assert [each["key"] for each in done.outcome["failures"]] == [app.key]
    assert done.outcome["ran"] == [free.key]
    bench.store = bench.new_store()
    assert bench.run(Order((layer(bench, "//app:image", APP), free))).code == 0


def test_a_directory_that_is_not_there_is_told_and_fails_its_action_alone(bench: Bench) -> None:
    free = layer(bench, "//free", {"var/task/free.py": b"free"})
    tree = directory_of({"var/task/app.py": FileNode(digest_of(b"free"))})
    app = action("//app:image", "layer", {}, LAYER, tree=tree)
    whole = image("//app:image", app)
    done = bench.run(Order((app, free, whole)))
    assert done.code == 3
    assert done.outcome["lost"] == [str(tree.digest)]
    assert [each["key"] for each in done.outcome["failures"]] == [app.key]
    assert done.outcome["ran"] == [free.key]


def test_what_is_published_has_its_outputs_in_the_store(bench: Bench) -> None:
    actions = tuple(layer(bench, f"//a{n}", {f"var/task/{n}.py": bytes([n])}) for n in range(6))
    bench.run(Order(actions))
    cache, store = bench.new_cache(), bench.new_store()
    found = cache.lookup([each.key for each in actions])
    assert len(found) == 6
    assert not store.missing(
        node.digest for data in found.values() for node in ActionResult.from_json(data).outputs.values()
    )


def test_a_result_is_published_under_its_action_key_too(bench: Bench) -> None:
    app = layer(bench, "//app:image", APP)
    bench.run(Order((app,)))
    assert app.sources
    key = ActionKey(
        tool="layer",
        tool_version=tool_version("layer"),
        params={},
        input_root=app.sources,
        outputs=LAYER,
        platform="any",
        owner=app.id,
    ).key()
    assert bench.result(key) == bench.result(app.key)


def test_segments_are_few_after_many_orders(bench: Bench) -> None:
    for number in range(8):
        bench.run(Order((layer(bench, f"//a{number}", {"var/task/a.py": bytes([number])}),)))
    assert len(bench.names("results")) <= 4
    assert len(bench.names("index")) <= 4


def test_results_count_only_when_bytes_are_there(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        from lambdabuild.errors import ExternalError

        raise ExternalError("the disk of the world is full")

    app = layer(bench, "//app:image", APP)
    monkeypatch.setattr(S3Store, "upload", fail)
    done = bench.run(Order((app,)))
    assert (done.code, done.outcome["ran"]) == (3, [app.key])
    assert bench.result(app.key) is None
    assert bench.names("results") == set()


def test_an_order_that_is_not_there_leaves_an_outcome(bench: Bench) -> None:
    done = bench.run("0" * 64)
    assert done.code == 2
    assert "has no order" in done.outcome["refused"]["message"]
    assert done.told("failed")
